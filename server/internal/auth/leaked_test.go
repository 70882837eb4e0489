package auth_test

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/suparust/suparust/server/internal/auth"
)

// Passwords that have leaked: the service is told five digits of the hash, and
// judges with its answer; where it fails, the password is taken or not as it
// is set.
func TestLeakedPasswords(t *testing.T) {
	t.Parallel()
	const leaked, padded = "password123", "only padding knows it"
	digits := func(password string) string {
		sum := sha1.Sum([]byte(password))
		return strings.ToUpper(hex.EncodeToString(sum[:]))
	}
	var broken atomic.Bool
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		prefix := strings.TrimPrefix(r.URL.Path, "/range/")
		if len(prefix) != 5 || r.Header.Get("User-Agent") != "tester" {
			t.Errorf("asked for %q by %q", r.URL.Path, r.Header.Get("User-Agent"))
		}
		if broken.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "0018A45C4D1DEF81644B54AB7F969B88D65:1\r\n%s:3730471\r\n%s:0", digits(leaked)[5:], digits(padded)[5:])
	}))
	defer service.Close()
	for _, closed := range []bool{false, true} {
		broken.Store(false)
		f := start(t, func(c *auth.Config) {
			c.Password.Leaked = auth.LeakedConfig{Enabled: true, FailClosed: closed, UserAgent: "tester", URL: service.URL}
		})
		const message = "Password is known to be weak and easy to guess, please choose a different one."
		r := f.post(t, "/signup", map[string]any{"email": "a@example.com", "password": leaked})
		r.refused(t, 422, "weak_password", message)
		if fmt.Sprint(r.at("weak_password.reasons")) != "[pwned]" {
			t.Errorf("reasons: %s", r.raw)
		}
		f.post(t, "/signup", map[string]any{"email": "b@example.com", "password": padded}).ok(t, 200)
		f.admin(t, "POST", "/admin/users", map[string]any{"email": "c@example.com", "password": leaked, "email_confirm": true}).ok(t, 200)
		if r := f.post(t, "/token?grant_type=password", map[string]any{"email": "c@example.com", "password": leaked}).ok(t, 200); r.text("weak_password.message") != message {
			t.Errorf("at sign-in: %s", r.raw)
		}
		broken.Store(true)
		r = f.post(t, "/signup", map[string]any{"email": "d@example.com", "password": leaked})
		if closed {
			r.refused(t, 500, "unexpected_failure", "Unable to perform password strength check with HaveIBeenPwned.org.")
		} else {
			r.ok(t, 200)
		}
		f.post(t, "/token?grant_type=password", map[string]any{"email": "c@example.com", "password": leaked}).ok(t, 200)
	}
}
