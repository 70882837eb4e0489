package server_test

import (
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

//covers:auth 181
func TestProviderSettings(t *testing.T) {
	env := map[string]string{
		"SUPARUST_EXTERNAL_GOOGLE_ENABLED": "true", "SUPARUST_EXTERNAL_GOOGLE_CLIENT_ID": "a, b", "SUPARUST_EXTERNAL_GOOGLE_SECRET": "s",
		"SUPARUST_EXTERNAL_GOOGLE_SKIP_NONCE_CHECK": "1", "GOTRUE_EXTERNAL_LINKEDIN_OIDC_ENABLED": "true",
		"GOTRUE_EXTERNAL_LINKEDIN_OIDC_REDIRECT_URI": "https://x.test/cb", "SUPARUST_EXTERNAL_GITLAB_URL": "https://git.corp",
		"SUPARUST_EXTERNAL_GITLAB_EMAIL_OPTIONAL": "true", "SUPARUST_EXTERNAL_APPLE_JWKS": `{"keys":[]}`,
		"GOTRUE_EXTERNAL_EMAIL_ENABLED": "true", "GOTRUE_EXTERNAL_IOS_BUNDLE_ID": "bundle", "SUPARUST_ID_TOKEN_ISSUERS": "https://a, https://b",
		"SUPARUST_OAUTH_FAKE": "off", "SUPARUST_OAUTH_FLOW_LIFE": "90s", "GOTRUE_EXTERNAL_REDIRECT_URL": "https://x.test/done",
	}
	lookup := func(n string) (string, bool) { v, ok := env[n]; return v, ok }
	cfg := server.DefaultConfig()
	var warned []string
	if err := cfg.FromEnv(lookup, func(n server.Note) { warned = append(warned, n.Text) }, slices.Collect(maps.Keys(env))...); err != nil {
		t.Fatal(err)
	}
	o := cfg.Auth.OAuth
	p := o.Providers
	if g := p["google"]; !g.Enabled || !slices.Equal(g.ClientIDs, []string{"a", "b"}) || g.Secret != "s" || !g.SkipNonceCheck {
		t.Errorf("google %+v", g)
	}
	if l := p["linkedin_oidc"]; !l.Enabled || l.RedirectURI != "https://x.test/cb" {
		t.Errorf("linkedin_oidc %+v", l)
	}
	if g := p["gitlab"]; g.Enabled || g.URL != "https://git.corp" || !g.EmailOptional || len(p) != 4 || string(p["apple"].JWKS) == "" {
		t.Errorf("gitlab %+v of %v", g, p)
	}
	if o.IOSBundleID != "bundle" || o.RedirectURL != "https://x.test/done" || len(o.IDTokenIssuers) != 2 || o.FlowLife.Seconds() != 90 || o.Fake != "off" {
		t.Errorf("%+v", o)
	}
	for _, m := range warned {
		if strings.Contains(m, "SUPARUST_EXTERNAL_EMAIL") || strings.Contains(m, "SUPARUST_EXTERNAL_IOS") {
			t.Errorf("warned: %s", m)
		}
	}
	env = map[string]string{"SUPARUST_EXTERNAL_GOOGLE_ENABLED": "perhaps"}
	if err := cfg.FromEnv(lookup, nil, "SUPARUST_EXTERNAL_GOOGLE_ENABLED"); err == nil || !strings.Contains(err.Error(), "neither true nor false") {
		t.Error(err)
	}
}

// TestFakeOAuthStaysHome: who can sign in as anyone is never let in from
// elsewhere.
func TestFakeOAuthStaysHome(t *testing.T) {
	for _, c := range []struct {
		fake, bind, public string
		err                string
	}{
		{"missing", "0.0.0.0", "", "lets everyone who reaches the server sign in as anyone"},
		{"all", "127.0.0.1", "https://app.example.com", "lets everyone who reaches the server sign in as anyone"},
		{"all", "::1", "http://localhost:3000", ""},
		{"", "0.0.0.0", "", ""},
		{"off", "0.0.0.0", "", ""},
		{"some", "127.0.0.1", "", "it is one of auto, missing, all and off"},
	} {
		cfg := server.DefaultConfig()
		cfg.Keys.JWTSecret = server.DemoJWTSecret
		cfg.BindAddr, cfg.PublicURL, cfg.Auth.OAuth.Fake = c.bind, c.public, c.fake
		_, err := server.New(cfg)
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	cfg := server.DefaultConfig()
	cfg.Keys.JWTSecret = server.DemoJWTSecret
	cfg.Auth.OAuth.Providers = map[string]server.OAuthProvider{"myspace": {}}
	if _, err := server.New(cfg); err == nil || !strings.Contains(err.Error(), `no sign-in provider "myspace"`) {
		t.Error(err)
	}
}

// TestProjectProviders: config.toml turns providers on, and those without
// credentials lead to the server itself.
func TestProjectProviders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "supabase"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "supabase", "config.toml"), []byte(`
[auth.external.github]
enabled = true
client_id = "env(NOT_SET_ANYWHERE_ID)"
secret = "env(NOT_SET_ANYWHERE)"
[auth.external.google]
enabled = true
client_id = "one,two"
secret = "real"
[auth.external.myspace]
enabled = true
`), 0o644); err != nil {
		t.Fatal(err)
	}
	var cfg server.Config
	srv := suparusttest.Start(t, suparusttest.WithProject(dir), suparusttest.WithConfig(func(c *server.Config) {
		c.Auth.OAuth.Fake = server.FakeOAuthAuto
		cfg = *c
	}))
	if g := cfg.Auth.OAuth.Providers["google"]; !slices.Equal(g.ClientIDs, []string{"one", "two"}) || g.Secret != "real" || len(cfg.Auth.OAuth.Providers) != 2 {
		t.Errorf("%+v", cfg.Auth.OAuth.Providers)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	get := func(address string) (int, *url.URL) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		u, err := url.Parse(res.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, u
	}
	if status, to := get(srv.URL + "/auth/v1/authorize?provider=google"); status != 302 || to.Host != "accounts.google.com" || to.Query().Get("client_id") != "one" ||
		to.Query().Get("redirect_uri") != srv.URL+"/auth/v1/callback" {
		t.Errorf("google: %d %s", status, to)
	}
	status, to := get(srv.URL + "/auth/v1/authorize?provider=github")
	if status != 302 || !strings.HasPrefix(to.String(), srv.URL+"/_suparust/oauth/github/authorize?") {
		t.Fatalf("github: %d %s", status, to)
	}
	if status, _ := get(to.String()); status != 200 {
		t.Errorf("the page: %d", status)
	}
	srv.NextOAuthUser(t, "github", suparusttest.OAuthUser{Email: "octo@example.com", Username: "octo"})
	for range 3 { // to the service, to the callback, to the site
		if status, to = get(to.String()); status != 302 {
			t.Fatalf("status %d", status)
		}
		if to.Host == "127.0.0.1:3000" {
			break
		}
	}
	if !strings.HasPrefix(to.String(), "http://127.0.0.1:3000#access_token=") {
		t.Errorf("ends at %s", to)
	}
	if status, _ := get(srv.URL + "/_suparust/oauth/google/authorize"); status != 404 {
		t.Errorf("the fake stands in for a real service: %d", status)
	}
}

// TestFakeOAuthIsOff: without the fake nothing of it is served, as on a server
// with a secret of its own that nobody has asked for it.
func TestFakeOAuthIsOff(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*server.Config){
		"off": func(c *server.Config) { c.Auth.OAuth.Fake = server.FakeOAuthOff },
		"own secret": func(c *server.Config) {
			c.Auth.OAuth.Fake = server.FakeOAuthAuto
			c.Keys = server.Keys{JWTSecret: "a secret of its own, with forty characters"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := suparusttest.Start(t, suparusttest.WithOAuth("google"), suparusttest.WithConfig(change))
			srv.Client().Get(t, "/_suparust/oauth/google/authorize").WantStatus(t, 404)
			r := srv.Client().Get(t, "/auth/v1/authorize?provider=google").WantStatus(t, 400)
			if !strings.Contains(string(r.Body), "Unsupported provider: missing OAuth client ID") {
				t.Errorf("%s", r.Body)
			}
		})
	}
}
