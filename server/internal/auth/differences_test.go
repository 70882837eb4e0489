package auth_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/auth/oauth"
)

// Sign-ups with one address at the same moment are as those that follow each
// other: where addresses are to be confirmed, none of them tells that another
// was there before.
//
//covers:auth 66
func TestSignUpRaceWithConfirmation(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Email.RequireConfirmation = true })
	const n = 12
	var wg sync.WaitGroup
	answers := make([]*response, n)
	for i := range n {
		wg.Go(func() {
			answers[i] = f.post(t, "/signup", map[string]any{"email": "race@example.com", "password": goodPassword})
		})
	}
	wg.Wait()
	for _, r := range answers {
		if r.status != 200 || r.text("confirmation_sent_at") == "" || r.text("identities.0.email") != "race@example.com" {
			t.Errorf("%d %s", r.status, r.raw)
		}
	}
	if got := f.value(t, "select count(*) from auth.users"); got != "1" {
		t.Errorf("%s users", got)
	}
}

// A body of parts beside the grant in the query is read as JSON.
//
//covers:auth 8
func TestGrantBesideParts(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "parts@example.com")
	f.do(t, request{method: "POST", path: "/token?grant_type=password", body: map[string]any{"email": u.email, "password": u.password},
		header: map[string]string{"Content-Type": "multipart/form-data; boundary=x"}}).ok(t, 200)
}

// What a browser is sent to has only characters that an address may have.
//
//covers:auth 90
func TestLocationIsEscaped(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.RedirectURLs = []string{"https://app.example.com/**"} })
	for target, want := range map[string]string{
		"https://app.example.com/x y":            "https://app.example.com/x%20y#",
		"https://app.example.com/é":              "https://app.example.com/%C3%A9#",
		"https://app.example.com/a?ü=ß":          "https://app.example.com/a?%C3%BC=%C3%9F#",
		`https://app.example.com/\evil`:          "https://app.example.com/%5Cevil#",
		`https://app.example.com/"<b>"`:          "https://app.example.com/%22%3Cb%3E%22#",
		"https://app.example.com/%2e%2F?a=%20+b": "https://app.example.com/%2e%2F?a=%20+b#",
	} {
		r := f.do(t, request{path: "/verify?type=signup&token=x&redirect_to=" + url.QueryEscape(target), token: "none"}).ok(t, 303)
		if got := r.header.Get("Location"); !strings.HasPrefix(got, want) {
			t.Errorf("%s\n got %s\nwant %s", target, got, want)
		}
	}
}

// Blanks around a code of an authenticator app do not count: people copy them.
//
//covers:auth 117
func TestCodeWithBlanks(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	u := f.signUp(t, "blanks@example.com")
	factor := f.as(t, u, "POST", "/factors", map[string]any{"factor_type": "totp"}).ok(t, 200)
	path := "/factors/" + factor.text("id")
	verify := func(form func(code string) string) *response {
		challenge := f.as(t, u, "POST", path+"/challenge", nil).ok(t, 200).text("id")
		return f.as(t, u, "POST", path+"/verify", map[string]any{"challenge_id": challenge, "code": form(totp(t, factor.text("totp.secret"), f.clock.now()))})
	}
	verify(func(c string) string { return c[:3] + " " + c[3:] }).refused(t, 422, "mfa_verification_failed", "Invalid TOTP code entered")
	verify(func(c string) string { return " " + c + "\n" }).ok(t, 200)
}

// A field to sort by and a blank name no direction.
//
//covers:auth 133
func TestSortWithoutDirection(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.admin(t, "GET", "/admin/users?sort=created_at%20", nil).
		refused(t, 400, "validation_failed", "Bad Sort Parameters: bad direction for sort '', only 'asc' and 'desc' allowed")
	f.admin(t, "GET", "/admin/users?sort=created_at", nil).ok(t, 200)
}

// A provider that links itself to a known user tells their name before the
// entry of the audit log is written.
//
//covers:auth 170
func TestAuditOfLinkingHasTheName(t *testing.T) {
	t.Parallel()
	s := startSocial(t, nil)
	s.signUp(t, "bob@social.test")
	s.through(t, "google", "", oauth.FakeUser{Email: "bob@social.test", Name: "Bob B"})
	if got := s.value(t, `select payload->>'actor_name' from auth.audit_log_entries where payload->>'action' = 'identity_linked'`); got != "Bob B" {
		t.Errorf("actor_name is %q", got)
	}
}

// A phone's factor has an empty secret, as other servers write it.
//
//covers:auth 121
func TestPhoneFactorRow(t *testing.T) {
	t.Parallel()
	f := start(t, withPhoneFactors)
	u := f.signUp(t, "row@example.com")
	f.as(t, u, "POST", "/factors", map[string]any{"factor_type": "phone", "phone": "15550001"}).ok(t, 200)
	if got := f.value(t, `select count(*) from auth.mfa_factors where secret = ''`); got != "1" {
		t.Error("the secret is null")
	}
}

// A nonce counts before anything is said about the password, and for one change.
//
//covers:auth 104
func TestNonceComesFirst(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) {
		c.Password.RequireReauthentication, c.Password.RequireCurrent, c.JWTExpiry = true, true, 100*time.Hour
	})
	u := f.signUp(t, "first@example.com")
	f.clock.advance(25 * time.Hour)
	f.as(t, u, "GET", "/reauthenticate", nil).ok(t, 200)
	code := codeIn(t, f.mailFor(t, u.email))
	put := func(password, current, nonce string) *response {
		return f.as(t, u, "PUT", "/user", map[string]any{"password": password, "current_password": current, "nonce": nonce})
	}
	for _, current := range []string{u.password, "a wrong one", ""} {
		put(u.password, current, "x"+code).refused(t, 422, "reauthentication_not_valid", "Nonce has expired or is invalid")
	}
	put("another one", "a wrong one", code).refused(t, 400, "current_password_invalid", "Current password required when setting new password.")

	var wg sync.WaitGroup
	answers := make([]*response, 6)
	for i := range answers {
		wg.Go(func() { answers[i] = put(fmt.Sprint("new password ", i), u.password, code) })
	}
	wg.Wait()
	changed := 0
	for _, r := range answers {
		if r.status == 200 {
			changed++
		}
	}
	if changed != 1 {
		t.Errorf("%d changes by one nonce", changed)
	}
}

// A hook that answers with something else than an object has not agreed.
//
//covers:auth 156 157 159
func TestHookAnswersAnObject(t *testing.T) {
	t.Parallel()
	f := withHookFunctions(t, nil, auth.HookBeforeUserCreated, auth.HookSendEmail)
	u := f.signUp(t, "ann@example.com")
	for _, odd := range []string{`[]`, `5`, `"x"`, `true`} {
		f.answerHook(t, auth.HookBeforeUserCreated, odd)
		f.post(t, "/signup", map[string]any{"email": "bob@example.com", "password": goodPassword}).
			refused(t, 500, "unexpected_failure", "Error unmarshaling JSON output.")
		f.answerHook(t, auth.HookSendEmail, odd)
		f.post(t, "/recover", map[string]any{"email": u.email}).refused(t, 500, "unexpected_failure", "Error unmarshaling JSON output.")
	}
	for _, agreed := range []string{`{}`, `null`, `{"more": 1}`} {
		f.answerHook(t, auth.HookSendEmail, agreed)
		f.post(t, "/recover", map[string]any{"email": u.email}).ok(t, 200)
	}
}

// What a user says of themselves is in the identity too; but an address there is
// the identity's own.
//
//covers:auth 51
func TestIdentityHasTheData(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Phone.Enabled = true })
	data := map[string]any{"phone": "0170 123", "email": "other@example.com", "sub": "x", "email_verified": true, "team": "red"}
	r := f.post(t, "/signup", map[string]any{"email": "ann@example.com", "password": goodPassword, "data": data}).ok(t, 200)
	for at, want := range map[string]string{"phone": "0170 123", "email": "ann@example.com", "sub": r.text("user.id"), "team": "red"} {
		if got := r.text("user.identities.0.identity_data." + at); got != want {
			t.Errorf("%s is %q, want %q", at, got, want)
		}
		if got := r.text("user.user_metadata." + at); got != want {
			t.Errorf("in the metadata %s is %q, want %q", at, got, want)
		}
	}
	r = f.post(t, "/signup", map[string]any{"phone": "15550100", "password": goodPassword, "data": data}).ok(t, 200)
	if got := r.at("user.identities.0.email"); got != nil {
		t.Errorf("the identity of a number has the address %v", got)
	}
	f.signUp(t, "other@example.com")
}

// Users of single sign-on change what is theirs there.
//
//covers:auth 107
func TestManagedElsewhere(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Phone.Enabled = true })
	u := f.signUp(t, "sso@example.com")
	f.exec(t, "update auth.users set is_sso_user = true where id = $1", u.id)
	for _, change := range []map[string]any{{"email": "new@example.com"}, {"phone": "15550100"}, {"password": "another one"}} {
		f.as(t, u, "PUT", "/user", change).refused(t, 422, "user_sso_managed", "Updating email, phone, password of a SSO account only possible via SSO")
	}
	f.as(t, u, "PUT", "/user", map[string]any{"data": map[string]any{"a": 1}}).ok(t, 200)
	if got := f.as(t, u, "GET", "/user", nil).ok(t, 200).text("user_metadata.a"); got != "1" {
		t.Errorf("the metadata is %s", got)
	}
}
