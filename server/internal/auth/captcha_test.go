package auth_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/suparust/suparust/server/internal/auth"
)

// captchaService takes the token good, and notes what it is asked.
type captchaService struct {
	mu    sync.Mutex
	asked []url.Values
}

func (c *captchaService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, r.PostForm)
	switch r.PostForm.Get("response") {
	case "good":
		_, _ = io.WriteString(w, `{"success":true}`)
	case "html":
		_, _ = io.WriteString(w, `<html>`)
	default:
		_, _ = io.WriteString(w, `{"success":false,"error-codes":["invalid-input-response","timeout-or-duplicate"]}`)
	}
}

func (c *captchaService) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.asked)
}

// With captcha protection on, whoever is no admin solves a riddle to sign up,
// to sign in and to have messages sent.
//
//covers:auth 32
func TestCaptcha(t *testing.T) {
	t.Parallel()
	var service captchaService
	srv := httptest.NewServer(&service)
	t.Cleanup(srv.Close)
	f := start(t, func(c *auth.Config) {
		c.Captcha = auth.CaptchaConfig{Enabled: true, Provider: "turnstile", Secret: " the secret ", URL: srv.URL}
	})
	const missing = "captcha protection: request disallowed (no captcha_token found)"
	with := func(body map[string]any, token string) map[string]any {
		body["gotrue_meta_security"] = map[string]any{"captcha_token": token}
		return body
	}
	person := func() map[string]any { return map[string]any{"email": "p@example.com", "password": goodPassword} }
	for path, body := range map[string]any{
		"/signup": person(), "/token?grant_type=password": with(person(), "  "), "/otp": map[string]any{"email": "p@example.com", "gotrue_meta_security": nil},
		"/magiclink": map[string]any{"email": "p@example.com", "gotrue_meta_security": map[string]any{}}, "/recover": map[string]any{"email": "p@example.com"},
		"/resend": map[string]any{"email": "p@example.com", "type": "signup"}, "/token?grant_type=web3": person(), "/token?grant_type=other": person(), "/token": person(),
	} {
		f.post(t, path, body).refused(t, 400, "captcha_failed", missing)
	}
	if service.count() != 0 {
		t.Error("the service was asked about nothing")
	}
	f.post(t, "/signup", `{`).refused(t, 400, "bad_json", "Could not parse request body as JSON: unexpected end of JSON input")
	f.post(t, "/signup", with(person(), "bad")).refused(t, 400, "captcha_failed", "captcha protection: request disallowed (invalid-input-response, timeout-or-duplicate)")
	f.post(t, "/signup", with(person(), "html")).refused(t, 500, "unexpected_failure", "captcha verification process failed")
	r := f.post(t, "/signup", with(person(), "good")).ok(t, 200)
	if r.text("user.email") != "p@example.com" {
		t.Errorf("the body did not come through: %s", r.raw)
	}
	service.mu.Lock()
	if q := service.asked[len(service.asked)-1]; q.Get("secret") != "the secret" || q.Get("remoteip") != "127.0.0.1" {
		t.Errorf("the service was asked %v", q)
	}
	service.mu.Unlock()
	f.post(t, "/token?grant_type=password", with(person(), "good")).ok(t, 200)

	// what holds a proof of its own needs no riddle
	asked := service.count()
	f.post(t, "/token?grant_type=refresh_token", map[string]any{"refresh_token": r.text("refresh_token")}).ok(t, 200)
	f.post(t, "/token?grant_type=pkce", map[string]any{"auth_code": "x", "code_verifier": "y"}).refused(t, 404, "flow_state_not_found", "invalid flow state, no valid flow state found")
	f.post(t, "/token?grant_type=id_token", map[string]any{}).ok(t, 400)
	f.post(t, "/verify", map[string]any{"type": "email", "email": "p@example.com", "token": "000000"}).refused(t, 403, "otp_expired", "Token has expired or is invalid")
	f.admin(t, "POST", "/otp", map[string]any{"email": "p@example.com"}).ok(t, 200)
	f.do(t, request{path: "/settings"}).ok(t, 200)
	if service.count() != asked {
		t.Error("the service was asked for what needs no riddle")
	}
	srv.Close()
	f.post(t, "/otp", with(person(), "good")).refused(t, 500, "unexpected_failure", "captcha verification process failed")
}

func TestCaptchaSettings(t *testing.T) {
	for _, c := range []struct {
		config auth.CaptchaConfig
		want   string // "" is fine
	}{
		{auth.CaptchaConfig{Provider: "x"}, ""},
		{auth.CaptchaConfig{Enabled: true, Secret: "s"}, ""},
		{auth.CaptchaConfig{Enabled: true, Secret: "s", Provider: "turnstile"}, ""},
		{auth.CaptchaConfig{Enabled: true, Secret: " "}, "without a secret"},
		{auth.CaptchaConfig{Enabled: true, Secret: "s", Provider: "recaptcha"}, `no captcha provider "recaptcha"`},
		{auth.CaptchaConfig{Enabled: true, Secret: "s", URL: "ftp://x"}, "no HTTP address"},
	} {
		err := auth.CheckCaptcha(c.config)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.config, err)
		}
	}
}
