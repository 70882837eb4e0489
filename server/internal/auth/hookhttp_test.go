package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/auth/oauth"
)

const hookKey = "0123456789abcdefghijklmn"

// receiver is an HTTP server that all hooks lead to. It believes what is signed
// and answers what the test wants.
type receiver struct {
	t       *testing.T
	mu      sync.Mutex
	answers map[string]http.HandlerFunc // by the hook's path
	events  map[string]map[string]any
}

func (s *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	m := hmac.New(sha256.New, []byte(hookKey))
	fmt.Fprintf(m, "%s.%s.%s", r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), body)
	if r.Header.Get("webhook-signature") != "v1,"+base64.StdEncoding.EncodeToString(m.Sum(nil)) {
		s.t.Errorf("the signature of %s is %q", r.URL.Path, r.Header.Get("webhook-signature"))
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	var event map[string]any
	if err := json.Unmarshal(body, &event); err != nil {
		s.t.Error(err)
	}
	s.mu.Lock()
	s.events[name] = event
	answer := s.answers[name]
	s.mu.Unlock()
	switch {
	case answer != nil:
		answer(w, r)
	case name == auth.HookCustomAccessToken:
		w.Header().Set("Content-Type", "application/json")
		claims := event["claims"].(map[string]any)
		claims["from"] = "afar"
		_ = json.NewEncoder(w).Encode(map[string]any{"claims": claims})
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *receiver) answer(name string, h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[name] = h
}

func (s *receiver) event(name string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events[name]
}

func jsonAnswer(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}
}

// Hooks over HTTP are signed, and do what functions of the database do.
//
//covers:auth 155 156 157 158 159 160
func TestHookHTTP(t *testing.T) {
	t.Parallel()
	hooks := &receiver{t: t, answers: map[string]http.HandlerFunc{}, events: map[string]map[string]any{}}
	srv := httptest.NewServer(hooks)
	t.Cleanup(srv.Close)
	f := start(t, func(c *auth.Config) {
		c.Hooks = map[string]auth.HookConfig{}
		for _, name := range auth.HookNames() {
			c.Hooks[name] = auth.HookConfig{Enabled: true, URI: srv.URL + "/" + name,
				Secrets: []string{"v1,whsec_" + base64.StdEncoding.EncodeToString([]byte(hookKey))}}
		}
		c.Phone = auth.PhoneConfig{Enabled: true, RequireConfirmation: true, MaxFrequency: -1}
	})
	u := f.signUp(t, "http@example.com")
	if claims(t, u.token)["from"] != "afar" || field(hooks.event(auth.HookBeforeUserCreated), "user.email") != "http@example.com" ||
		field(hooks.event(auth.HookAfterUserCreated), "user.id") != u.id {
		t.Errorf("events %v", hooks.events)
	}
	f.post(t, "/otp", map[string]any{"phone": "15550001"}).ok(t, 200)
	f.post(t, "/verify", map[string]any{"type": "sms", "phone": "15550001", "token": field(hooks.event(auth.HookSendSMS), "sms.otp")}).ok(t, 200)
	f.post(t, "/recover", map[string]any{"email": u.email}).ok(t, 200)
	f.post(t, "/verify", map[string]any{"type": "recovery", "token_hash": field(hooks.event(auth.HookSendEmail), "email_data.token_hash")}).ok(t, 200)
	u = f.signIn(t, u)
	if field(hooks.event(auth.HookPasswordVerification), "valid") != "true" {
		t.Error("the password's hook was not asked")
	}
	hooks.answer(auth.HookPasswordVerification, jsonAnswer(`{"decision":"reject","message":"locked"}`))
	f.post(t, "/token?grant_type=password", map[string]any{"email": u.email, "password": u.password}).refused(t, 400, "invalid_credentials", "locked")

	recover := func() *response { return f.post(t, "/recover", map[string]any{"email": u.email}) }
	for _, c := range []struct {
		answer        http.HandlerFunc
		status        int
		code, message string
	}{
		{jsonAnswer(`{"error":{"http_code":429,"message":"slow down"}}`), 429, "unknown", "slow down"},
		{jsonAnswer(strings.Repeat(" ", 200<<10+1)), 422, "hook_payload_over_size_limit", "Payload size exceeded size limit of 204800 bytes"},
		{func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, 400, "hook_payload_invalid_content_type", "Invalid JSON response. Received content-type: text/html; charset=utf-8"},
		{func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, 500, "unexpected_failure", "Unexpected status code returned from hook: 500"},
		{func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, 500, "unexpected_failure", "Service currently unavailable due to hook"},
	} {
		hooks.answer(auth.HookSendEmail, c.answer)
		recover().refused(t, c.status, c.code, c.message)
	}
	hooks.answer(auth.HookSendEmail, nil)
	recover().ok(t, 200)
	hooks.answer(auth.HookCustomAccessToken, jsonAnswer(`{"claims":{}`))
	f.post(t, "/token?grant_type=refresh_token", map[string]any{"refresh_token": u.refresh}).refused(t, 500, "unexpected_failure", "Error unmarshaling JSON output.")
}

// A hook that does not answer is given up after five seconds.
//
//covers:auth 159
func TestHookHTTPTime(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(release) })
	f := start(t, func(c *auth.Config) {
		c.Hooks = map[string]auth.HookConfig{auth.HookSendEmail: {Enabled: true, URI: srv.URL}}
	})
	u := f.signUp(t, "late@example.com")
	f.post(t, "/recover", map[string]any{"email": u.email}).refused(t, 422, "hook_timeout", "Failed to reach hook within maximum time of 5.000000 seconds")
}

// What the configuration of hooks gets wrong is said at once.
func TestHookNames(t *testing.T) {
	if err := auth.CheckHooks(map[string]auth.HookConfig{"send_mail": {}}); err == nil || !strings.Contains(err.Error(), "the hooks are after_user_created, before_user_created") {
		t.Errorf("%v", err)
	}
}

// Whoever comes through an outside service for the first time is asked about,
// and whose token is refused is sent away.
//
//covers:auth 126 156
func TestHookExternal(t *testing.T) {
	t.Parallel()
	hooks := &receiver{t: t, answers: map[string]http.HandlerFunc{}, events: map[string]map[string]any{}}
	srv := httptest.NewServer(hooks)
	t.Cleanup(srv.Close)
	s := startSocial(t, func(c *auth.Config) {
		c.Hooks = map[string]auth.HookConfig{}
		for _, name := range []string{auth.HookBeforeUserCreated, auth.HookCustomAccessToken, auth.HookAfterUserCreated} {
			c.Hooks[name] = auth.HookConfig{Enabled: true, URI: srv.URL + "/" + name, Secrets: []string{"v1,whsec_" + base64.StdEncoding.EncodeToString([]byte(hookKey))}}
		}
	})
	ann := oauth.FakeUser{Email: "ann@example.com", Name: "Ann Lee"}
	hooks.answer(auth.HookBeforeUserCreated, jsonAnswer(`{"error":{"http_code":403,"message":"not from there"}}`))
	failed(t, s.through(t, "google", "", ann), "access_denied", "unknown", "not from there")
	e := hooks.event(auth.HookBeforeUserCreated)
	if field(e, "user.email") != "ann@example.com" || field(e, "user.app_metadata.provider") != "google" || field(e, "user.user_metadata.full_name") != "Ann Lee" {
		t.Errorf("told %v", e)
	}
	if n := s.value(t, `select count(*) from auth.users`); n != "0" {
		t.Errorf("%s users", n)
	}
	hooks.answer(auth.HookBeforeUserCreated, nil)
	u := s.in(t, "google", ann)
	if u.id != field(hooks.event(auth.HookBeforeUserCreated), "user.id") || claims(t, u.token)["from"] != "afar" || field(hooks.event(auth.HookAfterUserCreated), "user.id") != u.id {
		t.Errorf("user %s, told %v", u.id, hooks.events)
	}
	if got := field(hooks.event(auth.HookCustomAccessToken), "authentication_method"); got != "oauth" {
		t.Errorf("authentication_method %q", got)
	}
	// who is there already is not asked about
	hooks.answer(auth.HookBeforeUserCreated, jsonAnswer(`{"error":{"message":"no"}}`))
	s.in(t, "google", ann)
	hooks.answer(auth.HookCustomAccessToken, jsonAnswer(`{"error":{"http_code":401,"message":"no token"}}`))
	failed(t, s.through(t, "google", "", ann), "unauthorized_client", "unknown", "no token")
}
