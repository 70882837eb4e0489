package suparusttest_test

import (
	"net/http"
	"testing"

	"github.com/suparust/suparust/suparusttest"
)

// TestAuthAllowsCredentials: Auth says what GoTrue says to pages of any origin;
// as that is no single one, browsers send no cookies all the same.
func TestAuthAllowsCredentials(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject())
	from := http.Header{"Origin": {"https://app.example.com"}}
	preflight := http.Header{"Origin": {"https://app.example.com"}, "Access-Control-Request-Method": {"POST"}}
	for path, want := range map[string]string{"/auth/v1/settings": "true", "/auth/v1/none": "true", "/rest/v1/": "", "/storage/v1/bucket": ""} {
		for method, header := range map[string]http.Header{http.MethodGet: from, http.MethodOptions: preflight} {
			h := srv.Client().Do(t, method, path, nil, header).Header
			if h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != want {
				t.Errorf("%s %s: %q, credentials %q, want %q", method, path, h.Get("Access-Control-Allow-Origin"), h.Get("Access-Control-Allow-Credentials"), want)
			}
		}
	}
}
