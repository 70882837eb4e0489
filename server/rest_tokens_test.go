package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

const whoami = "create function whoami() returns text stable language sql as 'select current_user::text';"

// keyring is one key of each family and the document of their public parts.
type keyring struct {
	rsa      *rsa.PrivateKey
	ec       *ecdsa.PrivateKey
	ed       ed25519.PrivateKey
	document string
}

const shared = "a shared secret that stands in a set of keys"

func newKeys(t *testing.T, withShared bool) *keyring {
	t.Helper()
	k := &keyring{}
	var err error
	if k.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if k.ec, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if _, k.ed, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	point, err := k.ec.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	keys := []map[string]any{
		{"kty": "RSA", "kid": "r", "n": b64(k.rsa.N.Bytes()), "e": b64(big.NewInt(int64(k.rsa.E)).Bytes())},
		{"kty": "EC", "kid": "e", "crv": "P-384", "alg": "ES384", "x": b64(point[1:49]), "y": b64(point[49:])},
		{"kty": "OKP", "crv": "Ed25519", "x": b64(k.ed.Public().(ed25519.PublicKey))},
	}
	if withShared {
		keys = append(keys, map[string]any{"kty": "oct", "kid": "s", "alg": "HS256", "k": b64([]byte(shared))})
	}
	raw, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	k.document = string(raw)
	return k
}

// Tokens of every family are verified with a set of keys, each with its own.
//
//covers:rest 214 215 216 217 226
func TestSetOfKeys(t *testing.T) {
	t.Parallel()
	k := newKeys(t, true)
	a := restServer(t, whoami, func(c *server.Config) { c.Keys.JWTSecret = k.document })
	role := jwt.MapClaims{"role": "authenticated"}
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, header := range map[string]string{
		"RS256": bearer(t, jwt.SigningMethodRS256, k.rsa, "r", role), "RS512 without kid": bearer(t, jwt.SigningMethodRS512, k.rsa, "", role),
		"ES384": bearer(t, jwt.SigningMethodES384, k.ec, "e", role), "EdDSA, a key without kid": bearer(t, jwt.SigningMethodEdDSA, k.ed, "any", role),
		"HS256":    bearer(t, jwt.SigningMethodHS256, []byte(shared), "s", role),
		"a scheme": strings.Replace(bearer(t, jwt.SigningMethodRS256, k.rsa, "r", role), "Bearer", "bEARER", 1),
	} {
		t.Run(name, func(t *testing.T) { wantBody(t, a.get(t, "/rpc/whoami", header), 200, `"authenticated"`) })
	}
	const wrongKey, noSuchKey, unreadable = "No suitable key or wrong key type", "No suitable key was found to decode the JWT", "JWT cryptographic operation failed"
	segment := base64.RawURLEncoding.EncodeToString
	for name, c := range map[string]struct{ header, message, details string }{
		"another key":              {bearer(t, jwt.SigningMethodRS256, stranger, "r", role), wrongKey, "None of the keys was able to decode the JWT"},
		"another kid":              {bearer(t, jwt.SigningMethodRS256, k.rsa, "e", role), wrongKey, noSuchKey},
		"an algorithm of none":     {bearer(t, jwt.SigningMethodHS512, []byte(shared), "", role), wrongKey, noSuchKey},
		"an unknown algorithm":     {bearer(t, jwt.SigningMethodPS256, k.rsa, "r", role), unreadable, ""},
		"a public key as a secret": {bearer(t, jwt.SigningMethodHS256, k.rsa.N.Bytes(), "r", role), wrongKey, noSuchKey},
		"unsigned": {"Authorization: Bearer " + segment([]byte(`{"alg":"none"}`)) + "." + segment([]byte(`{"role":"postgres"}`)) + ".",
			"Wrong or unsupported encoding algorithm", "JWT is unsecured but expected 'alg' was not 'none'"},
		"unsigned, otherwise spelled": {"Authorization: Bearer " + segment([]byte(`{"alg":"None"}`)) + "." + segment([]byte(`{"role":"postgres"}`)) + ".", unreadable, ""},
		"no JSON":                     {"Authorization: Bearer a.b.c", unreadable, ""},
		"empty":                       {"Authorization: Bearer ", "Empty JWT is sent in Authorization header", ""},
		"five parts":                  {"Authorization: Bearer a.b.c.d.e", "Expected 3 parts in JWT; got 5", ""},
		"claims that are a list": {func() string {
			s := segment([]byte(`{"alg":"HS256"}`)) + "." + segment([]byte(`[1]`))
			sig, err := jwt.SigningMethodHS256.Sign(s, []byte(shared))
			if err != nil {
				t.Fatal(err)
			}
			return "Authorization: Bearer " + s + "." + segment(sig)
		}(), "Parsing claims failed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			code := "PGRST301"
			if c.message == "Parsing claims failed" {
				code = "PGRST303"
			}
			r := a.get(t, "/rpc/whoami", c.header)
			wantError(t, r, 401, code, c.message)
			if c.details != "" {
				var e map[string]any
				if r.JSON(t, &e); e["details"] != c.details {
					t.Errorf("details %v", e["details"])
				}
			}
			if got := r.Header.Get("WWW-Authenticate"); got != fmt.Sprintf("Bearer error=\"invalid_token\", error_description=%q", c.message) {
				t.Errorf("WWW-Authenticate is %s", got)
			}
		})
	}
	// the API keys derive from the set's shared secret, in both forms
	for key, want := range map[string]string{a.AnonKey: `"anon"`, a.ServiceKey: `"service_role"`} {
		wantBody(t, a.get(t, "/rpc/whoami", "Authorization: Bearer "+key), 200, want)
		wantBody(t, a.get(t, "/rpc/whoami", "Apikey: "+key), 200, want)
	}
	wantBody(t, a.get(t, "/rpc/whoami", "Apikey: "+a.SecretKey), 200, `"service_role"`)
	wantBody(t, a.get(t, "/rpc/whoami", "Apikey: "+a.PublishableKey, "Authorization: Bearer "+a.PublishableKey), 200, `"anon"`)
	wantBody(t, a.get(t, "/rpc/whoami", "Authorization: Basic dTpw"), 200, `"anon"`)
	wantBody(t, a.get(t, "/rpc/whoami"), 200, `"anon"`)
}

// A set without a shared secret: the server starts, API keys are those that are
// given, and what it signs itself holds as long as it runs.
func TestPublicKeysAlone(t *testing.T) {
	t.Parallel()
	k := newKeys(t, false)
	given := strings.TrimPrefix(bearer(t, jwt.SigningMethodES384, k.ec, "e", jwt.MapClaims{"role": "service_role"}), "Authorization: Bearer ")
	c := server.DefaultConfig()
	c.Ephemeral()
	c.Keys = server.Keys{JWTSecret: k.document, ServiceRoleKey: given, SecretKey: "sb_secret_of_this_test"}
	s, stop := serve(t, c)
	defer stop()
	if got := s.Keys(); got.JWTSecret != "" || got.AnonKey != "" || got.PublishableKey != "" || got.ServiceRoleKey != given {
		t.Errorf("%+v", got)
	}
	for header, status := range map[string]int{
		"Authorization: Bearer " + given: 200, "Apikey: sb_secret_of_this_test": 200,
		bearer(t, jwt.SigningMethodHS256, []byte(shared), "", jwt.MapClaims{"role": "service_role"}): 401,
	} {
		name, value, _ := strings.Cut(header, ": ")
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/rest/v1/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(name, value)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != status {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	res, err := http.Post(s.URL()+"/auth/v1/signup", "application/json", strings.NewReader(`{"email":"ann@example.com","password":"correct-horse"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var session struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&session); err != nil || session.Token == "" {
		t.Fatalf("%d, %v", res.StatusCode, err)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.URL()+"/auth/v1/user", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+session.Token)
	user, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if user.Body.Close(); user.StatusCode != 200 {
		t.Errorf("the user's own token: %d", user.StatusCode)
	}
}

// The role may stand anywhere in the claims; without it the token is anonymous.
//
//covers:rest 219 220 221 222 223 225
func TestClaims(t *testing.T) {
	t.Parallel()
	a := restServer(t, whoami+"create table closed(id int); revoke all on closed from anon, authenticated;"+
		"create function claims() returns json stable language sql as $$ select current_setting('request.jwt.claims')::json $$;",
		func(c *server.Config) {
			c.REST.RoleClaim, c.REST.JWTAudience = `.app."my roles"[?(@ ^== "auth")]`, "https://example.com/api"
		})
	app := func(roles ...any) jwt.MapClaims { return jwt.MapClaims{"app": map[string]any{"my roles": roles}} }
	wantBody(t, a.get(t, "/rpc/whoami", a.as(t, app("x", "authenticated", "auth2"))), 200, `"authenticated"`)
	wantBody(t, a.get(t, "/rpc/whoami", a.as(t, app("x"))), 200, `"anon"`)
	wantBody(t, a.get(t, "/rpc/whoami", a.as(t, jwt.MapClaims{"role": "service_role"})), 200, `"anon"`)
	wantBody(t, a.get(t, "/rpc/claims?select=role", a.as(t, app("authenticated"))), 200, `{"app":{"my roles":["authenticated"]},"role":"authenticated"}`)
	wantError(t, a.get(t, "/closed", a.as(t, app("authenticated"))), 403, "42501", "permission denied for table closed")
	wantError(t, a.get(t, "/closed", a.as(t, app())), 401, "42501", "permission denied for table closed")
	wantError(t, a.get(t, "/closed", "Authorization: Bearer "+a.AnonKey), 401, "42501", "permission denied for table closed")
	wantError(t, a.get(t, "/closed", a.as(t, app("authenticated_by_nobody"))), 401, "22023", `role "authenticated_by_nobody" does not exist`)
	for name, c := range map[string]struct {
		claim   string
		value   any
		message string
	}{
		"the audience": {"aud", "https://example.com/api", ""}, "among others": {"aud", []string{"x", "https://example.com/api"}, ""},
		"no audience": {"aud", []string{}, ""}, "null": {"aud", nil, ""},
		"another audience": {"aud", "https://example.com/ap", "JWT not in audience"}, "all others": {"aud", []string{"x", "y"}, "JWT not in audience"},
		"a number": {"aud", 1, "The JWT 'aud' claim must be a string or an array of strings"}, "numbers": {"aud", []any{"x", 1}, "The JWT 'aud' claim must be a string or an array of strings"},
		"exp": {"exp", "1", "The JWT 'exp' claim must be a number"}, "nbf": {"nbf", true, "The JWT 'nbf' claim must be a number"}, "iat": {"iat", []int{}, "The JWT 'iat' claim must be a number"},
	} {
		t.Run(name, func(t *testing.T) {
			r := a.get(t, "/rpc/whoami", a.as(t, jwt.MapClaims{c.claim: c.value}))
			if c.message == "" {
				wantBody(t, r, 200, `"anon"`)
				return
			}
			wantError(t, r, 401, "PGRST303", c.message)
		})
	}

	// the database's settings win, and go again
	a.inDatabase(t, "jwt_role_claim_key", ".kind")
	wantBody(t, a.get(t, "/rpc/whoami", a.as(t, jwt.MapClaims{"kind": "service_role"})), 200, `"service_role"`)
	a.inDatabase(t, "jwt_role_claim_key", ".not a path")
	wantBody(t, a.get(t, "/rpc/whoami", a.as(t, app("authenticated"))), 200, `"authenticated"`)
	a.inDatabase(t, "db_anon_role", "")
	r := a.get(t, "/rpc/whoami")
	wantError(t, r, 401, "PGRST302", "Anonymous access is disabled")
	if got := r.Header.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("WWW-Authenticate is %q", got)
	}
	wantError(t, a.get(t, "/rpc/whoami", a.as(t, jwt.MapClaims{"sub": "x"})), 401, "PGRST302", "Anonymous access is disabled")
	wantBody(t, a.get(t, "/rpc/whoami", a.as(t, app("authenticated"))), 200, `"authenticated"`)
	a.notInDatabase(t, "db_anon_role")
	wantBody(t, a.get(t, "/rpc/whoami"), 200, `"anon"`)

	// a secret of the database's own
	own := []byte("a secret that stands in the database")
	a.inDatabase(t, "jwt_secret", base64.StdEncoding.EncodeToString(own))
	a.inDatabase(t, "jwt_secret_is_base64", "1")
	wantBody(t, a.get(t, "/rpc/whoami", bearer(t, jwt.SigningMethodHS256, own, "", app("authenticated"))), 200, `"authenticated"`)
	wantError(t, a.get(t, "/rpc/whoami", a.as(t, app("authenticated"))), 401, "PGRST301", "No suitable key or wrong key type")
}

// In front of a database that is served as it is found there need not be a
// secret. Then tokens cannot be judged.
func TestNoSecret(t *testing.T) {
	t.Parallel()
	a := restServer(t, whoami, nil)
	u, err := url.Parse(a.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	u.User = url.UserPassword("authenticator", password)
	c := server.DefaultConfig()
	c.Ephemeral()
	c.Database.URL, c.Keys = u.String(), server.Keys{}
	if _, err := server.New(c); err == nil || !strings.Contains(err.Error(), "SUPARUST_JWT_SECRET") {
		t.Errorf("the platform without a secret: %v", err)
	}
	c.Plain()
	c.REST.AnonRole = "anon"
	s, stop := serve(t, c)
	defer stop()
	plain := &restAPI{&suparusttest.Server{URL: s.URL()}}
	wantBody(t, plain.get(t, "/rpc/whoami"), 200, `"anon"`)
	for _, header := range []string{a.as(t, jwt.MapClaims{"role": "authenticated"}), "Authorization: Bearer ", "Authorization: Bearer a.b"} {
		wantError(t, plain.get(t, "/rpc/whoami", header), 500, "PGRST300", "Server lacks JWT secret")
	}
	// the database may bring one
	a.Exec(t, "alter role authenticator set pgrst.jwt_secret = '"+a.JWTSecret+"'")
	if err := s.ReloadSchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantBody(t, plain.get(t, "/rpc/whoami", a.as(t, jwt.MapClaims{"role": "authenticated"})), 200, `"authenticated"`)
	wantError(t, plain.get(t, "/rpc/whoami", "Authorization: Bearer a.b"), 401, "PGRST301", "Expected 3 parts in JWT; got 2")
}
