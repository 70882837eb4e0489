package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// signingKey is an ES256 key and its JSON form.
func signingKey(t *testing.T) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := k.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	d, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	raw, err := json.Marshal([]map[string]any{{"kty": "EC", "kid": "key-1", "alg": "ES256", "crv": "P-256", "key_ops": []string{"sign", "verify"},
		"x": b64(point[1:33]), "y": b64(point[33:]), "d": b64(d)}})
	if err != nil {
		t.Fatal(err)
	}
	return k, raw
}

// TestSigningKeys: with signing keys, users' tokens are signed with them and
// can be verified with what is published; API keys and tokens of both kinds
// work at every API; signed URLs keep to the secret.
func TestSigningKeys(t *testing.T) {
	t.Parallel()
	private, raw := signingKey(t)
	srv := suparusttest.Start(t, suparusttest.WithConfig(func(c *server.Config) { c.Auth.SigningKeys = raw }),
		suparusttest.WithSQL("create table notes (id int primary key, owner uuid default auth.uid()); insert into notes values (1, null)",
			"insert into storage.buckets (id, name) values ('b', 'b')"))

	user := srv.CreateUser(t, "signed@example.com")
	token, err := jwt.Parse(user.AccessToken, func(*jwt.Token) (any, error) { return &private.PublicKey, nil }, jwt.WithValidMethods([]string{"ES256"}))
	if err != nil || token.Header["kid"] != "key-1" {
		t.Fatalf("header %v, %v", token.Header, err)
	}
	jwks := string(srv.Client().Get(t, "/auth/v1/.well-known/jwks.json").Body)
	if !strings.Contains(jwks, `"kid":"key-1"`) || strings.Contains(jwks, `"d"`) || strings.Contains(jwks, `"oct"`) {
		t.Errorf("published: %s", jwks)
	}
	if r := srv.ClientAs(user).Get(t, "/auth/v1/user"); r.Status != http.StatusOK {
		t.Errorf("the user's own: %d %s", r.Status, r.Body)
	}
	if r := srv.ClientAs(user).Post(t, "/rest/v1/notes?select=owner", map[string]any{"id": 2}); r.Status != http.StatusCreated {
		t.Errorf("a write: %d %s", r.Status, r.Body)
	}
	if got := string(srv.ServiceClient().Get(t, "/rest/v1/notes?select=owner&id=eq.2").Body); !strings.Contains(got, user.ID) {
		t.Errorf("the claims did not reach the database: %s", got)
	}

	asymmetric := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": "supabase-demo", "role": "service_role", "exp": 1983812996})
	asymmetric.Header["kid"] = "key-1"
	service, err := asymmetric.SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]string{"signed with the key": service, "signed with the secret": srv.ServiceKey} {
		h := http.Header{"Apikey": {key}, "Authorization": {"Bearer " + key}}
		for _, path := range []string{"/rest/v1/notes", "/auth/v1/admin/users", "/storage/v1/bucket"} {
			if r := srv.Client().Do(t, "GET", path, nil, h); r.Status != http.StatusOK {
				t.Errorf("%s, %s: %d %s", name, path, r.Status, r.Body)
			}
		}
	}
	stranger, _ := signingKey(t)
	forged, err := asymmetric.SignedString(stranger)
	if err != nil {
		t.Fatal(err)
	}
	if r := srv.Client().Do(t, "GET", "/auth/v1/admin/users", nil, http.Header{"Authorization": {"Bearer " + forged}}); r.Status != http.StatusForbidden {
		t.Errorf("forged: %d %s", r.Status, r.Body)
	}

	if r := srv.ServiceClient().Post(t, "/storage/v1/object/b/a.txt", "hello"); r.Status != http.StatusOK {
		t.Fatalf("upload: %d %s", r.Status, r.Body)
	}
	var signed struct {
		URL string `json:"signedURL"`
	}
	if err := json.Unmarshal(srv.ServiceClient().Post(t, "/storage/v1/object/sign/b/a.txt", map[string]any{"expiresIn": 60}).Body, &signed); err != nil {
		t.Fatal(err)
	}
	_, urlToken, _ := strings.Cut(signed.URL, "token=")
	if _, err := jwt.Parse(urlToken, func(*jwt.Token) (any, error) { return []byte(srv.JWTSecret), nil }, jwt.WithValidMethods([]string{"HS256"})); err != nil {
		t.Errorf("the signed URL %q: %v", signed.URL, err)
	}
	if r := srv.Client().Get(t, "/storage/v1"+signed.URL); r.Status != http.StatusOK {
		t.Errorf("the signed URL: %d %s", r.Status, r.Body)
	}
}

func TestBadSigningKeys(t *testing.T) {
	t.Parallel()
	c := server.DefaultConfig()
	c.Ephemeral()
	c.Auth.SigningKeys = []byte(`[{"kty":"RSA","kid":"old","n":"AQAB","e":"AQAB"}]`)
	if _, err := server.New(c); err == nil || !strings.Contains(err.Error(), `kid "old"`) {
		t.Errorf("%v", err)
	}
}
