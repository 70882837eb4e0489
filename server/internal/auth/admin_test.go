package auth_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/mail"
)

//covers:auth 134 135
func TestAdminCreateUser(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	create := func(body map[string]any) *response { return f.admin(t, "POST", "/admin/users", body) }
	const id = "11111111-2222-4333-8444-555555555555"
	r := create(map[string]any{"id": id, "email": "Full@example.com", "phone": "+15550100", "password": "x", "email_confirm": true, "phone_confirm": true,
		"user_metadata": map[string]any{"a": 1}, "app_metadata": map[string]any{"plan": "pro", "provider": "sso"}, "role": "editor", "ban_duration": "24h"}).ok(t, 200)
	for path, want := range map[string]string{"id": id, "email": "full@example.com", "phone": "15550100", "role": "editor", "aud": "authenticated",
		"user_metadata.a": "1", "user_metadata.email_verified": "true", "user_metadata.sub": "", "app_metadata.plan": "pro", "app_metadata.provider": "sso",
		"identities.0.provider": "email", "identities.1.provider": "phone", "identities.1.identity_data.phone": "15550100"} {
		if got := r.text(path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	for _, path := range []string{"email_confirmed_at", "phone_confirmed_at", "confirmed_at", "banned_until"} {
		if r.text(path) == "" {
			t.Errorf("%s is missing", path)
		}
	}
	if r.at("last_sign_in_at") != nil || len(f.box.List(mail.Filter{})) != 0 {
		t.Error("a sign-in or a mail")
	}
	if got := f.value(t, "select concat_ws('|', payload->>'actor_id', payload->>'actor_username', payload->>'action', payload#>>'{traits,user_email}', payload#>>'{traits,provider}') from auth.audit_log_entries"); got != "00000000-0000-0000-0000-000000000000|service_role|user_signedup|full@example.com|email" {
		t.Errorf("audit %s", got)
	}
	unconfirmed := create(map[string]any{"email": "plain@example.com"}).ok(t, 200)
	if unconfirmed.at("email_confirmed_at") != nil || f.value(t, "select encrypted_password <> '' from auth.users where email = 'plain@example.com'") != "true" {
		t.Errorf("%s", unconfirmed.raw)
	}
	for _, c := range []struct {
		name          string
		body          map[string]any
		status        int
		code, message string
	}{
		{"nothing", map[string]any{}, 400, "validation_failed", "Cannot create a user without either an email or phone"},
		{"address", map[string]any{"email": "nope"}, 400, "validation_failed", "Unable to validate email address: invalid format"},
		{"number", map[string]any{"phone": "nope"}, 400, "validation_failed", "Invalid phone number format (E.164 required)"},
		{"email taken", map[string]any{"email": "FULL@example.com"}, 422, "email_exists", "A user with this email address has already been registered"},
		{"phone taken", map[string]any{"phone": "15550100"}, 422, "phone_exists", "Phone number already registered by another user"},
		{"both passwords", map[string]any{"email": "a@b.c", "password": "x", "password_hash": "y"}, 400, "validation_failed", "Only a password or a password hash should be provided"},
		{"long password", map[string]any{"email": "a@b.c", "password": strings.Repeat("x", 73)}, 400, "validation_failed", "Password cannot be longer than 72 characters"},
		{"bad id", map[string]any{"email": "a@b.c", "id": "x"}, 400, "validation_failed", "ID must conform to the uuid v4 format"},
		{"nil id", map[string]any{"email": "a@b.c", "id": "00000000-0000-0000-0000-000000000000"}, 400, "validation_failed", "ID cannot be a nil uuid"},
		{"id taken", map[string]any{"email": "a@b.c", "id": id}, 422, "validation_failed", "A user with this ID already exists"},
		{"ban", map[string]any{"email": "a@b.c", "ban_duration": "x"}, 400, "validation_failed", `invalid format for ban duration: time: invalid duration "x"`},
		{"long role", map[string]any{"email": "a@b.c", "role": strings.Repeat("r", 256)}, 400, "validation_failed", "role and aud cannot be longer than 255 characters"},
	} {
		t.Run(c.name, func(t *testing.T) { create(c.body).refused(t, c.status, c.code, c.message) })
	}
	t.Run("bad hash", func(t *testing.T) {
		if r := create(map[string]any{"email": "a@b.c", "password_hash": "md5"}); r.status != 400 || r.text("code") != "validation_failed" {
			t.Errorf("%d %s", r.status, r.raw)
		}
	})
}

//covers:auth 49 136 137
func TestAdminUpdateAndDelete(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "u@example.com")
	f.signUp(t, "taken@example.com")
	path := "/admin/users/" + u.id
	put := func(body map[string]any) *response { return f.admin(t, "PUT", path, body) }
	for _, c := range []struct {
		method, path  string
		body          any
		status        int
		code, message string
	}{
		{"GET", "/admin/users/x", nil, 404, "validation_failed", "user_id must be an UUID"},
		{"GET", "/admin/users/11111111-2222-4333-8444-555555555555", nil, 404, "user_not_found", "User not found"},
		{"PUT", path, map[string]any{"password": "x"}, 422, "weak_password", "Password should be at least 6 characters."},
		{"PUT", path, map[string]any{"email": "taken@example.com"}, 422, "email_exists", "A user with this email address has already been registered"},
		{"DELETE", path, "{", 400, "bad_json", "Could not parse request body as JSON: unexpected end of JSON input"},
	} {
		f.admin(t, c.method, c.path, c.body).refused(t, c.status, c.code, c.message)
	}
	if got := f.admin(t, "GET", path, nil).ok(t, 200).text("email"); got != u.email {
		t.Errorf("GET shows %q", got)
	}
	put(map[string]any{"user_metadata": map[string]any{"a": 1, "b": 1}, "app_metadata": map[string]any{"x": 1}}).ok(t, 200)
	r := put(map[string]any{"user_metadata": map[string]any{"a": nil, "c": 2}, "app_metadata": map[string]any{"y": 2}, "role": " boss ", "id": "ignored", "password_hash": "ignored"}).ok(t, 200)
	if r.text("user_metadata.a") != "" || r.text("user_metadata.b") != "1" || r.text("user_metadata.c") != "2" || r.text("app_metadata.x") != "1" || r.text("app_metadata.y") != "2" || r.text("role") != "boss" || r.text("id") != u.id {
		t.Errorf("merged: %s", r.raw)
	}
	r = put(map[string]any{"email": "Moved@example.com", "email_confirm": true, "phone": "15550100"}).ok(t, 200)
	if r.text("email") != "moved@example.com" || r.text("identities.0.email") != "moved@example.com" || r.text("identities.0.identity_data.email_verified") != "true" ||
		r.text("phone") != "15550100" || r.text("identities.1.identity_data.phone_verified") != "false" || r.text("phone_confirmed_at") != "" {
		t.Errorf("moved: %s", r.raw)
	}
	f.as(t, u, "GET", "/user", nil).ok(t, 200)
	put(map[string]any{"password": "set by admin"}).ok(t, 200)
	f.as(t, u, "GET", "/user", nil).refused(t, 403, "session_not_found", "Session from session_id claim in JWT does not exist")
	f.post(t, "/token?grant_type=password", map[string]any{"email": "moved@example.com", "password": "set by admin"}).ok(t, 200)
	if r := put(map[string]any{"ban_duration": "none"}).ok(t, 200); r.at("banned_until") != nil {
		t.Errorf("ban lifted: %s", r.raw)
	}

	if r := f.admin(t, "DELETE", path, map[string]any{"should_soft_delete": true}).ok(t, 200); r.raw != "{}" {
		t.Errorf("answer %s", r.raw)
	}
	row := f.value(t, "select concat_ws('|', email like '%@%', length(phone), encrypted_password is null, raw_user_meta_data, raw_app_meta_data, deleted_at is not null) from auth.users where id = $1", u.id)
	if row != "f|15|t|{}|{}|t" {
		t.Errorf("soft deleted row %s", row)
	}
	if got := f.value(t, "select string_agg(concat_ws('|', identity_data, provider_id = user_id::text), ' ') from auth.identities where user_id = $1", u.id); got != "{}|f {}|f" {
		t.Errorf("identities %s", got)
	}
	f.admin(t, "DELETE", path, map[string]any{"should_soft_delete": true}).ok(t, 200)
	f.signUp(t, "moved@example.com")
	f.admin(t, "DELETE", path, nil).ok(t, 200)
	if n := f.value(t, "select count(*) from auth.users where id = $1", u.id); n != "0" {
		t.Error("hard delete leaves the row")
	}
	f.admin(t, "DELETE", path, nil).refused(t, 404, "user_not_found", "User not found")
}

//covers:auth 55 132 133 143
func TestAdminListUsers(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for i := range 7 {
		f.admin(t, "POST", "/admin/users", map[string]any{"email": fmt.Sprintf("u%d@example.com", i), "user_metadata": map[string]any{"full_name": fmt.Sprintf("Name %d", i)}}).ok(t, 200)
		f.clock.advance(time.Second)
	}
	list := func(query string) (string, *response) {
		r := f.admin(t, "GET", "/admin/users"+query, nil).ok(t, 200)
		var names []string
		for i := range r.at("users").([]any) {
			names = append(names, r.text(fmt.Sprintf("users.%d.email", i))[:2])
		}
		return strings.Join(names, " "), r
	}
	for _, c := range []struct{ query, users, link string }{
		{"", "u6 u5 u4 u3 u2 u1 u0", `</admin/users?page=1>; rel="last"`},
		{"?page=&per_page=", "u6 u5 u4 u3 u2 u1 u0", `</admin/users?page=1&per_page=>; rel="last"`},
		{"?page=1&per_page=3", "u6 u5 u4", `</admin/users?page=2&per_page=3>; rel="next", </admin/users?page=3&per_page=3>; rel="last"`},
		{"?page=3&per_page=3", "u0", `</admin/users?page=3&per_page=3>; rel="last"`},
		{"?page=9&per_page=3", "", `</admin/users?page=3&per_page=3>; rel="last"`},
		{"?sort=created_at%20asc&per_page=2", "u0 u1", `</admin/users?page=2&per_page=2&sort=created_at+asc>; rel="next", </admin/users?page=4&per_page=2&sort=created_at+asc>; rel="last"`},
	} {
		users, r := list(c.query)
		if users != c.users || r.header.Get("Link") != c.link || r.header.Get("X-Total-Count") != "7" || r.text("aud") != "authenticated" {
			t.Errorf("%s: %s\n link %s\n want %s %s\n total %s", c.query, users, r.header.Get("Link"), c.users, c.link, r.header.Get("X-Total-Count"))
		}
	}
	if users, r := list("?filter=u3@"); users != "u3" || r.header.Get("X-Total-Count") != "1" || r.text("users.0.identities.0.provider") != "email" {
		t.Errorf("filter by email: %s", r.raw)
	}
	if users, _ := list("?filter=nAmE%205"); users != "u5" {
		t.Errorf("filter by name: %s", users)
	}
	if users, _ := list("?filter=%00%ff'\""); users != "" {
		t.Errorf("filter by nonsense: %s", users)
	}
	for query, message := range map[string]string{
		"?page=x":       `Bad Pagination Parameters: strconv.ParseUint: parsing "x": invalid syntax`,
		"?page=-1":      `Bad Pagination Parameters: strconv.ParseUint: parsing "-1": invalid syntax`,
		"?sort=email":   "Bad Sort Parameters: bad field for sort 'email'",
		"?per_page=1.5": `Bad Pagination Parameters: strconv.ParseUint: parsing "1.5": invalid syntax`,
	} {
		f.admin(t, "GET", "/admin/users"+query, nil).refused(t, 400, "validation_failed", message)
	}
	if r := f.admin(t, "GET", "/admin/users?page=18446744073709551615&per_page=18446744073709551615", nil).ok(t, 200); len(r.at("users").([]any)) != 0 {
		t.Errorf("%s", r.raw)
	}

	r := f.admin(t, "GET", "/admin/audit?query=action:signedup&per_page=2", nil).ok(t, 200)
	if !strings.HasPrefix(r.raw, "[{") || strings.Count(r.raw, `"user_signedup"`) != 2 || r.header.Get("X-Total-Count") != "7" {
		t.Errorf("audit: %s", r.raw)
	}
	if r := f.admin(t, "GET", "/admin/audit?query=author:nobody", nil).ok(t, 200); r.raw != "[]" {
		t.Errorf("audit: %s", r.raw)
	}
	f.admin(t, "GET", "/admin/audit?query=x", nil).refused(t, 400, "validation_failed", "Invalid query scope: x")
}

//covers:auth 98 140
func TestInvite(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	r := f.admin(t, "POST", "/invite", map[string]any{"email": "Guest@example.com", "data": map[string]any{"team": "red"}}).ok(t, 200)
	if r.text("invited_at") == "" || r.text("confirmation_sent_at") == "" || r.text("email") != "guest@example.com" || fmt.Sprint(r.at("user_metadata")) != "map[team:red]" || r.at("email_confirmed_at") != nil {
		t.Errorf("%s", r.raw)
	}
	first := f.link(t, "guest@example.com")
	f.admin(t, "POST", "/invite", map[string]any{"email": "guest@example.com"}).ok(t, 200)
	if got := fragment(t, f.follow(t, first)).Get("error_code"); got != "otp_expired" {
		t.Errorf("the first invitation outlives the second: %q", got)
	}
	v := fragment(t, f.follow(t, f.link(t, "guest@example.com")))
	if v.Get("type") != "invite" {
		t.Fatalf("leads to %v", v)
	}
	u := user{token: v.Get("access_token"), email: "guest@example.com", password: "my own"}
	if got := f.as(t, u, "GET", "/user", nil).ok(t, 200); got.text("email_confirmed_at") == "" || got.text("user_metadata.email_verified") != "true" {
		t.Errorf("%s", got.raw)
	}
	f.as(t, u, "PUT", "/user", map[string]any{"password": "my own"}).ok(t, 200)
	f.signIn(t, u)
	f.admin(t, "POST", "/invite", map[string]any{"email": "guest@example.com"}).refused(t, 422, "email_exists", "A user with this email address has already been registered")
	f.admin(t, "POST", "/invite", map[string]any{}).refused(t, 400, "validation_failed", "An email address is required")
	f.do(t, request{method: "POST", path: "/invite", body: map[string]any{"email": "a@b.c"}}).refused(t, 403, "not_admin", "User not allowed")

	confirm := start(t, confirming)
	confirm.admin(t, "POST", "/invite", map[string]any{"email": "g@example.com", "data": map[string]any{"secret": 1}}).ok(t, 200)
	again := confirm.post(t, "/signup", map[string]any{"email": "g@example.com", "password": goodPassword}).ok(t, 200)
	if fmt.Sprint(again.at("user_metadata"), again.at("identities")) != "map[] []" {
		t.Errorf("what the inviter gave is shown: %s", again.raw)
	}
}

//covers:auth 93 141 142
func TestGenerateLink(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.RedirectURLs = []string{"https://app.test/*"} })
	generate := func(body map[string]any) *response { return f.admin(t, "POST", "/admin/generate_link", body) }
	u := f.signUp(t, "known@example.com")

	t.Run("every type signs in, by link, by hash and by code", func(t *testing.T) {
		for _, c := range []struct{ kind, email, verification string }{
			{"magiclink", "known@example.com", "magiclink"},
			{"recovery", "known@example.com", "recovery"},
			{"signup", "s%d@example.com", "signup"},
			{"invite", "i%d@example.com", "invite"},
			{"magiclink", "m%d@example.com", "signup"},
		} {
			for i, use := range []func(r *response) string{
				func(r *response) string { return fragment(t, f.follow(t, r.text("action_link"))).Get("access_token") },
				func(r *response) string {
					return f.post(t, "/verify", map[string]any{"type": r.text("verification_type"), "token_hash": r.text("hashed_token")}).text("access_token")
				},
				func(r *response) string {
					return f.post(t, "/verify", map[string]any{"type": "email", "email": r.text("email"), "token": r.text("email_otp")}).text("access_token")
				},
			} {
				email := c.email
				if strings.Contains(email, "%d") {
					email = fmt.Sprintf(email, i)
				}
				r := generate(map[string]any{"type": c.kind, "email": email, "password": goodPassword, "data": map[string]any{"d": 1}, "redirect_to": "https://app.test/x"}).ok(t, 200)
				if r.text("verification_type") != c.verification || r.text("redirect_to") != "https://app.test/x" || r.text("email") != email ||
					len(r.text("hashed_token")) != 56 || len(r.text("email_otp")) != 6 || r.text("id") == "" || r.text("aud") != "authenticated" ||
					!strings.HasPrefix(r.text("action_link"), "http://127.0.0.1:54321/auth/v1/verify?token="+r.text("hashed_token")+"&type="+c.verification+"&redirect_to=https://app.test/x") {
					t.Errorf("%s: %s", c.kind, r.raw)
				}
				token := use(r)
				if token == "" {
					t.Errorf("%s %d does not sign in", c.kind, i)
					continue
				}
				if got := f.as(t, user{token: token}, "GET", "/user", nil).ok(t, 200); got.text("email") != email || got.text("email_confirmed_at") == "" {
					t.Errorf("%s: %s", c.kind, got.raw)
				}
			}
		}
	})
	if n := len(f.box.List(mail.Filter{})); n != 0 {
		t.Errorf("%d mails were sent", n)
	}
	t.Run("email change", func(t *testing.T) {
		r := generate(map[string]any{"type": "email_change_new", "email": u.email, "new_email": "next@example.com"}).ok(t, 200)
		if r.text("new_email") != "next@example.com" || r.text("verification_type") != "email_change_new" || !strings.Contains(r.text("action_link"), "&type=email_change&") {
			t.Errorf("%s", r.raw)
		}
		f.post(t, "/verify", map[string]any{"type": "email_change", "token_hash": r.text("hashed_token")}).ok(t, 200)
		if got := f.admin(t, "GET", "/admin/users/"+u.id, nil).text("email"); got != "next@example.com" {
			t.Errorf("email %s", got)
		}
	})
	for _, c := range []struct {
		body          map[string]any
		status        int
		code, message string
	}{
		{map[string]any{"type": "magiclink"}, 400, "validation_failed", "An email address is required"},
		{map[string]any{"type": "recovery", "email": "who@b.c"}, 404, "user_not_found", "User with this email not found"},
		{map[string]any{"type": "email_change_new", "email": "who@b.c"}, 404, "user_not_found", "User with this email not found"},
		{map[string]any{"type": "signup", "email": "next@example.com", "password": goodPassword}, 422, "email_exists", "A user with this email address has already been registered"},
		{map[string]any{"type": "invite", "email": "next@example.com"}, 422, "email_exists", "A user with this email address has already been registered"},
		{map[string]any{"type": "signup", "email": "fresh@example.com"}, 400, "validation_failed", "Signup requires a valid password"},
		{map[string]any{"type": "signup", "email": "fresh@example.com", "password": "x"}, 422, "weak_password", "Password should be at least 6 characters."},
		{map[string]any{"type": "nope", "email": "next@example.com"}, 400, "validation_failed", "Invalid email action link type requested: nope"},
		{map[string]any{"type": "email_change_new", "email": "next@example.com", "new_email": "x"}, 400, "validation_failed", "Unable to validate email address: invalid format"},
		{map[string]any{"type": "email_change_new", "email": "next@example.com", "new_email": "s0@example.com"}, 422, "email_exists", "A user with this email address has already been registered"},
	} {
		generate(c.body).refused(t, c.status, c.code, c.message)
	}
	t.Run("change by both addresses", func(t *testing.T) {
		f := start(t, confirming)
		f.admin(t, "POST", "/admin/users", map[string]any{"email": "a@example.com", "email_confirm": true}).ok(t, 200)
		body := map[string]any{"type": "email_change_current", "email": "a@example.com", "new_email": "b@example.com"}
		current := f.admin(t, "POST", "/admin/generate_link", body).ok(t, 200)
		body["type"] = "email_change_new"
		next := f.admin(t, "POST", "/admin/generate_link", body).ok(t, 200)
		if got := fragment(t, f.follow(t, current.text("action_link"))).Get("message"); got == "" {
			t.Error("the first confirmation is not told")
		}
		r := f.post(t, "/verify", map[string]any{"type": "email_change", "email": "b@example.com", "token": next.text("email_otp")}).ok(t, 200)
		if r.text("user.email") != "b@example.com" {
			t.Errorf("%s", r.raw)
		}
	})
}
