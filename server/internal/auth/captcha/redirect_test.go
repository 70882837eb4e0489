package captcha_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/suparust/suparust/server/internal/auth/captcha"
)

// TestRedirect: the secret goes nowhere but to the address that is configured.
func TestRedirect(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte(`{"success":true}`))
	}))
	t.Cleanup(other.Close)
	service := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(service.Close)
	v, err := captcha.New(captcha.Config{Enabled: true, Secret: "s3cret", URL: service.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	ok, _, err := v.Verify(t.Context(), "token", "127.0.0.1")
	if ok || err == nil || strings.Contains(err.Error(), "s3cret") || asked.Load() != 0 {
		t.Errorf("%v, %v, and the other was asked %d times", ok, err, asked.Load())
	}
}
