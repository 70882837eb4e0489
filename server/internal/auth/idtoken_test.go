package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/auth/oauth"
	"github.com/suparust/suparust/server/internal/gateway"
)

// idIssuer signs ID tokens of any issuer with a key of the test's own.
type idIssuer struct {
	signer *gateway.Signer
	jwks   []byte
}

func newIDIssuer(t testing.TB) *idIssuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	jwks, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "kid": "t1", "x": b64(point[1:33]), "y": b64(point[33:])}}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := gateway.NewSigner(gateway.KeySet{{ID: "t1", Algorithm: "ES256", Sign: key, Verify: &key.PublicKey}})
	if err != nil {
		t.Fatal(err)
	}
	return &idIssuer{s, jwks}
}

func (i *idIssuer) sign(t testing.TB, c map[string]any) string {
	t.Helper()
	s, err := i.signer.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestIDToken: tokens of keys that the configuration gives, for no network.
//
//covers:auth 23 80 81
func TestIDToken(t *testing.T) {
	t.Parallel()
	iss, other := newIDIssuer(t), newIDIssuer(t)
	s := startSocial(t, func(c *auth.Config) {
		on := auth.OAuthProvider{Enabled: true, ClientIDs: []string{"web", "ios"}, JWKS: iss.jwks}
		for _, name := range []string{"google", "apple", "azure", "facebook", "kakao", "vercel_marketplace", "snapchat"} {
			c.OAuth.Providers[name] = on
		}
		on.URL = "https://id.corp.test/realms/a"
		c.OAuth.Providers["keycloak"] = on
		c.OAuth.IOSBundleID = "bundle"
		c.OAuth.IDTokenIssuers = []string{"https://nobody.invalid"}
		c.OAuth.Transport = refusing{}
	})
	now := time.Now().Unix()
	token := func(change map[string]any) string {
		c := map[string]any{"iss": "https://accounts.google.com", "sub": "g-1", "aud": "web", "exp": now + 600, "iat": now,
			"email": "Gil@id.test", "email_verified": true, "name": "Gil", "picture": "https://p.test/g.png", "hd": "id.test"}
		for k, v := range change {
			if v == nil {
				delete(c, k)
				continue
			}
			c[k] = v
		}
		return iss.sign(t, c)
	}
	post := func(body map[string]any) *response { return s.post(t, "/token?grant_type=id_token", body) }
	in := func(body map[string]any) *response { t.Helper(); return post(body).ok(t, 200) }

	t.Run("google", func(t *testing.T) {
		r := in(map[string]any{"provider": "google", "id_token": token(nil)})
		want := `{"avatar_url":"https://p.test/g.png","custom_claims":{"hd":"id.test"},"email":"gil@id.test","email_verified":true,"full_name":"Gil",` +
			`"iss":"https://accounts.google.com","name":"Gil","phone_verified":false,"picture":"https://p.test/g.png","provider_id":"g-1","sub":"g-1"}`
		if got, _ := json.Marshal(r.at("user.identities.0.identity_data")); string(got) != want {
			t.Errorf("identity_data is %s", got)
		}
		if got, _ := json.Marshal(r.at("user.user_metadata")); string(got) != want {
			t.Errorf("user_metadata is %s", got)
		}
		if r.at("provider_token") != nil {
			t.Error("a token of the service")
		}
		again := in(map[string]any{"client_id": "x", "issuer": "https://accounts.google.com", "id_token": token(map[string]any{"aud": []string{"z", "ios"}})})
		if again.text("user.id") != r.text("user.id") {
			t.Error("another user")
		}
	})
	t.Run("nonce", func(t *testing.T) {
		sum := sha256.Sum256([]byte("drawn"))
		hashed := token(map[string]any{"nonce": hex.EncodeToString(sum[:])})
		in(map[string]any{"provider": "google", "id_token": hashed, "nonce": "drawn"})
		for nonce, want := range map[string]string{
			"other": `{"error":"invalid nonce","error_description":"Nonces mismatch"}`,
			"":      `{"error":"invalid request","error_description":"Passed nonce and nonce in id_token should either both exist or not."}`,
		} {
			if r := post(map[string]any{"provider": "google", "id_token": hashed, "nonce": nonce}); r.status != 400 || r.raw != want {
				t.Errorf("%q: %s", nonce, r.raw)
			}
		}
		if r := post(map[string]any{"provider": "google", "id_token": token(nil), "nonce": "drawn"}); !strings.Contains(r.raw, "both exist or not") {
			t.Error(r.raw)
		}
		in(map[string]any{"provider": "facebook", "id_token": token(map[string]any{"iss": "https://www.facebook.com", "nonce": "raw"}), "nonce": "x"})
	})
	t.Run("at_hash", func(t *testing.T) {
		sum := sha256.Sum256([]byte("access"))
		tok := token(map[string]any{"at_hash": base64.RawURLEncoding.EncodeToString(sum[:16])})
		in(map[string]any{"provider": "google", "id_token": tok, "access_token": "access"})
		in(map[string]any{"provider": "google", "id_token": tok})
		in(map[string]any{"provider": "google", "id_token": token(nil), "access_token": "whatever"})
		if r := post(map[string]any{"provider": "google", "id_token": tok, "access_token": "other"}); !strings.Contains(r.raw, `"Bad ID token"`) {
			t.Error(r.raw)
		}
	})
	t.Run("other services", func(t *testing.T) {
		for _, c := range []struct {
			provider string
			claims   map[string]any
			want     map[string]string
		}{
			{"apple", map[string]any{"iss": "https://account.apple.com", "aud": "bundle", "is_private_email": "true"},
				map[string]string{"custom_claims.is_private_email": "true", "provider_id": "g-1"}},
			{"azure", map[string]any{"iss": "https://login.microsoftonline.com/tenant/v2.0", "preferred_username": "gil@corp", "oid": "7", "xms_edov": "1"},
				map[string]string{"preferred_username": "gil@corp", "full_name": "Gil", "custom_claims.oid": "7"}},
			{"kakao", map[string]any{"iss": "https://kauth.kakao.com", "nickname": "Gilly"}, map[string]string{"name": "Gilly", "preferred_username": "Gilly"}},
			{"vercel_marketplace", map[string]any{"iss": "https://marketplace.vercel.com", "user_email": "gil@id.test", "user_name": "G", "global_user_id": "9"},
				map[string]string{"provider_id": "global_user_id:9", "name": "G"}},
			{"snapchat", map[string]any{"iss": "https://accounts.snapchat.com/accounts/oauth2/token", "email_verified": nil}, map[string]string{"email_verified": "true"}},
			{"keycloak", map[string]any{"iss": "https://id.corp.test/realms/a", "given_name": "Gil"}, map[string]string{"given_name": "Gil", "aud.0": "web"}},
		} {
			t.Run(c.provider, func(t *testing.T) {
				r := in(map[string]any{"provider": c.provider, "id_token": token(c.claims)})
				for i, id := range r.at("user.identities").([]any) {
					if id.(map[string]any)["provider"] != c.provider {
						continue
					}
					for k, want := range c.want {
						if got := r.text("user.identities." + string(rune('0'+i)) + ".identity_data." + k); got != want {
							t.Errorf("%s is %q, want %q: %v", k, got, want, id)
						}
					}
					return
				}
				t.Errorf("no identity in %s", r.raw)
			})
		}
	})
	t.Run("refused", func(t *testing.T) {
		oauthStyle := func(message string) string {
			return `{"error":"invalid request","error_description":"` + message + `"}`
		}
		for name, c := range map[string]struct {
			body map[string]any
			want string
		}{
			"expired":             {map[string]any{"provider": "google", "id_token": token(map[string]any{"exp": now - 1})}, oauthStyle("Bad ID token")},
			"no expiry":           {map[string]any{"provider": "google", "id_token": token(map[string]any{"exp": nil})}, oauthStyle("Bad ID token")},
			"not yet":             {map[string]any{"provider": "google", "id_token": token(map[string]any{"nbf": now + 900})}, oauthStyle("Bad ID token")},
			"another issuer":      {map[string]any{"provider": "google", "id_token": token(map[string]any{"iss": "https://evil.test"})}, oauthStyle("Bad ID token")},
			"garbage":             {map[string]any{"provider": "google", "id_token": "garbage"}, oauthStyle("Bad ID token")},
			"another key":         {map[string]any{"provider": "google", "id_token": other.sign(t, map[string]any{"iss": "https://accounts.google.com", "sub": "1", "aud": "web", "exp": now + 60})}, oauthStyle("Bad ID token")},
			"the server's secret": {map[string]any{"provider": "google", "id_token": s.sign(t, map[string]any{"iss": "https://accounts.google.com", "sub": "1", "aud": "web", "exp": now + 60})}, oauthStyle("Bad ID token")},
			"no sub":              {map[string]any{"provider": "google", "id_token": token(map[string]any{"sub": nil})}, oauthStyle("Missing sub claim in id_token")},
			"audience":            {map[string]any{"provider": "google", "id_token": token(map[string]any{"aud": []string{"a", "b"}})}, oauthStyle("Unacceptable audience in id_token: [a b]")},
			"no audience":         {map[string]any{"provider": "google", "id_token": token(map[string]any{"aud": nil})}, oauthStyle("Unacceptable audience in id_token: []")},
		} {
			if r := post(c.body); r.status != 400 || r.raw != c.want {
				t.Errorf("%s: %d %s", name, r.status, r.raw)
			}
		}
		for message, body := range map[string]map[string]any{
			"Unable to detect issuer in ID token for Apple provider":   {"provider": "apple", "id_token": "a.b"},
			"Unable to detect issuer in ID token for Azure provider":   {"provider": "azure", "id_token": "a.!.c"},
			"Detected ID token issuer is not an Apple ID token issuer": {"provider": "apple", "id_token": token(nil)},
			"Detected ID token issuer is not an Azure ID token issuer": {"provider": "azure", "id_token": token(nil)},
			"Provided issuer does not match ID token issuer":           {"provider": "apple", "issuer": "https://appleid.apple.com", "id_token": token(map[string]any{"iss": "https://account.apple.com"})},
			`Custom OIDC provider "github" not allowed`:                {"provider": "github", "id_token": token(nil)},
			`Custom OIDC provider "" not allowed`:                      {"issuer": "https://evil.test", "client_id": "web", "id_token": token(nil)},
			`Custom provider "custom:x" not found`:                     {"provider": "custom:x", "id_token": token(nil)},
		} {
			post(body).refused(t, 400, "validation_failed", message)
		}
		// an issuer that may be asked, and cannot be reached
		post(map[string]any{"issuer": "https://nobody.invalid", "client_id": "web", "id_token": token(nil)}).
			refused(t, 500, "unexpected_failure", "Unexpected failure, please check server logs for more information")
	})
	t.Run("link", func(t *testing.T) {
		body := map[string]any{"provider": "google", "link_identity": true, "id_token": token(map[string]any{"sub": "linked", "email": "linked@id.test"})}
		r := s.do(t, request{method: "POST", path: "/token?grant_type=id_token", body: body, token: "none"})
		if want := `{"error":"invalid request","error_description":"Linking requires a valid user access token in Authorization"}`; r.raw != want {
			t.Error(r.raw)
		}
		post(body).refused(t, 403, "bad_jwt", "invalid claim: missing sub claim")
		u := s.signUp(t, "linker@id.test")
		r = s.as(t, u, "POST", "/token?grant_type=id_token", body).ok(t, 200)
		if r.text("user.id") != u.id || r.text("user.identities.1.id") != "linked" {
			t.Errorf("linked: %s", r.raw)
		}
		s.as(t, u, "POST", "/token?grant_type=id_token", body).refused(t, 422, "identity_already_exists", "Identity is already linked")
	})
}

// refusing is a network that is not there.
type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed }

// TestFakeIDToken: what the fake's own endpoint issues signs in.
//
//covers:auth 80
func TestFakeIDToken(t *testing.T) {
	t.Parallel()
	s := startSocial(t, func(c *auth.Config) { c.OAuth.Providers["kakao"] = auth.OAuthProvider{} })
	ask := func(service, body string) (int, map[string]string) {
		w := httptest.NewRecorder()
		s.fake.ServeHTTP(w, httptest.NewRequest("POST", "/"+service+"/id_token", strings.NewReader(body)))
		out := map[string]string{}
		_ = json.Unmarshal(w.Body.Bytes(), &out)
		return w.Code, out
	}
	for _, p := range []string{"google", "apple", "azure", "facebook", "keycloak", "vercel_marketplace", "snapchat"} {
		_, out := ask(p, `{"email":"ida@`+p+`.test","name":"Ida"}`)
		r := s.post(t, "/token?grant_type=id_token", map[string]any{"provider": p, "id_token": out["id_token"], "access_token": out["access_token"]})
		if r.status != 200 || r.text("user.email") != "ida@"+p+".test" || r.text("user.identities.0.id") != out["sub"] {
			t.Errorf("%s: %d %s", p, r.status, r.raw)
		}
		// the same user as through the browser
		if u := s.in(t, p, oauth.FakeUser{Email: "ida@" + p + ".test"}); u.id != r.text("user.id") {
			t.Errorf("%s: another user through the browser", p)
		}
	}
	if status, _ := ask("kakao", `{}`); status != 404 {
		t.Errorf("a service that is off: %d", status)
	}
	if status, _ := ask("google", `[`); status != 400 {
		t.Errorf("a body that is none: %d", status)
	}
}
