package control_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/control"
	"github.com/suparust/suparust/server/internal/mail"
)

type clock struct{}

func (clock) Now() time.Time              { return time.Unix(0, 0) }
func (clock) Advance(time.Duration) error { return nil }
func (clock) Set(time.Time) error         { return nil }

// TestFromHere: a page of the web that makes a browser ask is refused, even
// with the key and by a name that it made lead to loopback.
func TestFromHere(t *testing.T) {
	t.Parallel()
	h := control.New(control.Config{Token: "the token of it", Clock: clock{}})
	for _, c := range []struct {
		host, origin string
		want         int
	}{
		{"127.0.0.1:54321", "", 200},
		{"127.0.0.1", "", 200},
		{"localhost:54321", "http://localhost:3000", 200},
		{"[::1]:54321", "http://[::1]:3000", 200},
		{"app.localhost:54321", "", 200},
		{"host.docker.internal:54321", "", 200},
		{"evil.example.com:54321", "", 403},
		{"127.0.0.1.evil.example.com", "", 403},
		{"127.0.0.1:54321", "https://evil.example.com", 403},
		{"127.0.0.1:54321", "https://localhost.evil.example.com", 403},
		{"127.0.0.1:54321", "null", 403},
		{"127.0.0.1:54321", "http://[", 403},
		{"", "", 403},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/clock", nil)
		r.Host = c.host
		r.Header.Set("Authorization", "Bearer the token of it")
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want || c.want == 403 && !strings.Contains(w.Body.String(), "http://localhost") {
			t.Errorf("%q from %q: %d %s", c.host, c.origin, w.Code, w.Body)
		}
	}
}

// TestAnywhere: where others reach the API the token alone decides, but for
// pages of the web; a branch, which is on loopback, is for this machine.
func TestAnywhere(t *testing.T) {
	t.Parallel()
	h := control.New(control.Config{Token: "the token of it", Anywhere: true, Clock: clock{}})
	for _, c := range []struct {
		method, path, host, origin, token string
		want                              int
		says                              string
	}{
		{"GET", "/clock", "docker:3001", "", "the token of it", 200, ""},
		{"GET", "/clock", "docker:3001", "", "another", 401, "token of its own"},
		{"GET", "/clock", "docker:3001", "http://docker:3001", "the token of it", 403, "not from a page"},
		{"POST", "/branches", "docker:3001", "", "the token of it", 400, "make it from here"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil)
		r.Host, r.RemoteAddr = c.host, "172.17.0.1:40000"
		r.Header.Set("Authorization", "Bearer "+c.token)
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%+v: %d %s", c, w.Code, w.Body)
		}
	}
}

// TestClose: who waits for what does not come is told when the server ends.
func TestClose(t *testing.T) {
	t.Parallel()
	h := control.New(control.Config{Token: "the token of it", Mail: mail.NewBox(0), HTTP: control.NewOutgoing(nil)})
	for path, want := range map[string]string{"/mail?wait=1m": `{"messages":[]}`, "/http/requests?wait=1m": `{"requests":[]}`} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Host = "localhost"
		r.Header.Set("Authorization", "Bearer the token of it")
		w := httptest.NewRecorder()
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			h.ServeHTTP(w, r)
		}()
		h.Close()
		select {
		case <-answered:
		case <-time.After(30 * time.Second):
			t.Fatalf("%s is not answered", path)
		}
		if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != want {
			t.Errorf("%s: %d %s", path, w.Code, got)
		}
	}
}
