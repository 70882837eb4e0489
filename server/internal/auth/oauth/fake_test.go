package oauth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/gateway"
)

func newTestFake(t *testing.T, now func() time.Time) (*Fake, *Services) {
	t.Helper()
	f := NewFake("http://fake.test", FakeMissing, now)
	s, err := NewServices(Options{Fake: f, Callback: "https://api.test/callback", Now: now, Providers: map[string]Config{
		"google": {Enabled: true}, "apple": {Enabled: true}, "twitter": {Enabled: true},
		"github": {Enabled: true, ClientIDs: []string{"real"}, Secret: "real"}, "gitlab": {},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return f, s
}

func (f *Fake) try(method, path, form string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(form))
	if form != "" && !strings.HasPrefix(form, "{") {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	f.ServeHTTP(w, r)
	return w
}

const authorizeQuery = "client_id=fake-client&response_type=code&redirect_uri=https%3A%2F%2Fapi.test%2Fcallback&state=S"

func location(t *testing.T, w *httptest.ResponseRecorder) url.Values {
	t.Helper()
	u, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusFound || !strings.HasPrefix(u.String(), "https://api.test/callback?") {
		t.Fatalf("%d %s", w.Code, w.Header().Get("Location"))
	}
	return u.Query()
}

func TestFakePage(t *testing.T) {
	f, _ := newTestFake(t, nil)
	page := f.try("GET", "/google/authorize?"+authorizeQuery, "")
	if page.Code != 200 || !strings.Contains(page.Body.String(), CannedEmail) || !strings.Contains(page.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%d %v %s", page.Code, page.Header(), page.Body)
	}
	q := location(t, f.try("POST", "/google/authorize?"+authorizeQuery, "email=bea%40example.com&name=Bea&answer=allow"))
	if q.Get("state") != "S" || q.Get("code") == "" {
		t.Errorf("leads back with %v", q)
	}
	if q := location(t, f.try("POST", "/google/authorize?"+authorizeQuery, "answer=deny")); q.Get("error") != "access_denied" || q.Has("code") {
		t.Errorf("a refusal leads back with %v", q)
	}
	if q := location(t, f.try("GET", "/google/authorize?login_hint=c%40d.test&"+authorizeQuery, "")); q.Get("code") == "" {
		t.Errorf("a hint leads back with %v", q)
	}
	if w := f.try("GET", "/google/authorize?login_hint=nobody&"+authorizeQuery, ""); w.Code != 200 {
		t.Errorf("a hint that is no address: %d", w.Code)
	}
	if q := location(t, f.try("POST", "/apple/authorize?"+authorizeQuery, "email=ann%40b.c&name=Ann+Lee")); q.Get("user") != `{"email":"ann@b.c","name":{"firstName":"Ann","lastName":"Lee"}}` {
		t.Errorf("Apple leads back with %v", q)
	}
	for path, status := range map[string]int{
		"/google/authorize?" + strings.Replace(authorizeQuery, "api.test", "evil.test", 1):   400,
		"/google/authorize?" + strings.Replace(authorizeQuery, "fake-client", "other", 1):    400,
		"/google/authorize?" + strings.Replace(authorizeQuery, "type=code", "type=token", 1): 400,
		"/google/authorize?code_challenge=x&" + authorizeQuery:                               400,
		"/github/authorize?" + authorizeQuery:                                                404, // has real credentials
		"/gitlab/authorize?" + authorizeQuery:                                                404, // is off
		"/myspace/authorize?" + authorizeQuery:                                               404,
		"/twitter/authorize?oauth_token=unknown":                                             400,
		"/google/userinfo":                                                                   401,
		"/google/nothing":                                                                    404,
		"/google/jwks":                                                                       200,
		"/google/.well-known/openid-configuration":                                           200,
	} {
		if w := f.try("GET", path, ""); w.Code != status {
			t.Errorf("%s: %d, want %d: %s", path, w.Code, status, w.Body)
		}
	}
}

// TestFakeCodes: a code is good once, for a while, for its service, address and
// proof.
func TestFakeCodes(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	f, _ := newTestFake(t, func() time.Time { return now })
	code := func(more string) string {
		return location(t, f.try("GET", "/google/authorize?login_hint=a%40b.c&"+more+authorizeQuery, "")).Get("code")
	}
	ask := func(service, code, more string) (int, map[string]any) {
		w := f.try("POST", "/"+service+"/token", "grant_type=authorization_code&redirect_uri=https%3A%2F%2Fapi.test%2Fcallback&code="+code+more)
		var m map[string]any
		_ = json.Unmarshal(w.Body.Bytes(), &m)
		return w.Code, m
	}
	c := code("nonce=N&")
	status, m := ask("google", c, "")
	if status != 200 {
		t.Fatal(m)
	}
	if status, _ := ask("google", c, ""); status != 400 {
		t.Errorf("the code is taken twice: %d", status)
	}
	iss, err := IssuerOf(m["id_token"].(string))
	if err != nil || iss != issuerGoogle {
		t.Error(iss, err)
	}
	tok, err := f.issuers().verify(t.Context(), issuerGoogle, m["id_token"].(string))
	if err != nil || tok.Map()["nonce"] != "N" || tok.Map()["aud"] != fakeClient {
		t.Error(tok, err)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/google/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+m["access_token"].(string))
	f.ServeHTTP(w, r)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"email":"a@b.c"`) {
		t.Errorf("userinfo: %d %s", w.Code, w.Body)
	}
	if status, _ := ask("apple", code(""), ""); status != 400 {
		t.Errorf("the code of another service: %d", status)
	}
	if status, _ := ask("google", code("code_challenge="+proofOf("V")+"&code_challenge_method=S256&"), "&code_verifier=W"); status != 400 {
		t.Errorf("a wrong proof: %d", status)
	}
	if status, m := ask("google", code("code_challenge="+proofOf("V")+"&code_challenge_method=S256&"), "&code_verifier=V"); status != 200 {
		t.Errorf("the right proof: %d %v", status, m)
	}
	late := code("")
	now = now.Add(fakeLife + time.Second)
	if status, _ := ask("google", late, ""); status != 400 {
		t.Errorf("an old code: %d", status)
	}
	if w := f.try("POST", "/google/token", "grant_type=refresh_token"); w.Code != 400 {
		t.Errorf("another grant: %d", w.Code)
	}
}

// TestFakeBesideReal: where only the secret is missing, ID tokens of the real
// service sign in beside those of the fake.
func TestFakeBesideReal(t *testing.T) {
	real, local := NewFake("http://real.test", FakeAll, nil), NewFake("http://fake.test", FakeMissing, nil)
	s, err := NewServices(Options{Fake: local, Transport: fakeIssuers{real}, Providers: map[string]Config{
		"google": {Enabled: true, ClientIDs: []string{"web"}}, "kakao": {Enabled: true}}})
	if err != nil {
		t.Fatal(err)
	}
	real.keys()
	signer, err := gateway.NewSigner(gateway.KeySet{{ID: "", Algorithm: "ES256", Sign: real.key, Verify: &real.key.PublicKey}})
	if err != nil {
		t.Fatal(err)
	}
	token := func(issuer string) string {
		tok, err := signer.Sign(map[string]any{"iss": issuer, "sub": "1", "exp": time.Now().Add(time.Hour).Unix()})
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}
	if _, err := s.VerifyIDToken(t.Context(), "google", issuerGoogle, token(issuerGoogle), ""); err != nil {
		t.Error("the real service's:", err)
	}
	if _, err := s.VerifyIDToken(t.Context(), "kakao", issuerKakao, token(issuerKakao), ""); err == nil {
		t.Error("a service without any client takes a real token")
	}
	fakes, err := local.idToken("google", Config{}, FakeUser{}.complete("google"), "web", "", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.VerifyIDToken(t.Context(), "google", issuerGoogle, fakes, ""); err != nil {
		t.Error("the fake's:", err)
	}
	others, err := real.idToken("google", Config{}, FakeUser{}.complete("google"), "web", "", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.VerifyIDToken(t.Context(), "google", issuerGoogle, others, ""); err == nil {
		t.Error("another server's fake is taken")
	}
}

func TestFakeNext(t *testing.T) {
	f, _ := newTestFake(t, nil)
	if w := f.try("POST", "/google/next", `{"email":"next@b.c"}`); w.Code != 204 {
		t.Fatal(w.Code, w.Body)
	}
	location(t, f.try("GET", "/google/authorize?"+authorizeQuery, ""))
	if w := f.try("GET", "/google/authorize?"+authorizeQuery, ""); w.Code != 200 {
		t.Errorf("the user is taken twice: %d", w.Code)
	}
	if w := f.try("POST", "/google/next", `{"email":7}`); w.Code != 400 {
		t.Errorf("a wrong user: %d", w.Code)
	}
	if w := f.try("POST", "/google/next", `{"email":"`+strings.Repeat("x", maxFakeBody)+`"}`); w.Code != 400 {
		t.Errorf("a long user: %d", w.Code)
	}
	for i := range maxFake {
		if err := f.Next("google", FakeUser{Email: fmt.Sprint(i, "@b.c")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Next("google", FakeUser{}); err == nil {
		t.Error("users wait without end")
	}
	for range 3 * maxFake {
		f.accessToken("google", FakeUser{})
	}
	if len(f.tokens.items) > maxFake || len(f.tokens.order) > maxFake {
		t.Errorf("%d tokens are kept", len(f.tokens.items))
	}
}

func TestFakeUser(t *testing.T) {
	u := FakeUser{Email: "ann.b_lee@example.com"}.complete("github")
	if u.Name != "Ann B Lee" || u.Username != "ann.b_lee" || u.Subject != (FakeUser{Email: "ANN.b_lee@example.com"}).complete("github").Subject {
		t.Errorf("%+v", u)
	}
	if (FakeUser{Email: "é@example.com"}).complete("x").Name == "" {
		t.Error("no name")
	}
	if n := (FakeUser{Subject: "abc"}).number(); n < 1 {
		t.Error(n)
	}
}

// FuzzFake throws anything at the fake's handler.
func FuzzFake(f *testing.F) {
	f.Add("GET", "/google/authorize?"+authorizeQuery, "")
	f.Add("POST", "/google/authorize?"+authorizeQuery, "email=a&name=b&answer=deny")
	f.Add("POST", "/google/next", `{"email":"a@b.c","claims":{"x":1}}`)
	f.Add("POST", "/twitter/id_token", `{"nonce":"x"}`)
	fake := NewFake("http://fake.test", FakeMissing, nil)
	if _, err := NewServices(Options{Fake: fake, Callback: "https://api.test/callback", Providers: map[string]Config{"google": {Enabled: true}, "twitter": {Enabled: true}}}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		r, err := http.NewRequest(method, "http://fake.test"+target, strings.NewReader(body))
		if err != nil || !strings.HasPrefix(target, "/") {
			t.Skip()
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		fake.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("status %d", w.Code)
		}
		if to := w.Header().Get("Location"); w.Code == http.StatusFound && !strings.HasPrefix(to, "https://api.test/callback?") {
			t.Errorf("leads to %s", to)
		}
	})
}
