package auth_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/auth/password"
	"github.com/suparust/suparust/server/internal/mail"
)

// What an app reads in a token and around it, with the types of each.
//
//covers:auth 33 39
func TestTokenMembers(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	kinds := func(m map[string]any) map[string]string {
		out := map[string]string{}
		for k, v := range m {
			out[k] = fmt.Sprintf("%T", v)
		}
		return out
	}
	claimKinds := map[string]string{
		"iss": "string", "sub": "string", "aud": "string", "exp": "float64", "iat": "float64", "email": "string", "phone": "string",
		"app_metadata": "map[string]interface {}", "user_metadata": "map[string]interface {}", "role": "string", "aal": "string",
		"amr": "[]interface {}", "session_id": "string", "is_anonymous": "bool",
	}
	answerKinds := map[string]string{
		"access_token": "string", "token_type": "string", "expires_in": "float64", "expires_at": "float64", "refresh_token": "string",
		"user": "map[string]interface {}",
	}
	u := f.signUp(t, "members@example.com")
	for name, r := range map[string]*response{
		"sign-up":   f.post(t, "/signup", map[string]any{"email": "more@example.com", "password": goodPassword, "data": map[string]any{"a": 1}}),
		"anonymous": f.post(t, "/signup", map[string]any{}),
		"refresh":   f.refresh(t, u.refresh),
	} {
		r.ok(t, 200)
		if got := kinds(r.body); fmt.Sprint(got) != fmt.Sprint(answerKinds) {
			t.Errorf("%s: the answer has %v", name, got)
		}
		c := claims(t, r.text("access_token"))
		if got := kinds(c); fmt.Sprint(got) != fmt.Sprint(claimKinds) {
			t.Errorf("%s: the token has %v", name, got)
		}
		if entry, ok := c["amr"].([]any)[0].(map[string]any); !ok || fmt.Sprint(kinds(entry)) != "map[method:string timestamp:float64]" {
			t.Errorf("%s: amr %v", name, c["amr"])
		}
		if fmt.Sprint(c["user_metadata"], c["app_metadata"]) != fmt.Sprint(r.at("user.user_metadata"), r.at("user.app_metadata")) {
			t.Errorf("%s: metadata of the token %v, of the user %v", name, c["user_metadata"], r.at("user.user_metadata"))
		}
	}
}

// Browsers ask first, and scripts read only what is exposed.
//
//covers:auth 25
func TestBrowsers(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	r := f.do(t, request{method: "OPTIONS", path: "/token?grant_type=password", token: "none", header: map[string]string{"Origin": "https://app.test",
		"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "apikey,authorization,content-type,x-client-info,x-supabase-api-version,x-client-ip"}})
	allowed := strings.ToLower(r.header.Get("Access-Control-Allow-Headers"))
	for _, name := range []string{"authorization", "apikey", "content-type", "x-client-info", "x-supabase-api-version", "x-client-ip", "accept", "prefer"} {
		if !strings.Contains(allowed, name) {
			t.Errorf("%s is not allowed: %s", name, allowed)
		}
	}
	if r.status/100 != 2 {
		t.Errorf("preflight: %d", r.status)
	}
	methods := r.header.Get("Access-Control-Allow-Methods")
	for _, name := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		if !strings.Contains(methods, name) {
			t.Errorf("%s is not allowed: %s", name, methods)
		}
	}
	for _, q := range []request{
		{path: "/settings", header: map[string]string{"Origin": "https://app.test"}},
		{path: "/user", token: "none", header: map[string]string{"Origin": "https://app.test"}},
	} {
		r := f.do(t, q)
		exposed := strings.ToLower(strings.Join(r.header.Values("Access-Control-Expose-Headers"), ","))
		for _, name := range []string{"x-total-count", "link", "x-supabase-api-version"} {
			if !strings.Contains(exposed, name) {
				t.Errorf("%s: %s is not exposed: %s", q.path, name, exposed)
			}
		}
		if got := r.header.Get("Access-Control-Allow-Origin"); got != "*" && got != "https://app.test" {
			t.Errorf("%s: origin %q", q.path, got)
		}
	}
}

// Each type of what can be sent again: the new code counts, the old one does
// not.
//
//covers:auth 89 95
func TestResend(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) {
		confirming(c)
		c.Phone.Enabled, c.Phone.RequireConfirmation, c.Phone.MaxFrequency = true, true, -1
	})
	verify := func(kind, by, address, code string) *response {
		return f.post(t, "/verify", map[string]any{"type": kind, by: address, "token": code})
	}
	again := func(kind, by, address, to string) string {
		t.Helper()
		old := codeIn(t, f.mailFor(t, to))
		f.post(t, "/resend", map[string]any{"type": kind, by: address}).ok(t, 200)
		next := codeIn(t, f.mailFor(t, to))
		if next == old {
			t.Fatalf("%s: the code is the old one", kind)
		}
		verify(kind, by, to, old).refused(t, 403, "otp_expired", "Token has expired or is invalid")
		return next
	}
	f.post(t, "/signup", map[string]any{"email": "a@example.com", "password": goodPassword}).ok(t, 200)
	u := user{token: verify("signup", "email", "a@example.com", again("signup", "email", "a@example.com", "a@example.com")).ok(t, 200).text("access_token")}

	f.as(t, u, "PUT", "/user", map[string]any{"email": "b@example.com"}).ok(t, 200)
	next := again("email_change", "email", "a@example.com", "b@example.com")
	verify("email_change", "email", "a@example.com", codeIn(t, f.mailFor(t, "a@example.com"))).ok(t, 200)
	if r := verify("email_change", "email", "b@example.com", next).ok(t, 200); r.text("user.email") != "b@example.com" {
		t.Errorf("changed: %s", r.raw)
	}

	f.post(t, "/signup", map[string]any{"phone": "15550100", "password": goodPassword}).ok(t, 200)
	u.token = verify("sms", "phone", "15550100", again("sms", "phone", "15550100", "15550100")).ok(t, 200).text("access_token")
	f.as(t, u, "PUT", "/user", map[string]any{"phone": "15550101"}).ok(t, 200)
	if r := verify("phone_change", "phone", "15550101", again("phone_change", "phone", "15550100", "15550101")).ok(t, 200); r.text("user.phone") != "15550101" {
		t.Errorf("changed: %s", r.raw)
	}
	before := len(f.box.List(mail.Filter{}))
	for _, body := range []map[string]any{
		{"type": "signup", "email": "b@example.com"}, {"type": "email_change", "email": "b@example.com"},
		{"type": "sms", "phone": "15550101"}, {"type": "phone_change", "phone": "15550101"}, {"type": "sms", "phone": "15559999"},
	} {
		if r := f.post(t, "/resend", body).ok(t, 200); r.raw != "{}" {
			t.Errorf("%v: %s", body, r.raw)
		}
	}
	if got := len(f.box.List(mail.Filter{})); got != before {
		t.Errorf("%d mails and texts where nothing is pending", got-before)
	}
}

// One code that is used takes every other one with it.
//
//covers:auth 97
func TestVerifyingClearsTheOthers(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "clear@example.com")
	f.as(t, u, "PUT", "/user", map[string]any{"email": "next@example.com"}).ok(t, 200)
	change := f.link(t, "next@example.com")
	f.as(t, u, "GET", "/reauthenticate", nil).ok(t, 200)
	f.post(t, "/otp", map[string]any{"email": u.email}).ok(t, 200)
	if n := f.value(t, "select count(*) from auth.one_time_tokens"); n != "4" {
		t.Fatalf("%s codes are pending", n)
	}
	f.post(t, "/verify", map[string]any{"type": "email", "email": u.email, "token": codeIn(t, f.mailFor(t, u.email))}).ok(t, 200)
	if n := f.value(t, "select count(*) from auth.one_time_tokens"); n != "0" {
		t.Errorf("%s codes are left", n)
	}
	if got := fragment(t, f.follow(t, change)).Get("error_code"); got != "otp_expired" {
		t.Errorf("the link of the change is still good: %q", got)
	}
}

// Who asks with an unknown address costs as much work as who asks with a wrong
// password, so that the time does not tell which addresses are registered. The
// work is measured by the memory that the hash fills, for time depends on what
// else runs; hence no other test runs beside.
//
//covers:auth 164
func TestUnknownUsersCostAsMuch(t *testing.T) {
	const memory = 64 << 20
	f := start(t, func(c *auth.Config) { c.Password.Cost = password.Cost{Memory: memory >> 10, Time: 1, Threads: 1} })
	known := f.signUp(t, "known@example.com").email
	f.admin(t, "POST", "/admin/users", map[string]any{"email": "bare@example.com"}).ok(t, 200)
	f.exec(t, "update auth.users set encrypted_password = '' where email = 'bare@example.com'")
	filled := func(email string) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f.post(t, "/token?grant_type=password", map[string]any{"email": email, "password": "a wrong one"}).
			refused(t, 400, "invalid_credentials", "Invalid login credentials")
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	filled("warm@example.com") // makes the hash that nobody has, once
	for _, email := range []string{known, "unknown@example.com", "bare@example.com"} {
		if got := filled(email); got < memory || got > 3*memory/2 {
			t.Errorf("%s: %d bytes, want one hash of %d", email, got, memory)
		}
	}
}

// Texts to one number keep their distance, sign-ups and changes of the number
// as well.
//
//covers:auth 30
func TestTextFrequency(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) {
		c.Phone.Enabled, c.Phone.RequireConfirmation, c.Phone.MaxFrequency = true, true, time.Minute
	})
	const message = "For security purposes, you can only request this after %d seconds."
	soon := func(r *response) {
		t.Helper()
		if r.status != 429 || r.text("code") != "over_sms_send_rate_limit" ||
			r.text("message") != fmt.Sprintf(message, 49) && r.text("message") != fmt.Sprintf(message, 50) {
			t.Errorf("%d %s", r.status, r.raw)
		}
	}
	signUp := map[string]any{"phone": "15550100", "password": goodPassword}
	f.post(t, "/signup", signUp).ok(t, 200)
	f.clock.advance(10 * time.Second)
	soon(f.post(t, "/signup", signUp))
	soon(f.post(t, "/otp", map[string]any{"phone": "15550100"}))
	soon(f.post(t, "/resend", map[string]any{"type": "sms", "phone": "15550100"}))
	if n := len(f.box.List(mail.Filter{})); n != 1 {
		t.Errorf("%d texts", n)
	}
	f.post(t, "/otp", map[string]any{"phone": "15550111"}).ok(t, 200) // another number does not wait
	f.clock.advance(50 * time.Second)
	f.post(t, "/otp", map[string]any{"phone": "15550100"}).ok(t, 200)
	r := f.post(t, "/verify", map[string]any{"type": "sms", "phone": "15550100", "token": codeIn(t, f.mailFor(t, "15550100"))}).ok(t, 200)
	u := user{token: r.text("access_token")}
	f.as(t, u, "PUT", "/user", map[string]any{"phone": "15550122"}).ok(t, 200)
	f.clock.advance(10 * time.Second)
	soon(f.as(t, u, "PUT", "/user", map[string]any{"phone": "15550133"}))
}
