package auth_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/mail"
)

// mailFor is the newest message to someone. It is there when the answer to
// the request that sent it is.
func (f *fixture) mailFor(t testing.TB, to string) mail.Message {
	t.Helper()
	got := f.box.List(mail.Filter{To: to})
	if len(got) == 0 {
		t.Fatalf("no message to %s among %+v", to, f.box.List(mail.Filter{}))
	}
	return got[0]
}

var (
	sixDigits = regexp.MustCompile(`(?:^|[^0-9a-z])([0-9]{6})(?:[^0-9a-z]|$)`)
	anyLink   = regexp.MustCompile(`\( (http[^ ]*/verify[^ ]*) \)`)
)

func codeIn(t testing.TB, m mail.Message) string {
	t.Helper()
	found := sixDigits.FindStringSubmatch(m.Text)
	if found == nil {
		t.Fatalf("no code in %q", m.Text)
	}
	return found[1]
}

// link is the link in the newest mail to someone.
func (f *fixture) link(t testing.TB, to string) string {
	t.Helper()
	m := f.mailFor(t, to)
	found := anyLink.FindStringSubmatch(m.Text)
	if found == nil {
		t.Fatalf("no link in %q", m.Text)
	}
	return found[1]
}

// follow opens a link as a browser would, and returns where it leads.
func (f *fixture) follow(t testing.TB, link string) *url.URL {
	t.Helper()
	_, query, ok := strings.Cut(link, "/auth/v1/verify")
	if !ok {
		t.Fatalf("%s is no link to verify", link)
	}
	r := f.do(t, request{path: "/verify" + query, token: "none"}).ok(t, 303)
	to, err := url.Parse(r.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func fragment(t testing.TB, u *url.URL) url.Values {
	t.Helper()
	_, raw, _ := strings.Cut(u.String(), "#")
	v, err := url.ParseQuery(raw)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func pkce(t testing.TB) (verifier, challenge string) {
	t.Helper()
	verifier = rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	return verifier, base64.RawURLEncoding.EncodeToString(sum[:])
}

func confirming(c *auth.Config) { c.Email.RequireConfirmation = true }

// TestSignUpWithConfirmation: the mail's link and its code are two faces of one
// secret, and either confirms.
//
//covers:auth 61 65 66 77 93 95 145 146
func TestSignUpWithConfirmation(t *testing.T) {
	t.Parallel()
	f := start(t, confirming)
	body := map[string]any{"email": "new@example.com", "password": goodPassword, "data": map[string]any{"a": 1}}
	r := f.post(t, "/signup", body).ok(t, 200)
	if r.text("id") == "" || r.text("access_token") != "" || r.text("confirmation_sent_at") == "" || r.text("email_confirmed_at") != "" || r.text("identities.0.provider") != "email" {
		t.Errorf("an unconfirmed user: %s", r.raw)
	}
	id := r.text("id")
	f.post(t, "/token?grant_type=password", body).refused(t, 400, "email_not_confirmed", "Email not confirmed")
	m := f.mailFor(t, "new@example.com")
	code, link := codeIn(t, m), f.link(t, "new@example.com")
	stored := f.value(t, "select confirmation_token from auth.users")
	if want := "http://127.0.0.1:54321/auth/v1/verify?token=" + stored + "&type=signup&redirect_to=http://127.0.0.1:3000"; link != want {
		t.Errorf("link %s\nwant %s", link, want)
	}
	if want := fmt.Sprintf("%x", sha256.Sum224([]byte("new@example.com"+code))); stored != want || len(code) != 6 {
		t.Errorf("the hash of the code %s is %s, want %s", code, stored, want)
	}
	if got := f.value(t, "select concat_ws('|', token_type, token_hash, relates_to) from auth.one_time_tokens"); got != "confirmation_token|"+stored+"|new@example.com" || len(stored) != 56 {
		t.Errorf("one_time_tokens %s", got)
	}

	t.Run("again, unconfirmed", func(t *testing.T) {
		again := f.post(t, "/signup", map[string]any{"email": "new@example.com", "password": "something else", "data": map[string]any{"b": 1}}).ok(t, 200)
		if again.text("id") != id || again.text("user_metadata.a") != "1" || again.text("user_metadata.b") != "" {
			t.Errorf("%s", again.raw)
		}
		if next := codeIn(t, f.mailFor(t, "new@example.com")); next == code {
			t.Error("the code was not renewed")
		} else {
			f.post(t, "/verify", map[string]any{"type": "signup", "email": "new@example.com", "token": code}).refused(t, 403, "otp_expired", "Token has expired or is invalid")
			code = next
		}
	})
	t.Run("verify", func(t *testing.T) {
		r := f.post(t, "/verify", map[string]any{"type": "signup", "email": "New@example.com", "token": code}).ok(t, 200)
		if r.text("user.email_confirmed_at") == "" || r.text("user.user_metadata.email_verified") != "true" || r.text("user.identities.0.identity_data.email_verified") != "true" {
			t.Errorf("%s", r.raw)
		}
		if got := claims(t, r.text("access_token"))["amr"].([]any)[0].(map[string]any)["method"]; got != "otp" {
			t.Errorf("amr %v", got)
		}
		f.post(t, "/token?grant_type=password", body).ok(t, 200)
		f.post(t, "/verify", map[string]any{"type": "signup", "email": "new@example.com", "token": code}).refused(t, 403, "otp_expired", "Token has expired or is invalid")
	})
	t.Run("again, confirmed", func(t *testing.T) {
		before := len(f.box.List(mail.Filter{}))
		r := f.post(t, "/signup", map[string]any{"email": "new@example.com", "password": "something else", "data": map[string]any{"c": 1}}).ok(t, 200)
		if r.text("id") == id || r.text("role") != "" || len(r.at("identities").([]any)) != 0 || r.text("confirmation_sent_at") == "" ||
			r.text("email") != "new@example.com" || r.text("user_metadata.c") != "1" || len(r.at("user_metadata").(map[string]any)) != 1 {
			t.Errorf("the made-up user: %s", r.raw)
		}
		if len(f.box.List(mail.Filter{})) != before {
			t.Error("a mail was sent")
		}
	})
}

//covers:auth 4 26 79 90 91 92 95 145
func TestConfirmationLinks(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) {
		confirming(c)
		c.RedirectURLs = []string{"https://app.test/**"}
	})
	signUp := func(email, target string, extra map[string]any) {
		body := map[string]any{"email": email, "password": goodPassword}
		for k, v := range extra {
			body[k] = v
		}
		f.post(t, "/signup?redirect_to="+url.QueryEscape(target), body).ok(t, 200)
	}
	t.Run("implicit", func(t *testing.T) {
		signUp("a@example.com", "https://app.test/welcome?x=1", nil)
		link := f.link(t, "a@example.com")
		if !strings.HasSuffix(link, "&type=signup&redirect_to=https%3A%2F%2Fapp.test%2Fwelcome%3Fx%3D1") {
			t.Errorf("link %s", link)
		}
		to := f.follow(t, link)
		v := fragment(t, to)
		if !strings.HasPrefix(to.String(), "https://app.test/welcome?x=1#access_token=") || v.Get("token_type") != "bearer" || v.Get("type") != "signup" ||
			v.Get("expires_in") != "3600" || v.Get("expires_at") == "" || !v.Has("sb") || len(v.Get("refresh_token")) != 12 {
			t.Errorf("leads to %s", to)
		}
		f.as(t, user{token: v.Get("access_token")}, "GET", "/user", nil).ok(t, 200)
		used := f.follow(t, link)
		if used.String() != "https://app.test/welcome?x=1#error=access_denied&error_code=otp_expired&error_description=Email+link+is+invalid+or+has+expired&sb=" {
			t.Errorf("used: %s", used)
		}
	})
	t.Run("target off the list", func(t *testing.T) {
		signUp("b@example.com", "https://evil.test/", nil)
		if link := f.link(t, "b@example.com"); !strings.HasSuffix(link, "&redirect_to=http://127.0.0.1:3000") {
			t.Errorf("link %s", link)
		}
		to := f.follow(t, strings.ReplaceAll(f.link(t, "b@example.com"), "http://127.0.0.1:3000", "https://evil.test"))
		if to.Host != "127.0.0.1:3000" {
			t.Errorf("leads to %s", to)
		}
	})
	t.Run("expired", func(t *testing.T) {
		signUp("c@example.com", "", nil)
		link, code := f.link(t, "c@example.com"), codeIn(t, f.mailFor(t, "c@example.com"))
		f.clock.advance(61 * time.Minute)
		defer f.clock.advance(-61 * time.Minute)
		if got := fragment(t, f.follow(t, link)).Get("error_code"); got != "otp_expired" {
			t.Errorf("link: %q", got)
		}
		f.post(t, "/verify", map[string]any{"type": "email", "email": "c@example.com", "token": code}).refused(t, 403, "otp_expired", "Token has expired or is invalid")
	})
	t.Run("pkce", func(t *testing.T) {
		verifier, challenge := pkce(t)
		signUp("d@example.com", "https://app.test/cb?x=1", map[string]any{"code_challenge": challenge, "code_challenge_method": "s256"})
		link := f.link(t, "d@example.com")
		if !strings.Contains(link, "token=pkce_") {
			t.Errorf("link %s", link)
		}
		to := f.follow(t, link)
		code := to.Query().Get("code")
		if to.Query().Get("x") != "1" || len(code) != 36 || to.Fragment != "" {
			t.Fatalf("leads to %s", to)
		}
		exchange := func(code, verifier string) *response {
			return f.post(t, "/token?grant_type=pkce", map[string]any{"auth_code": code, "code_verifier": verifier})
		}
		exchange("", "").refused(t, 400, "validation_failed", "invalid request: both auth code and code verifier should be non-empty")
		exchange("nope", "x").refused(t, 404, "flow_state_not_found", "invalid flow state, no valid flow state found")
		exchange(code, "wrong").refused(t, 400, "bad_code_verifier", "code challenge does not match previously saved code verifier")
		r := exchange(code, verifier).ok(t, 200)
		if got := claims(t, r.text("access_token"))["amr"].([]any)[0].(map[string]any)["method"]; got != "email/signup" {
			t.Errorf("amr %v", got)
		}
		exchange(code, verifier).refused(t, 404, "flow_state_not_found", "invalid flow state, no valid flow state found")
		again := f.follow(t, link)
		if again.Query().Get("error_code") != "otp_expired" || again.Query().Get("error") != "access_denied" || fragment(t, again).Get("error_code") != "otp_expired" {
			t.Errorf("used: %s", again)
		}
	})
	t.Run("pkce too late", func(t *testing.T) {
		verifier, challenge := pkce(t)
		signUp("e@example.com", "", map[string]any{"code_challenge": challenge, "code_challenge_method": "S256"})
		code := f.follow(t, f.link(t, "e@example.com")).Query().Get("code")
		f.clock.advance(6 * time.Minute)
		defer f.clock.advance(-6 * time.Minute)
		f.post(t, "/token?grant_type=pkce", map[string]any{"auth_code": code, "code_verifier": verifier}).
			refused(t, 422, "flow_state_expired", "invalid flow state, flow state has expired")
	})
	t.Run("pkce, code typed", func(t *testing.T) {
		_, challenge := pkce(t)
		signUp("g@example.com", "", map[string]any{"code_challenge": challenge, "code_challenge_method": "s256"})
		f.post(t, "/verify", map[string]any{"type": "email", "email": "g@example.com", "token": codeIn(t, f.mailFor(t, "g@example.com"))}).ok(t, 200)
	})
	t.Run("link's parameters", func(t *testing.T) {
		f.do(t, request{path: "/verify?token=x", token: "none"}).refused(t, 400, "validation_failed", "Verify requires a verification type")
		f.do(t, request{path: "/verify?type=signup", token: "none"}).refused(t, 400, "validation_failed", "Verify requires a token or a token hash")
		r := f.do(t, request{path: "/verify?type=nope&token=x", token: "none"}).ok(t, 303)
		if got := r.header.Get("Location"); got != "http://127.0.0.1:3000#error=invalid_request&error_code=validation_failed&error_description=Invalid+email+verification+type&sb=" {
			t.Errorf("unknown type leads to %s", got)
		}
		r = f.do(t, request{path: "/verify?type=signup&token=%00%ff", token: "none"}).ok(t, 400)
		if r.text("code") != "validation_failed" {
			t.Errorf("a token of no characters: %s", r.raw)
		}
	})
}

//covers:auth 94 95
func TestVerifyRules(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for _, c := range []struct {
		body          map[string]any
		status        int
		code, message string
	}{
		{map[string]any{}, 400, "validation_failed", "Verify requires a verification type"},
		{map[string]any{"type": "email"}, 400, "validation_failed", "Verify requires either a token or a token hash"},
		{map[string]any{"type": "email", "token": "1", "token_hash": "2"}, 400, "validation_failed", "Verify requires either a token or a token hash"},
		{map[string]any{"type": "email", "token": "1"}, 400, "validation_failed", "Only an email address or phone number should be provided on verify"},
		{map[string]any{"type": "email", "token": "1", "email": "a@b.c", "phone": "155"}, 400, "validation_failed", "Only an email address or phone number should be provided on verify"},
		{map[string]any{"type": "email", "token_hash": "1", "email": "a@b.c"}, 400, "validation_failed", "Only the token_hash and type should be provided"},
		{map[string]any{"type": "email", "token": "1", "email": "nope"}, 422, "validation_failed", "Invalid email format"},
		{map[string]any{"type": "email", "token": "123456", "email": "who@b.c"}, 403, "otp_expired", "Token has expired or is invalid"},
		{map[string]any{"type": "what", "token": "123456", "email": "who@b.c"}, 403, "otp_expired", "Token has expired or is invalid"},
		{map[string]any{"type": "sms", "token": "123456", "phone": "15550100"}, 403, "otp_expired", "Token has expired or is invalid"},
		{map[string]any{"type": "email", "token_hash": "abc"}, 403, "otp_expired", "Email link is invalid or has expired"},
		{map[string]any{"type": "what", "token_hash": "abc"}, 400, "validation_failed", "Invalid email verification type"},
	} {
		f.post(t, "/verify", c.body).refused(t, c.status, c.code, c.message)
	}
}

//covers:auth 83 85 86 87 88 89 93 95
func TestMagicLinksAndRecovery(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "known@example.com")
	for _, c := range []struct {
		path          string
		body          map[string]any
		status        int
		code, message string
	}{
		{"/otp", map[string]any{"email": "a@b.c", "phone": "1"}, 400, "validation_failed", "Only an email address or phone number should be provided"},
		{"/otp", map[string]any{"email": "a@b.c", "channel": "sms"}, 400, "validation_failed", "Channel should only be specified with Phone OTP"},
		{"/otp", map[string]any{}, 400, "validation_failed", "One of email or phone must be set"},
		{"/otp", map[string]any{"email": "who@b.c", "create_user": false}, 422, "otp_disabled", "Signups not allowed for otp"},
		{"/otp", map[string]any{"phone": "155501"}, 400, "phone_provider_disabled", "Unsupported phone provider"},
		{"/otp", map[string]any{"email": "a@b.c", "code_challenge": "x"}, 400, "validation_failed", "PKCE flow requires code_challenge_method and code_challenge"},
		{"/magiclink", map[string]any{}, 422, "validation_failed", "Password recovery requires an email"},
		{"/recover", map[string]any{}, 400, "validation_failed", "Password recovery requires an email"},
		{"/recover", map[string]any{"email": "nope"}, 400, "validation_failed", "Unable to validate email address: invalid format"},
		{"/resend", map[string]any{}, 400, "validation_failed", "Missing one of these types: signup, email_change, sms, phone_change"},
		{"/resend", map[string]any{"type": "signup"}, 400, "validation_failed", "Type provided requires an email address"},
		{"/resend", map[string]any{"type": "sms"}, 400, "validation_failed", "Type provided requires a phone number"},
		{"/resend", map[string]any{"type": "email_change"}, 400, "validation_failed", "Missing email address or phone number"},
		{"/resend", map[string]any{"type": "email_change", "email": "a@b.c", "phone": "1"}, 400, "validation_failed", "Only an email address or phone number should be provided."},
		{"/resend", map[string]any{"type": "sms", "phone": "155501"}, 400, "phone_provider_disabled", "Phone logins are disabled"},
	} {
		f.post(t, c.path, c.body).refused(t, c.status, c.code, c.message)
	}
	empty := func(r *response) {
		t.Helper()
		if r.ok(t, 200); r.raw != "{}" {
			t.Errorf("answer %s, want {}", r.raw)
		}
	}
	t.Run("known", func(t *testing.T) {
		empty(f.post(t, "/otp", map[string]any{"email": "KNOWN@example.com", "create_user": false}))
		if link := f.link(t, u.email); !strings.Contains(link, "&type=magiclink&") {
			t.Errorf("link %s", link)
		}
		if v := fragment(t, f.follow(t, f.link(t, u.email))); v.Get("type") != "magiclink" || v.Get("access_token") == "" {
			t.Errorf("leads to %v", v)
		}
		empty(f.post(t, "/magiclink", map[string]any{"email": u.email}))
		f.post(t, "/verify", map[string]any{"type": "email", "email": u.email, "token": codeIn(t, f.mailFor(t, u.email))}).ok(t, 200)
	})
	t.Run("unknown, autoconfirmed", func(t *testing.T) {
		empty(f.post(t, "/otp", map[string]any{"email": "fresh@example.com", "data": map[string]any{"x": 1}}))
		r := f.post(t, "/verify", map[string]any{"type": "magiclink", "email": "fresh@example.com", "token": codeIn(t, f.mailFor(t, "fresh@example.com"))}).ok(t, 200)
		if r.text("user.user_metadata.x") != "1" || r.text("user.email_confirmed_at") == "" {
			t.Errorf("%s", r.raw)
		}
	})
	t.Run("recovery", func(t *testing.T) {
		empty(f.post(t, "/recover", map[string]any{"email": "nobody@example.com"}))
		empty(f.post(t, "/otp", map[string]any{"email": u.email}))
		magic := f.link(t, u.email)
		empty(f.post(t, "/recover", map[string]any{"email": u.email}))
		if got := fragment(t, f.follow(t, magic)).Get("error_code"); got != "otp_expired" {
			t.Errorf("the magic link outlives the recovery: %q", got)
		}
		m := f.mailFor(t, u.email)
		if m.Subject != "Reset your password" || !strings.Contains(m.HTML, "type=recovery") {
			t.Errorf("mail %+v", m)
		}
		hash := regexp.MustCompile(`token=([0-9a-f]{56})`).FindStringSubmatch(m.Text)[1]
		r := f.post(t, "/verify", map[string]any{"type": "recovery", "token_hash": hash}).ok(t, 200)
		f.as(t, user{token: r.text("access_token")}, "PUT", "/user", map[string]any{"password": "found again"}).ok(t, 200)
		f.post(t, "/verify", map[string]any{"type": "recovery", "token_hash": hash}).refused(t, 403, "otp_expired", "Email link is invalid or has expired")
	})
	t.Run("nothing to resend", func(t *testing.T) {
		before := len(f.box.List(mail.Filter{}))
		empty(f.post(t, "/resend", map[string]any{"type": "signup", "email": u.email}))
		empty(f.post(t, "/resend", map[string]any{"type": "signup", "email": "nobody@example.com"}))
		empty(f.post(t, "/resend", map[string]any{"type": "email_change", "email": u.email}))
		if len(f.box.List(mail.Filter{})) != before {
			t.Error("a mail was sent")
		}
	})
	t.Run("magic link by pkce", func(t *testing.T) {
		verifier, challenge := pkce(t)
		empty(f.post(t, "/otp", map[string]any{"email": u.email, "code_challenge": challenge, "code_challenge_method": "s256"}))
		f.clock.advance(10 * time.Minute) // a magic link's five minutes begin with the code
		code := f.follow(t, f.link(t, u.email)).Query().Get("code")
		r := f.post(t, "/token?grant_type=pkce", map[string]any{"auth_code": code, "code_verifier": verifier}).ok(t, 200)
		if got := claims(t, r.text("access_token"))["amr"].([]any)[0].(map[string]any)["method"]; got != "magiclink" {
			t.Errorf("amr %v", got)
		}
	})
	t.Run("banned", func(t *testing.T) {
		empty(f.post(t, "/otp", map[string]any{"email": u.email}))
		f.admin(t, "PUT", "/admin/users/"+u.id, map[string]any{"ban_duration": "1h"}).ok(t, 200)
		f.post(t, "/verify", map[string]any{"type": "email", "email": u.email, "token": codeIn(t, f.mailFor(t, u.email))}).refused(t, 403, "user_banned", "User is banned")
		f.post(t, "/verify", map[string]any{"type": "email", "email": u.email, "token": "wrong"}).refused(t, 403, "user_banned", "User is banned")
		hash := f.value(t, "select recovery_token from auth.users where id = $1", u.id)
		f.clock.advance(2 * time.Hour)
		f.admin(t, "PUT", "/admin/users/"+u.id, map[string]any{"ban_duration": "1h"}).ok(t, 200)
		f.post(t, "/verify", map[string]any{"type": "email", "token_hash": hash}).refused(t, 403, "user_banned", "User is banned")
	})
}

//covers:auth 83
func TestOTPWithConfirmation(t *testing.T) {
	t.Parallel()
	f := start(t, confirming)
	f.post(t, "/otp", map[string]any{"email": "fresh@example.com"}).ok(t, 200)
	if link := f.link(t, "fresh@example.com"); !strings.Contains(link, "&type=signup&") {
		t.Errorf("link %s", link)
	}
	f.post(t, "/resend", map[string]any{"type": "signup", "email": "fresh@example.com"}).ok(t, 200)
	if n := len(f.box.List(mail.Filter{To: "fresh@example.com"})); n != 2 {
		t.Errorf("%d mails", n)
	}
	r := f.post(t, "/verify", map[string]any{"type": "email", "email": "fresh@example.com", "token": codeIn(t, f.mailFor(t, "fresh@example.com"))}).ok(t, 200)
	if r.text("user.email_confirmed_at") == "" {
		t.Errorf("%s", r.raw)
	}
}

//covers:auth 29
func TestMailFrequency(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Email.MaxFrequency = time.Minute })
	u := f.signUp(t, "often@example.com")
	f.post(t, "/recover", map[string]any{"email": u.email}).ok(t, 200)
	f.clock.advance(10 * time.Second)
	r := f.post(t, "/otp", map[string]any{"email": u.email})
	if r.status != 429 || r.text("code") != "over_email_send_rate_limit" || !regexp.MustCompile(`^For security purposes, you can only request this after (49|50) seconds\.$`).MatchString(r.text("message")) {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if n := len(f.box.List(mail.Filter{})); n != 1 {
		t.Errorf("%d mails", n)
	}
	f.clock.advance(50 * time.Second)
	f.post(t, "/otp", map[string]any{"email": u.email}).ok(t, 200)
}

//covers:auth 145 148
func TestMailTemplatesAndFixedCodes(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) {
		confirming(c)
		c.Email.FixedCode, c.ExternalURL = "123456", "https://api.test/auth/v1"
		c.Email.Templates = map[string]auth.Template{"confirmation": {Subject: "Hi {{ .Data.name }}",
			HTML: `<a href="{{ .SiteURL }}/auth/confirm?token_hash={{ .TokenHash }}&type=email&next={{ .RedirectTo }}">go</a> {{ .Data.name }} {{ .Token }} {{ .Email }}`}}
	})
	f.post(t, "/signup", map[string]any{"email": "tpl@example.com", "password": goodPassword, "data": map[string]any{"name": "<b>Ann\n"}}).ok(t, 200)
	m := f.mailFor(t, "tpl@example.com")
	hash := f.value(t, "select confirmation_token from auth.users")
	if m.Subject != "Hi <b>Ann" || !strings.Contains(m.HTML, "&lt;b&gt;Ann") || !strings.Contains(m.HTML, "token_hash="+hash) || !strings.Contains(m.Text, "123456 tpl@example.com") {
		t.Errorf("mail %+v", m)
	}
	f.post(t, "/verify", map[string]any{"type": "email", "token_hash": hash}).ok(t, 200)
	f.post(t, "/recover", map[string]any{"email": "tpl@example.com"}).ok(t, 200)
	if link := f.link(t, "tpl@example.com"); !strings.HasPrefix(link, "https://api.test/auth/v1/verify?token=") {
		t.Errorf("link %s", link)
	}
	f.post(t, "/verify", map[string]any{"type": "recovery", "email": "tpl@example.com", "token": "123456"}).ok(t, 200)
}
