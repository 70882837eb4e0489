package server_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// keyed is an answer to a request with a key, or with none.
func keyed(t *testing.T, url, key string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("apikey", key)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// TestAPIKeys: any key and none will do, unless the server asks for one.
//
//covers:auth 4 5
func TestAPIKeys(t *testing.T) {
	t.Parallel()
	for name, strict := range map[string]bool{"lenient": false, "strict": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := suparusttest.Start(t, suparusttest.WithConfig(func(c *server.Config) {
				if strict {
					configure(t, c, "SUPARUST_REQUIRE_API_KEY=true")
				}
			}))
			for _, path := range []string{"/auth/v1/settings", "/auth/v1/health", "/rest/v1/", "/rest/v1"} {
				for key, message := range map[string]string{"": "No API key found in request", "nonsense": "Invalid API key", srv.AnonKey + "x": "Invalid API key"} {
					status, body := keyed(t, srv.URL+path, key)
					if refused := status == 401 && strings.HasPrefix(body, `{"message":"`+message+`"`); refused != strict {
						t.Errorf("%s with %q: %d %s", path, key, status, body)
					}
				}
				for _, key := range []string{srv.AnonKey, srv.ServiceKey} {
					if status, body := keyed(t, srv.URL+path, key); status != 200 {
						t.Errorf("%s with a key: %d %s", path, status, body)
					}
					if status, body := keyed(t, srv.URL+path+"?apikey="+key, ""); status != 200 {
						t.Errorf("%s with a key in the query: %d %s", path, status, body)
					}
				}
			}
			for path, want := range map[string]int{
				"/auth/v1/verify?type=signup&token=x": 303, "/auth/v1/callback": 303, "/auth/v1/authorize": 400,
				"/auth/v1/.well-known/jwks.json": 200, "/auth/v1/verifyx": map[bool]int{false: 404, true: 401}[strict],
			} {
				if status, body := keyed(t, srv.URL+path, ""); status != want {
					t.Errorf("%s without a key: %d %s", path, status, body)
				}
			}
		})
	}
}

// TestAuthSettingsOfTheEnvironment: a value of config.toml may name a variable,
// which the process or a .env file of the project sets.
//
//covers:auth 183
func TestAuthSettingsOfTheEnvironment(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, text := range map[string]string{
		"supabase/config.toml": "[auth]\nsite_url = \"env(APP_URL)\"\nadditional_redirect_urls = [\"env(APP_BACK)\"]\n[auth.sms.test_otp]\n15550001111 = \"env(APP_CODE)\"\n",
		"supabase/.env":        "APP_URL=https://from-the-file.example\nAPP_CODE=424242\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"APP_BACK": "https://back.example/cb"}[name]
		return v, ok
	}
	cfg := server.DefaultConfig()
	if _, err := cfg.LoadProject(root, env); err != nil {
		t.Fatal(err)
	}
	if a := cfg.Auth; a.SiteURL != "https://from-the-file.example" || !slices.Equal(a.RedirectURLs, []string{"https://back.example/cb"}) || a.Phone.TestCodes["15550001111"] != "424242" {
		t.Errorf("%q, %q, %v", a.SiteURL, a.RedirectURLs, a.Phone.TestCodes)
	}
}
