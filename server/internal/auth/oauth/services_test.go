package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// recorder notes what goes to the outside, and lets another answer.
type recorder struct {
	http.RoundTripper
	seen []string
}

func (r *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	line := q.Method + " " + q.URL.String()
	for _, h := range []string{"Notion-Version", "Client-Id"} {
		if v := q.Header.Get(h); v != "" {
			line += " " + h + ": " + v
		}
	}
	r.seen = append(r.seen, line)
	return r.RoundTripper.RoundTrip(q)
}

var secrets = regexp.MustCompile(`(oauth_token=fake-request-|appsecret_proof=)[0-9a-f]+`)

func at(when int64) func() time.Time { return func() time.Time { return time.Unix(when, 0) } }

// TestServices shows of each service where the browser is sent, which requests
// are made and what is kept of the user. The account is the canned one of the
// service's API.
func TestServices(t *testing.T) {
	const golden = "testdata/services.txt"
	var out bytes.Buffer
	configs := map[string]Config{}
	for _, name := range Names() {
		configs[name] = Config{Enabled: true, ClientIDs: []string{"client"}, Secret: "secret"}
	}
	keycloak := configs["keycloak"]
	keycloak.URL = "https://id.corp.test/realms/main/"
	configs["keycloak"] = keycloak
	fake := NewFake("http://fake.test", FakeAll, at(1700000000))
	s, err := NewServices(Options{Providers: configs, Callback: "https://api.test/callback", Fake: fake, Now: at(1700000000)})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		via := &recorder{RoundTripper: fakeService{fake, name}}
		v := newService(name, specs[name], configs[name], via, nil)
		v.issuers = newIssuers(&recorder{RoundTripper: fakeIssuers{fake}}, at(1700000000))
		v.cfg.RedirectURI = s.configs[name].RedirectURI
		verifier := ""
		if v.NeedsProof() {
			verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
		}
		to, err := v.AuthURL(t.Context(), "STATE", "more,scopes", verifier, url.Values{"prompt": {"login"}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		g := signInAt(t, fake, v, to, verifier)
		a, err := v.Account(t.Context(), g)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		a.Settle()
		claims, err := json.MarshalIndent(a.Claims, "  ", "  ")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\n  %s\n", name, to)
		for _, line := range via.seen {
			fmt.Fprintf(&out, "  %s\n", line)
		}
		fmt.Fprintf(&out, "  %v\n  %s\n\n", a.Emails, claims)
	}
	got := secrets.ReplaceAll(out.Bytes(), []byte("${1}…"))
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the services are not those of %s: look at the difference after go test ./server/internal/auth/oauth -run TestServices -update", golden)
	}
}

// signInAt gives the service a user and gets what their code is worth.
func signInAt(t *testing.T, fake *Fake, v *Service, to, verifier string) *Grant {
	t.Helper()
	code := fakeCode{service: v.Name, redirect: v.cfg.RedirectURI, user: FakeUser{Email: "Ann.Lee@example.com"}.complete(v.Name), until: fake.now().Add(time.Minute)}
	if verifier != "" {
		code.challenge = proofOf(verifier)
	}
	fake.mu.Lock()
	fake.codes.put("code", code)
	fake.mu.Unlock()
	var g *Grant
	var err error
	if v.OAuth1() {
		u, perr := url.Parse(to)
		if perr != nil {
			t.Fatal(perr)
		}
		g, err = v.ExchangeOAuth1(t.Context(), u.Query().Get("oauth_token"), "code")
	} else {
		g, err = v.Exchange(t.Context(), "code", verifier)
	}
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	return g
}

func TestGet(t *testing.T) {
	for name, c := range map[string]struct {
		provider string
		config   Config
		want     string
	}{
		"unknown":   {"myspace", Config{}, "Provider myspace could not be found"},
		"off":       {"google", Config{ClientIDs: []string{"x"}, Secret: "s"}, "provider is not enabled"},
		"no id":     {"google", Config{Enabled: true, Secret: "s"}, "missing OAuth client ID"},
		"no secret": {"google", Config{Enabled: true, ClientIDs: []string{"x"}}, "missing OAuth secret"},
		"no url":    {"keycloak", Config{Enabled: true, ClientIDs: []string{"x"}, Secret: "s"}, "unable to find URL for the Keycloak provider"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := NewServices(Options{Providers: map[string]Config{"google": c.config, "keycloak": c.config}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if _, err := s.Get(c.provider); err == nil || err.Error() != c.want {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	for name, c := range map[string]Config{"myspace": {}, "gitlab": {URL: "gitlab.corp"}, "github": {URL: "ftp://git.corp"}} {
		if _, err := NewServices(Options{Providers: map[string]Config{name: c}}); err == nil {
			t.Errorf("%s with %+v is taken", name, c)
		}
	}
}

// TestUnusualAccounts: what services tell that is not as usual.
func TestUnusualAccounts(t *testing.T) {
	for _, c := range []struct {
		name, service, answers string
		want                   string
		fails                  bool
	}{
		{name: "discord without a picture", service: "discord", answers: `{"/api/users/@me":{"id":"1","username":"a","discriminator":"13"}}`,
			want: `[] https://cdn.discordapp.com/embed/avatars/3.png`},
		{name: "discord with an animation", service: "discord", answers: `{"/api/users/@me":{"id":"1","avatar":"a_x","discriminator":"0","email":"a@b.c"}}`,
			want: `[{a@b.c false true}] https://cdn.discordapp.com/avatars/1/a_x.gif`},
		{name: "discord without a discriminator", service: "discord", answers: `{"/api/users/@me":{"id":"1"}}`, fails: true},
		{name: "twitch without a user", service: "twitch", answers: `{"/helix/users":{"data":[]}}`, fails: true},
		{name: "gitlab with further addresses", service: "gitlab", answers: `{"/api/v4/user":{"id":7,"email":"a@b.c","confirmed_at":"x","avatar_url":"p"},"/api/v4/user/emails":[{"email":"d@e.f"},{"email":""}]}`,
			want: `[{d@e.f false false} {a@b.c true true}] p`},
		{name: "spotify's largest picture", service: "spotify", answers: `{"/v1/me":{"id":"1","images":[{"url":"s","height":1,"width":1},{"url":"l","height":9,"width":9}]}}`, want: `[] l`},
		{name: "linkedin with nothing", service: "linkedin", answers: `{"/v2/me":{"id":"1"},"/v2/emailAddress":{}}`, want: `[] `},
		{name: "zoom by a service", service: "zoom", answers: `{"/v2/users/me":{"id":"1","email":"a@b.c","login_type":"1","verified":0}}`, want: `[{a@b.c true true}] `},
		{name: "zoom by an address", service: "zoom", answers: `{"/v2/users/me":{"id":"1","email":"a@b.c","login_type":"100","verified":0}}`, want: `[{a@b.c false true}] `},
		{name: "an answer of another kind", service: "github", answers: `{"/user":[1]}`, fails: true},
		{name: "no answer", service: "figma", answers: `{}`, fails: true},
		{name: "google without an ID token", service: "google", answers: `{"/userinfo/v2/me":{"id":"1","email":"a@b.c","verified_email":true,"picture":"p"}}`, want: `[{a@b.c true true}] p`},
		{name: "azure without an ID token", service: "azure", answers: `{}`, fails: true},
		{name: "vercel without an ID token", service: "vercel_marketplace", answers: `{}`, fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			answers := map[string]json.RawMessage{}
			if err := json.Unmarshal([]byte(c.answers), &answers); err != nil {
				t.Fatal(err)
			}
			via := roundTripper(func(r *http.Request) (*http.Response, error) {
				body, ok := answers[r.URL.Path]
				if !ok {
					return jsonResponse(r, 404, nil), nil
				}
				return jsonResponse(r, 200, body), nil
			})
			v := newService(c.service, specs[c.service], Config{Enabled: true, ClientIDs: []string{"c"}, Secret: "s"}, via, newIssuers(via, time.Now))
			a, err := v.Account(context.Background(), &Grant{AccessToken: "t", service: v})
			if c.fails {
				if err == nil {
					t.Errorf("taken: %+v", a)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(a.Emails, " ", a.Claims.Picture); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
