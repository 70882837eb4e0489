package suparusttest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// TestWithHTTP: whoever the server asks by HTTP is the test's function.
func TestWithHTTP(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := map[string]string{}
	srv := suparusttest.Start(t, suparusttest.WithoutProject(),
		suparusttest.WithHTTP(func(r *http.Request) *http.Response {
			var body []byte
			if r.Body != nil {
				body, _ = io.ReadAll(r.Body)
			}
			mu.Lock()
			asked[r.URL.Host] = r.URL.Path + " " + string(body)
			mu.Unlock()
			switch r.URL.Host {
			case "hooks.example.com":
				var p struct{ Claims map[string]any }
				if err := json.Unmarshal(body, &p); err != nil {
					return suparusttest.Answer(http.StatusBadRequest, err.Error())
				}
				p.Claims["plan"] = "pro"
				return suparusttest.Answer(http.StatusOK, map[string]any{"claims": p.Claims})
			case "challenges.cloudflare.com":
				return suparusttest.Answer(http.StatusOK, map[string]any{"success": strings.Contains(string(body), "human")})
			case "api.twilio.com":
				return suparusttest.Answer(http.StatusCreated, `{"sid":"SM1","status":"queued"}`)
			}
			return suparusttest.Answer(http.StatusBadGateway, nil)
		}),
		suparusttest.WithConfig(func(c *server.Config) {
			c.Auth.Hooks = map[string]server.HookConfig{"custom_access_token": {Enabled: true, URI: "https://hooks.example.com/token",
				Secrets: []string{"v1,whsec_aGFsZi1hLWtpbG9ieXRlLW9mLWVudHJvcHk="}}}
			c.Auth.Captcha.Enabled, c.Auth.Captcha.Provider, c.Auth.Captcha.Secret = true, "turnstile", "s"
			c.Auth.Phone.Enabled = true
			c.Auth.Texts.Provider = "twilio"
			c.Auth.Texts.Accounts = map[string]server.SMSAccount{"twilio": {AccountSID: "AC1", AuthToken: "t", MessageServiceSID: "MG1"}}
		}))
	captcha := func(token string) map[string]any { return map[string]any{"captcha_token": token} }
	sign := func(token string, status int) *suparusttest.Response {
		t.Helper()
		return srv.Client().Post(t, "/auth/v1/signup", map[string]any{"email": token + "@example.com", "password": "long enough", "gotrue_meta_security": captcha(token)}).WantStatus(t, status)
	}
	sign("robot", http.StatusBadRequest)
	var session struct {
		AccessToken string `json:"access_token"`
	}
	sign("human", http.StatusOK).JSON(t, &session)
	ann := srv.ClientAs(&suparusttest.User{AccessToken: session.AccessToken})
	srv.Exec(t, "create function plan() returns text language sql as $$ select auth.jwt() ->> 'plan' $$")
	if r := ann.Get(t, "/rest/v1/rpc/plan").WantStatus(t, http.StatusOK); string(r.Body) != `"pro"` {
		t.Errorf("the hook's claim: %s", r.Body)
	}
	srv.Client().Post(t, "/auth/v1/otp", map[string]any{"phone": "+15550100", "gotrue_meta_security": captcha("human")}).WantStatus(t, http.StatusOK)
	mu.Lock()
	defer mu.Unlock()
	for host, want := range map[string]string{"hooks.example.com": "/token ", "challenges.cloudflare.com": "/turnstile/v0/siteverify ", "api.twilio.com": "/2010-04-01/Accounts/AC1/Messages.json "} {
		if !strings.HasPrefix(asked[host], want) {
			t.Errorf("%s was asked for %q", host, asked[host])
		}
	}
}
