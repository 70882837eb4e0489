package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/gateway"
)

// real is a service on a server of the test's own.
func real(t *testing.T, h http.HandlerFunc) (*Service, *httptest.Server) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s, err := NewServices(Options{Callback: "https://api.test/callback", Providers: map[string]Config{
		"gitlab": {Enabled: true, ClientIDs: []string{"the client"}, Secret: "the/secret", URL: srv.URL},
		"kakao":  {Enabled: true, ClientIDs: []string{"the client"}, Secret: "the/secret", URL: srv.URL},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	v, err := s.Get("gitlab")
	if err != nil {
		t.Fatal(err)
	}
	return v, srv
}

// TestSecretStyle: the secret goes where the service takes it, and after the
// first time it is known where.
func TestSecretStyle(t *testing.T) {
	for style, takes := range map[string]func(r *http.Request) bool{
		"header": func(r *http.Request) bool {
			id, secret, _ := r.BasicAuth()
			return id == "the+client" && secret == "the%2Fsecret" && r.PostForm.Get("client_secret") == ""
		},
		"body": func(r *http.Request) bool {
			return r.Header.Get("Authorization") == "" && r.PostForm.Get("client_id") == "the client" && r.PostForm.Get("client_secret") == "the/secret"
		},
	} {
		t.Run(style, func(t *testing.T) {
			asked := 0
			v, _ := real(t, func(w http.ResponseWriter, r *http.Request) {
				asked++
				if err := r.ParseForm(); err != nil || !takes(r) {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				if r.PostForm.Get("code") != "C" || r.PostForm.Get("grant_type") != "authorization_code" || r.PostForm.Get("redirect_uri") != "https://api.test/callback" ||
					r.PostForm.Get("code_verifier") != "V" {
					t.Errorf("the form is %v", r.PostForm)
				}
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, `{"access_token":"A","refresh_token":"R"}`)
			})
			for range 2 {
				g, err := v.Exchange(t.Context(), "C", "V")
				if err != nil || g.AccessToken != "A" || g.RefreshToken != "R" {
					t.Fatal(g, err)
				}
			}
			if want := map[string]int{"header": 2, "body": 3}[style]; asked != want {
				t.Errorf("asked %d times, want %d", asked, want)
			}
		})
	}
}

// TestClientBounds: what a service answers that is too much, or elsewhere.
func TestClientBounds(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the other host was asked") }))
	defer elsewhere.Close()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"too long": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.Copy(w, io.LimitReader(zeros{}, maxAnswer+2))
		}, "longer than"},
		"redirect to another host": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
			"none of the service's hosts"},
		"redirects without end": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		}, "too many redirects"},
		"a status": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			fmt.Fprint(w, "the-secret-code")
		}, "answered with status 500"},
		"no JSON":           {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, ""},
		"no token":          {func(w http.ResponseWriter, _ *http.Request) { jsonAnswer(w, `{"error":"bad"}`) }, "no access token"},
		"a form no token":   {func(w http.ResponseWriter, _ *http.Request) { formAnswer(w, "error=bad") }, "no access token"},
		"a list":            {func(w http.ResponseWriter, _ *http.Request) { jsonAnswer(w, `[1]`) }, "no JSON object"},
		"a token of kind n": {func(w http.ResponseWriter, _ *http.Request) { jsonAnswer(w, `{"access_token":1}`) }, "no access token"},
	} {
		t.Run(name, func(t *testing.T) {
			v, _ := real(t, c.answer)
			_, err := v.Exchange(t.Context(), "the-secret-code", "")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
			for _, secret := range []string{"the-secret-code", "the/secret", "the%2Fsecret"} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("the error tells a secret: %v", err)
				}
			}
		})
	}
	t.Run("a form", func(t *testing.T) {
		v, _ := real(t, func(w http.ResponseWriter, _ *http.Request) { formAnswer(w, "access_token=A&refresh_token=R") })
		if g, err := v.Exchange(t.Context(), "C", ""); err != nil || g.AccessToken != "A" || g.RefreshToken != "R" {
			t.Error(g, err)
		}
	})
	t.Run("a host that is not there", func(t *testing.T) {
		v, srv := real(t, nil)
		srv.Close()
		if _, err := v.Exchange(t.Context(), "the-secret-code", ""); err == nil || strings.Contains(err.Error(), "the-secret-code") {
			t.Error(err)
		}
	})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func jsonAnswer(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, body)
}

func formAnswer(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
	fmt.Fprint(w, body)
}

// TestIssuerKeys: keys are fetched once for many, anew for a key that is not
// known and after their time, and older ones serve while the issuer is down.
func TestIssuerKeys(t *testing.T) {
	var now atomic.Int64
	now.Store(1_700_000_000)
	clock := func() time.Time { return time.Unix(now.Load(), 0) }
	one, two := NewFake("http://a.test", FakeAll, clock), NewFake("http://b.test", FakeAll, clock)
	current, asked, down := one, atomic.Int64{}, false
	var mu sync.Mutex
	var srv *httptest.Server
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case down:
			w.WriteHeader(503)
		case r.URL.Path == discoverPath:
			asked.Add(1)
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": srv.URL, "jwks_uri": srv.URL + "/keys"})
		default:
			_ = json.NewEncoder(w).Encode(current.jwks())
		}
	}))
	defer srv.Close()
	iss := newIssuers(http.DefaultTransport, clock)
	token := func(f *Fake, kid string) string {
		f.keys()
		s, err := gateway.NewSigner(gateway.KeySet{{ID: kid, Algorithm: "ES256", Sign: f.key, Verify: &f.key.PublicKey}})
		if err != nil {
			t.Fatal(err)
		}
		tok, err := s.Sign(map[string]any{"iss": srv.URL})
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}
	good, newer := token(one, fakeKeyID), token(two, "newer")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := iss.verify(t.Context(), srv.URL, good); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	check := func(what, tok string, ok bool, fetches int64) {
		t.Helper()
		_, err := iss.verify(t.Context(), srv.URL, tok)
		if (err == nil) != ok {
			t.Errorf("%s: %v", what, err)
		}
		if got := asked.Load(); got != fetches {
			t.Errorf("%s: %d fetches, want %d", what, got, fetches)
		}
	}
	check("first", good, true, 1)
	check("a key that is not known", newer, false, 1)
	now.Add(61)
	check("a minute later", newer, false, 2)
	check("and again", newer, false, 2)
	mu.Lock()
	down = true
	mu.Unlock()
	now.Add(3700)
	check("the issuer is down", good, true, 2)
	mu.Lock()
	down = false
	mu.Unlock()
	now.Add(61)
	check("the issuer is back", good, true, 3)

	t.Run("none", func(t *testing.T) {
		mu.Lock()
		down = true
		mu.Unlock()
		fresh := newIssuers(http.DefaultTransport, clock)
		var u *UnreachableError
		for range 2 {
			if _, err := fresh.verify(t.Context(), srv.URL, good); !errors.As(err, &u) {
				t.Errorf("error %v", err)
			}
		}
	})
	t.Run("bounded", func(t *testing.T) {
		fresh := newIssuers(http.DefaultTransport, clock)
		for i := range 3 * maxIssuers {
			fresh.get(fmt.Sprint("https://", i))
		}
		if len(fresh.known) > maxIssuers {
			t.Errorf("%d issuers are kept", len(fresh.known))
		}
	})
}

// TestIssuerDocuments: documents that lead astray.
func TestIssuerDocuments(t *testing.T) {
	for name, doc := range map[string]string{
		"another issuer":  `{"issuer":"https://evil.test","jwks_uri":"https://id.test/keys"}`,
		"plain http":      `{"issuer":"https://id.test","jwks_uri":"http://169.254.169.254/keys"}`,
		"a file":          `{"issuer":"https://id.test","jwks_uri":"file:///etc/passwd"}`,
		"nothing":         `{}`,
		"no keys":         `{"issuer":"https://id.test","jwks_uri":"https://id.test/none"}`,
		"only a secret":   `{"issuer":"https://id.test","jwks_uri":"https://id.test/secret"}`,
		"keys of nothing": `{"issuer":"https://id.test","jwks_uri":"https://id.test/odd"}`,
	} {
		t.Run(name, func(t *testing.T) {
			via := roundTripper(func(r *http.Request) (*http.Response, error) {
				body := map[string]string{
					discoverPath: doc, "/none": `{"keys":[]}`,
					"/secret": `{"keys":[{"kty":"oct","k":"c3VwZXItc2VjcmV0LWp3dC10b2tlbi13aXRoLWF0LWxlYXN0LTMyLWNoYXJhY3RlcnM"}]}`,
					"/odd":    `{"keys":[1,{"kty":"EC","use":"enc"},{"kty":"RSA","alg":"RSA-OAEP"}]}`,
				}[r.URL.Path]
				if r.URL.Host != "id.test" {
					t.Errorf("%s was asked", r.URL)
				}
				return response(r, 200, "application/json", []byte(body)), nil
			})
			if set, err := newIssuers(via, time.Now).load(t.Context(), "https://id.test"); err == nil {
				t.Errorf("keys: %v", set)
			}
		})
	}
}
