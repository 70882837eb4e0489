package auth_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/auth/password"
)

//covers:auth 74 75 76 77
func TestPasswordGrant(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Phone.Enabled = true })
	u := f.signUp(t, "in@example.com")
	f.admin(t, "POST", "/admin/users", map[string]any{"email": "raw@example.com", "phone": "+1 5550 100", "password": goodPassword}).ok(t, 200)
	f.admin(t, "POST", "/admin/users", map[string]any{"phone": "15550200", "password": goodPassword, "phone_confirm": true}).ok(t, 200)
	banned := f.signUp(t, "ban@example.com")
	f.admin(t, "PUT", "/admin/users/"+banned.id, map[string]any{"ban_duration": "1h30m"}).ok(t, 200)
	f.post(t, "/signup", map[string]any{"email": "nopass@example.com", "password": goodPassword}).ok(t, 200)
	f.exec(t, "update auth.users set encrypted_password = null where email = 'nopass@example.com'")
	f.post(t, "/signup", map[string]any{"email": "junk@example.com", "password": goodPassword}).ok(t, 200)
	f.exec(t, "update auth.users set encrypted_password = 'junk' where email = 'junk@example.com'")

	login := func(body map[string]any) *response { return f.post(t, "/token?grant_type=password", body) }
	for _, c := range []struct {
		name          string
		body          map[string]any
		status        int
		code, message string
	}{
		{"both", map[string]any{"email": "a@b.c", "phone": "1", "password": "x"}, 400, "validation_failed", "Only an email address or phone number should be provided on login."},
		{"neither", map[string]any{"password": "x"}, 400, "validation_failed", "missing email or phone"},
		{"unknown", map[string]any{"email": "who@example.com", "password": "x"}, 400, "invalid_credentials", "Invalid login credentials"},
		{"wrong", map[string]any{"email": u.email, "password": "x"}, 400, "invalid_credentials", "Invalid login credentials"},
		{"empty", map[string]any{"email": u.email}, 400, "invalid_credentials", "Invalid login credentials"},
		{"no password set", map[string]any{"email": "nopass@example.com", "password": ""}, 400, "invalid_credentials", "Invalid login credentials"},
		{"unreadable hash", map[string]any{"email": "junk@example.com", "password": goodPassword}, 400, "invalid_credentials", "Invalid login credentials"},
		{"banned before the password", map[string]any{"email": banned.email, "password": "x"}, 400, "user_banned", "User is banned"},
		{"unconfirmed", map[string]any{"email": "raw@example.com", "password": goodPassword}, 400, "email_not_confirmed", "Email not confirmed"},
		{"unconfirmed, wrong", map[string]any{"email": "raw@example.com", "password": "x"}, 400, "invalid_credentials", "Invalid login credentials"},
		{"unconfirmed phone", map[string]any{"phone": "15550100", "password": goodPassword}, 400, "phone_not_confirmed", "Phone not confirmed"},
	} {
		t.Run(c.name, func(t *testing.T) { login(c.body).refused(t, c.status, c.code, c.message) })
	}
	r := login(map[string]any{"email": "IN@Example.com", "password": goodPassword}).ok(t, 200)
	if claims(t, r.text("access_token"))["session_id"] == claims(t, u.token)["session_id"] {
		t.Error("a sign-in shares the session of another")
	}
	login(map[string]any{"phone": "+1 5550 200", "password": goodPassword}).ok(t, 200)
	f.clock.advance(91 * time.Minute)
	login(map[string]any{"email": banned.email, "password": goodPassword}).ok(t, 200)
}

//covers:auth 78
func TestWeakPasswordIsReportedAtSignIn(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Password.MinLength = 20 })
	f.admin(t, "POST", "/admin/users", map[string]any{"email": "weak@example.com", "password": "short", "email_confirm": true}).ok(t, 200)
	r := f.post(t, "/token?grant_type=password", map[string]any{"email": "weak@example.com", "password": "short"}).ok(t, 200)
	if r.text("weak_password.message") != "Password should be at least 20 characters." || fmt.Sprint(r.at("weak_password.reasons")) != "[length]" {
		t.Errorf("weak_password is %v", r.at("weak_password"))
	}
}

// Users that came with a dump: other hashes sign in, and are stored in today's
// form afterwards, which is no change of the password.
//
//covers:auth 162 163
func TestForeignHashesAreUpgraded(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	bc, err := bcrypt.GenerateFromPassword([]byte(goodPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	other, err := password.New(password.Cost{Memory: 256, Time: 3, Threads: 1}, 0)
	if err != nil {
		t.Fatal(err)
	}
	strong, err := other.Hash(context.Background(), goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	const firebase = "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==" +
		"$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
	for _, c := range []struct {
		name, hash, password string
		upgraded             bool
	}{
		{"bcrypt", string(bc), goodPassword, true},
		{"firebase", firebase, "user1password", true},
		{"stronger", strong, goodPassword, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			email := c.name + "@example.com"
			f.admin(t, "POST", "/admin/users", map[string]any{"email": email, "password_hash": c.hash, "email_confirm": true}).ok(t, 200)
			login := map[string]any{"email": email, "password": c.password}
			first := f.post(t, "/token?grant_type=password", login).ok(t, 200)
			stored := f.value(t, "select encrypted_password from auth.users where email = $1", email)
			if (stored != c.hash) != c.upgraded {
				t.Errorf("stored %s", stored)
			}
			f.post(t, "/token?grant_type=password", login).ok(t, 200)
			f.as(t, user{token: first.text("access_token")}, "GET", "/user", nil).ok(t, 200)
			if again := f.value(t, "select encrypted_password from auth.users where email = $1", email); again != stored {
				t.Errorf("the hash changed again, to %s", again)
			}
		})
	}
}

// Rows as seeds write them.
//
//covers:auth 168
func TestSeededUsers(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	hash, err := bcrypt.GenerateFromPassword([]byte(goodPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	f.exec(t, `insert into auth.users (id, email, encrypted_password, email_confirmed_at) values (gen_random_uuid(), 'Seed@example.com', $1, now())`, string(hash))
	f.exec(t, `insert into auth.users (id, instance_id, aud, role, email, encrypted_password, email_confirmed_at, confirmation_token, raw_user_meta_data, raw_app_meta_data)
		values (gen_random_uuid(), '00000000-0000-0000-0000-000000000000', 'authenticated', 'editor', 'role@example.com', $1, now(), null, 'null', '[1]')`, string(hash))
	f.exec(t, `insert into auth.users (id, instance_id, aud, role, email, encrypted_password, email_confirmed_at)
		values (gen_random_uuid(), gen_random_uuid(), 'authenticated', 'authenticated', 'foreign@example.com', $1, now())`, string(hash))
	f.exec(t, `insert into auth.users (id, instance_id, aud, role, email, encrypted_password, email_confirmed_at)
		values (gen_random_uuid(), '00000000-0000-0000-0000-000000000000', 'others', 'authenticated', 'aud@example.com', $1, now())`, string(hash))

	r := f.post(t, "/token?grant_type=password", map[string]any{"email": "seed@example.com", "password": goodPassword}).ok(t, 200)
	if r.text("user.aud") != "authenticated" || r.text("user.role") != "authenticated" || fmt.Sprint(r.at("user.app_metadata")) != "map[]" || fmt.Sprint(r.at("user.identities")) != "[]" {
		t.Errorf("bare seed: %s", r.raw)
	}
	if c := claims(t, r.text("access_token")); c["aud"] != "authenticated" || c["role"] != "authenticated" {
		t.Errorf("claims %v", c)
	}
	u := user{token: r.text("access_token")}
	f.as(t, u, "GET", "/user", nil).ok(t, 200)
	f.as(t, u, "PUT", "/user", map[string]any{"data": map[string]any{"a": 1}}).ok(t, 200)
	f.post(t, "/token?grant_type=refresh_token", map[string]any{"refresh_token": r.text("refresh_token")}).ok(t, 200)

	r = f.post(t, "/token?grant_type=password", map[string]any{"email": "role@example.com", "password": goodPassword}).ok(t, 200)
	if r.text("user.role") != "editor" || fmt.Sprint(r.at("user.user_metadata"), r.at("user.app_metadata")) != "map[] map[]" {
		t.Errorf("own role: %s", r.raw)
	}
	for _, email := range []string{"foreign@example.com", "aud@example.com"} {
		f.post(t, "/token?grant_type=password", map[string]any{"email": email, "password": goodPassword}).
			refused(t, 400, "invalid_credentials", "Invalid login credentials")
	}
	f.post(t, "/signup", map[string]any{"email": "seed@example.com", "password": goodPassword}).
		refused(t, 422, "user_already_exists", "User already registered")
	if r := f.admin(t, "GET", "/admin/users", nil).ok(t, 200); len(r.at("users").([]any)) != 2 {
		t.Errorf("list: %s", r.raw)
	}
}

// A burst of sign-ins with real costs is served, one after the other where it
// must be.
func TestSignInBurst(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Password.Cost = password.Cost{} })
	u := f.signUp(t, "burst@example.com")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if r := f.post(t, "/token?grant_type=password", map[string]any{"email": u.email, "password": u.password}); r.status != 200 {
				t.Errorf("%d %s", r.status, r.raw)
			}
		})
	}
	wg.Wait()
	if n := f.value(t, "select count(*) from auth.sessions"); n != "17" {
		t.Errorf("%s sessions", n)
	}
}
