package auth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/auth/oauth"
)

// social is a fixture whose outside services are all stood in for.
type social struct {
	*fixture
	fake *oauth.Fake
}

const (
	fakeBase     = "http://fake.test/oauth"
	callbackBase = "http://127.0.0.1:54321/auth/v1"
	site         = "http://127.0.0.1:3000"
)

func startSocial(t testing.TB, change func(*auth.Config)) *social {
	t.Helper()
	s := &social{}
	s.fixture = start(t, func(c *auth.Config) {
		s.fake = oauth.NewFake(fakeBase, oauth.FakeMissing, c.Now)
		c.OAuth.Fake = s.fake
		c.OAuth.Providers = map[string]auth.OAuthProvider{}
		for _, name := range oauth.Names() {
			c.OAuth.Providers[name] = auth.OAuthProvider{Enabled: true}
		}
		c.ManualLinking = true
		if change != nil {
			change(c)
		}
	})
	return s
}

// at the service: the browser follows location, and comes back with where it is
// sent next.
func (s *social) visit(t testing.TB, location string) *url.URL {
	t.Helper()
	rest, ok := strings.CutPrefix(location, fakeBase)
	if !ok {
		t.Fatalf("%s does not lead to the service", location)
	}
	w := httptest.NewRecorder()
	s.fake.ServeHTTP(w, httptest.NewRequest(http.MethodGet, rest, nil))
	if w.Code != http.StatusFound {
		t.Fatalf("the service answers %d %s", w.Code, w.Body)
	}
	return parse(t, w.Header().Get("Location"))
}

func parse(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// authorize begins a sign-in and returns where the browser is sent.
func (s *social) authorize(t testing.TB, query string) string {
	t.Helper()
	return s.do(t, request{path: "/authorize?" + query, token: "none"}).ok(t, 302).header.Get("Location")
}

// back takes the browser to the callback and returns the answer's target.
func (s *social) back(t testing.TB, from *url.URL) *url.URL {
	t.Helper()
	path, ok := strings.CutPrefix(from.String(), callbackBase)
	if !ok {
		t.Fatalf("%s is not the callback", from)
	}
	return parse(t, s.do(t, request{path: path, token: "none"}).ok(t, 302).header.Get("Location"))
}

// through signs in through a service as u and returns where the browser ends.
func (s *social) through(t testing.TB, provider, query string, u oauth.FakeUser) *url.URL {
	t.Helper()
	if err := s.fake.Next(provider, u); err != nil {
		t.Fatal(err)
	}
	return s.back(t, s.visit(t, s.authorize(t, "provider="+provider+query)))
}

// in signs in and returns the user.
func (s *social) in(t testing.TB, provider string, u oauth.FakeUser) user {
	t.Helper()
	end := s.through(t, provider, "", u)
	v := fragment(t, end)
	if v.Get("access_token") == "" {
		t.Fatalf("no session: %s", end)
	}
	id, _ := claims(t, v.Get("access_token"))["sub"].(string)
	return user{id: id, email: u.Email, token: v.Get("access_token"), refresh: v.Get("refresh_token")}
}

// failed checks the error that a browser is sent away with, in the query and in
// the fragment.
func failed(t testing.TB, end *url.URL, name, code, description string) {
	t.Helper()
	q := end.Query()
	if q.Get("error") != name || q.Get("error_code") != code || q.Get("error_description") != description {
		t.Errorf("the query is %v\nwant %s, %s, %q", q, name, code, description)
	}
	want := url.Values{"error": {name}, "error_description": {description}, "sb": {""}}
	if code != "" {
		want.Set("error_code", code)
	}
	if end.Fragment != want.Encode() {
		t.Errorf("the fragment is %s\nwant %s", end.Fragment, want.Encode())
	}
}

// TestApple: Apple sends its users back with a form, and tells their name in it
// and nowhere else.
func TestApple(t *testing.T) {
	t.Parallel()
	s := startSocial(t, nil)
	if err := s.fake.Next("apple", oauth.FakeUser{Email: "ann@apple.test", Name: "Ann Lee", Claims: map[string]any{"is_private_email": "true"}}); err != nil {
		t.Fatal(err)
	}
	at := s.authorize(t, "provider=apple&nonce=dropped")
	if q := parse(t, at).Query(); q.Get("response_mode") != "form_post" || q.Has("nonce") {
		t.Errorf("leads to %s", at)
	}
	form := s.visit(t, at).Query()
	r := s.do(t, request{method: "POST", path: "/callback", body: form.Encode(), token: "none",
		header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}).ok(t, 302)
	v := fragment(t, parse(t, r.header.Get("Location")))
	u := s.do(t, request{path: "/user", token: v.Get("access_token")}).ok(t, 200)
	if u.text("user_metadata.full_name") != "Ann Lee" || u.text("user_metadata.custom_claims.is_private_email") != "true" {
		t.Errorf("the user is %s", u.raw)
	}
	again := s.do(t, request{path: "/callback?" + form.Encode(), token: "none"}).ok(t, 303)
	if got := parse(t, again.header.Get("Location")).Query().Get("error_description"); got != "OAuth state not found or expired" {
		t.Errorf("the second time: %s", got)
	}
	form.Set("user", "{")
	form.Set("state", parse(t, s.authorize(t, "provider=apple")).Query().Get("state"))
	if err := s.fake.Next("apple", oauth.FakeUser{}); err != nil {
		t.Fatal(err)
	}
	form.Set("code", s.visit(t, s.authorize(t, "provider=apple")).Query().Get("code"))
	failed(t, s.back(t, parse(t, callbackBase+"/callback?"+form.Encode())), "server_error", "unexpected_failure",
		"Error getting user profile from external provider")
}

// FuzzCallback sends browsers back with anything: they always end at the site.
func FuzzCallback(f *testing.F) {
	s := startSocial(f, nil)
	for _, q := range []string{"", "state=x", "state=" + gone, "state={" + gone + "}&code=c", "state=%00&error=x", "state=urn:uuid:" + gone, "state=a;b&%zz"} {
		f.Add(q, false)
		f.Add(q, true)
	}
	f.Fuzz(func(t *testing.T, query string, post bool) {
		if _, err := url.ParseRequestURI("/callback?" + query); err != nil || strings.ContainsFunc(query, func(c rune) bool { return c <= ' ' || c == '#' || c > '~' }) {
			t.Skip() // no client sends it
		}
		q := request{path: "/callback?" + query, token: "none"}
		if post {
			q = request{method: "POST", path: "/callback", body: query, token: "none", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}
		}
		r := s.do(t, q)
		if r.status == 400 && post && r.header.Get("Location") == "" {
			return // a form that is none
		}
		if to := r.header.Get("Location"); r.status != 303 || !strings.HasPrefix(to, site+"?error=invalid_request&error_code=bad_oauth_") {
			t.Errorf("%d %s", r.status, to)
		}
	})
}

// TestEveryProvider signs in through each service, twice: the second time it is
// the same user.
//
//covers:auth 10 65 124 125 181
func TestEveryProvider(t *testing.T) {
	t.Parallel()
	s := startSocial(t, nil)
	for _, provider := range oauth.Names() {
		t.Run(provider, func(t *testing.T) {
			who := oauth.FakeUser{Email: "Ann.Lee@" + provider + ".test"}
			end := s.through(t, provider, "&redirect_to="+url.QueryEscape(site+"/welcome?a=b"), who)
			if !strings.HasPrefix(end.String(), site+"/welcome?a=b#access_token=") {
				t.Fatalf("ends at %s", end)
			}
			v := fragment(t, end)
			for _, k := range []string{"access_token", "refresh_token", "expires_in", "expires_at", "provider_token"} {
				if v.Get(k) == "" {
					t.Errorf("no %s in %v", k, v)
				}
			}
			if v.Get("token_type") != "bearer" || !v.Has("sb") || v.Has("type") {
				t.Errorf("fragment %v", v)
			}
			u := s.do(t, request{path: "/user", token: v.Get("access_token")}).ok(t, 200)
			email := strings.ToLower(who.Email)
			for at, want := range map[string]string{
				"email": email, "app_metadata.provider": provider, "identities.0.provider": provider,
				"identities.0.email": email, "identities.0.identity_data.email": email, "user_metadata.email": email,
				"user_metadata.provider_id": u.text("identities.0.id"), "user_metadata.sub": u.text("identities.0.id"),
				"user_metadata.email_verified": "true", "user_metadata.phone_verified": "false", "identities.1": "",
			} {
				if got := u.text(at); got != want {
					t.Errorf("%s is %q, want %q", at, got, want)
				}
			}
			if u.text("email_confirmed_at") == "" {
				t.Error("the address is not confirmed")
			}
			if amr := claims(t, v.Get("access_token"))["amr"].([]any)[0].(map[string]any)["method"]; amr != "oauth" {
				t.Errorf("amr %v", amr)
			}
			if again := s.in(t, provider, who); again.id != u.text("id") {
				t.Errorf("the second sign-in is %s, the first was %s", again.id, u.text("id"))
			}
			if n := s.value(t, `select count(*) from auth.flow_state`); n != "0" {
				t.Errorf("%s flows are left", n)
			}
		})
	}
}
