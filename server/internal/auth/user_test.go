package auth_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/mail"
)

//covers:auth 36 101 102 103
func TestUpdateMetadata(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "meta@example.com")
	put := func(data map[string]any) *response {
		return f.as(t, u, "PUT", "/user", map[string]any{"data": data}).ok(t, 200)
	}
	put(map[string]any{"a": 1, "nested": map[string]any{"x": 1, "y": 2}, "html": "<b>&"})
	r := put(map[string]any{"a": nil, "b": "two", "nested": map[string]any{"z": 3}})
	got := r.at("user_metadata").(map[string]any)
	if _, there := got["a"]; there || got["b"] != "two" || fmt.Sprint(got["nested"]) != "map[z:3]" || got["html"] != "<b>&" || got["email"] != u.email {
		t.Errorf("metadata %v", got)
	}
	before := f.as(t, u, "GET", "/user", nil).ok(t, 200)
	if before.raw != r.raw {
		t.Errorf("GET shows\n%s\nPUT showed\n%s", before.raw, r.raw)
	}
	if c := claims(t, u.token)["user_metadata"].(map[string]any); c["b"] != nil {
		t.Errorf("an old token knows new metadata: %v", c)
	}
	f.as(t, u, "PUT", "/user", map[string]any{"app_metadata": map[string]any{"admin": true}}).
		refused(t, 403, "not_admin", "Updating app_metadata requires admin privileges")
	f.as(t, u, "PUT", "/user", map[string]any{"app_metadata": nil, "code_challenge": nil}).ok(t, 200)
	f.as(t, u, "PUT", "/user", map[string]any{}).ok(t, 200)
}

//covers:auth 49 104
func TestUpdatePassword(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "pw@example.com")
	other := f.signIn(t, u)
	put := func(body map[string]any) *response { return f.as(t, u, "PUT", "/user", body) }
	put(map[string]any{"password": "x"}).refused(t, 422, "weak_password", "Password should be at least 6 characters.")
	put(map[string]any{"password": goodPassword}).refused(t, 422, "same_password", "New password should be different from the old password.")
	f.post(t, "/recover", map[string]any{"email": u.email}).ok(t, 200)
	put(map[string]any{"password": "another one"}).ok(t, 200)
	f.as(t, u, "GET", "/user", nil).ok(t, 200)
	f.as(t, other, "GET", "/user", nil).refused(t, 403, "session_not_found", "Session from session_id claim in JWT does not exist")
	if n := f.value(t, "select count(*) from auth.one_time_tokens"); n != "0" {
		t.Errorf("%s codes outlive the password", n)
	}
	if got := f.value(t, "select concat(recovery_token, recovery_sent_at) from auth.users"); got != "" {
		t.Errorf("recovery %s", got)
	}
	f.post(t, "/token?grant_type=password", map[string]any{"email": u.email, "password": goodPassword}).refused(t, 400, "invalid_credentials", "Invalid login credentials")
	f.post(t, "/token?grant_type=password", map[string]any{"email": u.email, "password": "another one"}).ok(t, 200)
	if n := f.value(t, "select count(*) from auth.audit_log_entries where payload->>'action' = 'user_updated_password'"); n != "1" {
		t.Errorf("%s audit entries", n)
	}
}

//covers:auth 105
func TestPasswordNeedsTheCurrentOne(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Password.RequireCurrent = true })
	u := f.signUp(t, "cur@example.com")
	const message = "Current password required when setting new password."
	f.as(t, u, "PUT", "/user", map[string]any{"password": "another one"}).refused(t, 400, "current_password_required", message)
	f.as(t, u, "PUT", "/user", map[string]any{"password": "another one", "current_password": "wrong"}).refused(t, 400, "current_password_invalid", message)
	f.as(t, u, "PUT", "/user", map[string]any{"password": "another one", "current_password": goodPassword}).ok(t, 200)
	// in a recovery by PKCE nobody knows the current one
	verifier, challenge := pkce(t)
	f.post(t, "/recover", map[string]any{"email": u.email, "code_challenge": challenge, "code_challenge_method": "s256"}).ok(t, 200)
	code := f.follow(t, f.link(t, u.email)).Query().Get("code")
	r := f.post(t, "/token?grant_type=pkce", map[string]any{"auth_code": code, "code_verifier": verifier}).ok(t, 200)
	f.as(t, user{token: r.text("access_token")}, "PUT", "/user", map[string]any{"password": "a third one"}).ok(t, 200)
	// who was invited has one that nobody knows
	f.admin(t, "POST", "/invite", map[string]any{"email": "guest@example.com"}).ok(t, 200)
	v := fragment(t, f.follow(t, f.link(t, "guest@example.com")))
	f.as(t, user{token: v.Get("access_token")}, "PUT", "/user", map[string]any{"password": "my own one"}).ok(t, 200)
	f.as(t, f.signIn(t, user{email: "guest@example.com", password: "my own one"}), "PUT", "/user", map[string]any{"password": "another one"}).
		refused(t, 400, "current_password_required", message)
}

// A new password ends a pending change of the address, and with it the wait
// for the next mail.
//
//covers:auth 29
func TestPasswordEndsTheWait(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Email.MaxFrequency = time.Minute })
	u := f.signUp(t, "wait@example.com")
	put := func(body map[string]any) *response { return f.as(t, u, "PUT", "/user", body) }
	put(map[string]any{"email": "one@example.com"}).ok(t, 200)
	if r := put(map[string]any{"email": "two@example.com"}); r.status != 429 || r.text("code") != "over_email_send_rate_limit" {
		t.Errorf("at once: %d %s", r.status, r.raw)
	}
	if r := put(map[string]any{"email": "two@example.com", "password": "another one"}).ok(t, 200); r.text("new_email") != "two@example.com" {
		t.Errorf("with a password: %s", r.raw)
	}
}

//covers:auth 99 104
func TestReauthentication(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Password.RequireReauthentication, c.JWTExpiry = true, 100*time.Hour })
	u := f.signUp(t, "re@example.com")
	put := func(body map[string]any) *response { return f.as(t, u, "PUT", "/user", body) }
	put(map[string]any{"password": "within a day"}).ok(t, 200)
	f.clock.advance(25 * time.Hour)
	put(map[string]any{"password": "another one"}).refused(t, 400, "reauthentication_needed", "Password update requires reauthentication")
	put(map[string]any{"password": "another one", "nonce": "000000"}).refused(t, 422, "reauthentication_not_valid", "Nonce has expired or is invalid")
	if r := f.as(t, u, "GET", "/reauthenticate", nil).ok(t, 200); r.raw != "{}" {
		t.Errorf("answer %s", r.raw)
	}
	m := f.mailFor(t, u.email)
	code := codeIn(t, m)
	if m.Subject != code+" is your verification code" {
		t.Errorf("subject %q", m.Subject)
	}
	put(map[string]any{"password": "another one", "nonce": code}).ok(t, 200)
	put(map[string]any{"password": "yet another", "nonce": code}).refused(t, 422, "reauthentication_not_valid", "Nonce has expired or is invalid")

	anonymous := f.post(t, "/signup", map[string]any{}).ok(t, 200)
	f.as(t, user{token: anonymous.text("access_token")}, "GET", "/reauthenticate", nil).
		refused(t, 400, "validation_failed", "Reauthentication requires the user to have an email or a phone number")
	raw := f.admin(t, "POST", "/admin/users", map[string]any{"email": "raw@example.com"}).ok(t, 200)
	token := f.sign(t, map[string]any{"sub": raw.text("id"), "aud": "authenticated", "role": "authenticated"})
	f.as(t, user{token: token}, "GET", "/reauthenticate", nil).refused(t, 422, "email_not_confirmed", "Please verify your email first.")
}

//covers:auth 93 96 106 107
func TestUpdateEmail(t *testing.T) {
	t.Parallel()
	t.Run("one confirmation suffices with autoconfirm", func(t *testing.T) {
		t.Parallel()
		f := start(t, nil)
		u := f.signUp(t, "old@example.com")
		f.signUp(t, "taken@example.com")
		put := func(email string) *response { return f.as(t, u, "PUT", "/user", map[string]any{"email": email}) }
		put("nope").refused(t, 400, "validation_failed", "Unable to validate email address: invalid format")
		put("Taken@example.com").refused(t, 422, "email_exists", "A user with this email address has already been registered")
		put("OLD@example.com").ok(t, 200)
		if len(f.box.List(mail.Filter{})) != 0 {
			t.Error("a mail for the own address")
		}
		r := put("New@example.com").ok(t, 200)
		if r.text("email") != "old@example.com" || r.text("new_email") != "new@example.com" || r.text("email_change_sent_at") == "" {
			t.Errorf("pending change: %s", r.raw)
		}
		if len(f.box.List(mail.Filter{})) != 2 {
			t.Errorf("%d mails, want one to each address", len(f.box.List(mail.Filter{})))
		}
		to := f.follow(t, f.link(t, "new@example.com"))
		if got := fragment(t, to).Get("type"); got != "email_change" {
			t.Errorf("leads to %s", to)
		}
		r = f.as(t, u, "GET", "/user", nil).ok(t, 200)
		if r.text("email") != "new@example.com" || r.text("new_email") != "" || r.text("identities.0.email") != "new@example.com" ||
			r.text("identities.0.identity_data.email_verified") != "true" {
			t.Errorf("after the change: %s", r.raw)
		}
		if got := fragment(t, f.follow(t, f.link(t, "old@example.com"))).Get("error_code"); got != "otp_expired" {
			t.Errorf("the other link: %q", got)
		}
	})
	t.Run("both confirm", func(t *testing.T) {
		t.Parallel()
		f := start(t, func(c *auth.Config) { c.Email.RequireConfirmation = true })
		f.admin(t, "POST", "/admin/users", map[string]any{"email": "old@example.com", "password": goodPassword, "email_confirm": true}).ok(t, 200)
		u := f.signIn(t, user{email: "old@example.com", password: goodPassword})
		f.as(t, u, "PUT", "/user", map[string]any{"email": "new@example.com"}).ok(t, 200)
		old, next := codeIn(t, f.mailFor(t, "old@example.com")), codeIn(t, f.mailFor(t, "new@example.com"))
		verify := func(email, code string) *response {
			return f.post(t, "/verify", map[string]any{"type": "email_change", "email": email, "token": code})
		}
		verify("new@example.com", "000000").refused(t, 403, "otp_expired", "Token has expired or is invalid")
		half := verify("old@example.com", old).ok(t, 200)
		if half.raw != `{"code":"200","msg":"Confirmation link accepted. Please proceed to confirm link sent to the other email"}` {
			t.Errorf("half: %s", half.raw)
		}
		verify("old@example.com", old).refused(t, 403, "otp_expired", "Token has expired or is invalid")
		if r := verify("new@example.com", next).ok(t, 200); r.text("user.email") != "new@example.com" || r.text("access_token") == "" {
			t.Errorf("whole: %s", r.raw)
		}
	})
	t.Run("both by links", func(t *testing.T) {
		t.Parallel()
		f := start(t, func(c *auth.Config) { c.Email.RequireConfirmation = true })
		f.admin(t, "POST", "/admin/users", map[string]any{"email": "old@example.com", "password": goodPassword, "email_confirm": true}).ok(t, 200)
		u := f.signIn(t, user{email: "old@example.com", password: goodPassword})
		f.as(t, u, "PUT", "/user", map[string]any{"email": "new@example.com"}).ok(t, 200)
		if got := f.follow(t, f.link(t, "new@example.com")).String(); got != "http://127.0.0.1:3000#message=Confirmation+link+accepted.+Please+proceed+to+confirm+link+sent+to+the+other+email&sb=" {
			t.Errorf("first leads to %s", got)
		}
		if got := fragment(t, f.follow(t, f.link(t, "old@example.com"))); got.Get("access_token") == "" {
			t.Errorf("second leads to %v", got)
		}
	})
	t.Run("only the new one confirms", func(t *testing.T) {
		t.Parallel()
		f := start(t, func(c *auth.Config) { c.Email.RequireConfirmation, c.Email.SingleConfirmChange = true, true })
		f.admin(t, "POST", "/admin/users", map[string]any{"email": "old@example.com", "password": goodPassword, "email_confirm": true}).ok(t, 200)
		u := f.signIn(t, user{email: "old@example.com", password: goodPassword})
		f.as(t, u, "PUT", "/user", map[string]any{"email": "new@example.com"}).ok(t, 200)
		if got := f.box.List(mail.Filter{}); len(got) != 1 || got[0].To != "new@example.com" {
			t.Errorf("mails %+v", got)
		}
		f.post(t, "/resend", map[string]any{"type": "email_change", "email": "old@example.com"}).ok(t, 200)
		code := codeIn(t, f.mailFor(t, "new@example.com"))
		f.post(t, "/verify", map[string]any{"type": "email_change", "email": "new@example.com", "token": code}).ok(t, 200)
	})
}

// TestPhones: numbers are signed up, confirmed and changed by codes; those with a
// fixed code are sent none.
//
//covers:auth 68 84 93 107 109 153
func TestPhones(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) {
		c.Phone.Enabled, c.Phone.RequireConfirmation, c.Phone.MaxFrequency = true, true, -1
		c.Phone.TestCodes = map[string]string{"15550199": "424242"}
	})
	r := f.post(t, "/signup", map[string]any{"phone": "+1 555 0100", "password": goodPassword}).ok(t, 200)
	if r.text("phone") != "15550100" || r.text("confirmation_sent_at") == "" || r.text("access_token") != "" {
		t.Errorf("sign-up: %s", r.raw)
	}
	verify := func(kind, phone, code string) *response {
		return f.post(t, "/verify", map[string]any{"type": kind, "phone": phone, "token": code})
	}
	code := codeIn(t, f.mailFor(t, "15550100"))
	verify("sms", "15550100", "000000").refused(t, 403, "otp_expired", "Token has expired or is invalid")
	r = verify("sms", "+15550100", code).ok(t, 200)
	if r.text("user.phone_confirmed_at") == "" || r.text("user.app_metadata.provider") != "phone" || r.text("user.identities.0.provider") != "phone" {
		t.Errorf("verified: %s", r.raw)
	}
	u := user{token: r.text("access_token")}
	f.as(t, u, "PUT", "/user", map[string]any{"phone": "bad"}).refused(t, 400, "validation_failed", "Invalid phone number format (E.164 required)")
	r = f.as(t, u, "PUT", "/user", map[string]any{"phone": "15550101"}).ok(t, 200)
	if r.text("new_phone") != "15550101" || r.text("phone") != "15550100" {
		t.Errorf("pending: %s", r.raw)
	}
	r = verify("phone_change", "15550101", codeIn(t, f.mailFor(t, "15550101"))).ok(t, 200)
	if r.text("user.phone") != "15550101" || r.text("user.new_phone") != "" {
		t.Errorf("changed: %s", r.raw)
	}

	r = f.post(t, "/otp", map[string]any{"phone": "15550101"}).ok(t, 200)
	if r.text("message_id") == "" {
		t.Errorf("otp: %s", r.raw)
	}
	verify("sms", "15550101", codeIn(t, f.mailFor(t, "15550101"))).ok(t, 200)
	f.post(t, "/otp", map[string]any{"phone": "15550199"}).ok(t, 200)
	if got := f.box.List(mail.Filter{To: "15550199"}); len(got) != 0 {
		t.Errorf("a test number was texted: %+v", got)
	}
	verify("sms", "15550199", "424242").ok(t, 200)
	if r := f.post(t, "/otp", map[string]any{"phone": "15550199"}).ok(t, 200); r.text("message_id") != "test-otp" {
		t.Errorf("test number: %s", r.raw)
	}
	f.post(t, "/resend", map[string]any{"type": "sms", "phone": "15550199"}).ok(t, 200)
	f.post(t, "/otp", map[string]any{"phone": "15550155", "create_user": false}).refused(t, 422, "otp_disabled", "Signups not allowed for otp")

	auto := start(t, func(c *auth.Config) { c.Phone.Enabled = true })
	auto.post(t, "/signup", map[string]any{"phone": "15550109", "password": goodPassword, "data": map[string]any{"email": "victim@example.com"}}).ok(t, 200)
	auto.signUp(t, "victim@example.com") // nobody can hold an address by naming it
	r = auto.post(t, "/signup", map[string]any{"phone": "15550100", "password": goodPassword}).ok(t, 200)
	if r.text("user.phone_confirmed_at") == "" || r.text("user.confirmed_at") == "" {
		t.Errorf("autoconfirmed: %s", r.raw)
	}
	u = user{token: r.text("access_token")}
	auto.post(t, "/signup", map[string]any{"phone": "15550101", "password": goodPassword}).ok(t, 200)
	auto.as(t, u, "PUT", "/user", map[string]any{"phone": "15550101"}).refused(t, 422, "phone_exists", "A user with this phone number has already been registered")
	if r := auto.as(t, u, "PUT", "/user", map[string]any{"phone": "15550102"}).ok(t, 200); r.text("phone") != "15550102" {
		t.Errorf("changed at once: %s", r.raw)
	}
}

//covers:auth 112 113
func TestIdentities(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.ManualLinking, c.Phone.Enabled = true, true })
	u := f.signUp(t, "id@example.com")
	del := func(id string) *response { return f.as(t, u, "DELETE", "/user/identities/"+id, nil) }
	mine := f.as(t, u, "GET", "/user", nil).text("identities.0.identity_id")
	del("x").refused(t, 404, "validation_failed", "identity_id must be an UUID")
	del(u.id).refused(t, 422, "single_identity_not_deletable", "User must have at least 1 identity after unlinking")
	f.exec(t, `insert into auth.identities (user_id, provider, provider_id, identity_data, created_at)
		values ($1, 'google', 'g-1', '{"sub":"g-1","email":"g@example.com","email_verified":true}', now() + interval '1 minute')`, u.id)
	f.as(t, u, "PUT", "/user", map[string]any{"phone": "15550100"}).ok(t, 200)
	del(u.id).refused(t, 422, "identity_not_found", "Identity doesn't exist")

	phone := f.value(t, "select id from auth.identities where provider = 'phone'")
	del(phone).ok(t, 200)
	if got := f.value(t, "select concat_ws('|', phone, phone_confirmed_at) from auth.users"); got != "" {
		t.Errorf("phone %s", got)
	}
	if r := del(mine).ok(t, 200); r.raw != "{}" {
		t.Errorf("answer %s", r.raw)
	}
	r := f.as(t, u, "GET", "/user", nil).ok(t, 200)
	if r.text("email") != "g@example.com" || r.text("app_metadata.provider") != "google" || fmt.Sprint(r.at("app_metadata.providers")) != "[google]" || r.text("email_confirmed_at") == "" {
		t.Errorf("promoted: %s", r.raw)
	}

	f.signUp(t, "clash@example.com")
	f.exec(t, `insert into auth.identities (user_id, provider, provider_id, identity_data) values ($1, 'github', 'h-1', '{"sub":"h-1","email":"CLASH@example.com"}')`, u.id)
	google := f.value(t, "select id from auth.identities where provider = 'google'")
	del(google).refused(t, 422, "email_conflict_identity_not_deletable", "Unable to unlink identity due to email conflict")
	if got := f.value(t, "select count(*) from auth.identities where provider = 'google'"); got != "1" {
		t.Error("a refused unlinking has unlinked")
	}
}
