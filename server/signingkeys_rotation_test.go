package server_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// jwk is a key as signing_keys.json has it.
type jwk map[string]any

// public is what stays of a key that was rotated out.
func (k jwk) public() jwk {
	p := maps.Clone(k)
	for _, part := range []string{"d", "p", "q"} {
		delete(p, part)
	}
	p["key_ops"] = []string{"verify"}
	return p
}

// newJWK makes a key of the algorithm.
func newJWK(t *testing.T, alg, kid string) jwk {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	k := jwk{"alg": alg, "kid": kid, "use": "sig", "key_ops": []string{"sign", "verify"}, "ext": true}
	switch alg {
	case "RS256":
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		k["kty"], k["n"], k["e"], k["d"] = "RSA", b64(key.N.Bytes()), b64(big.NewInt(int64(key.E)).Bytes()), b64(key.D.Bytes())
		k["p"], k["q"] = b64(key.Primes[0].Bytes()), b64(key.Primes[1].Bytes())
	case "ES256":
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point, err := key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		d, err := key.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		// without leading zeros, as some programs write them
		short := func(b []byte) string { return b64(new(big.Int).SetBytes(b).Bytes()) }
		k["kty"], k["crv"], k["x"], k["y"], k["d"] = "EC", "P-256", short(point[1:33]), short(point[33:]), short(d)
	case "EdDSA":
		pub, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		k["kty"], k["crv"], k["x"], k["d"] = "OKP", "Ed25519", b64(pub), b64(key.Seed())
	}
	return k
}

func keyList(t *testing.T, keys ...jwk) string {
	t.Helper()
	raw, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestSigningKeyRotation: a key signs, is replaced while the server runs, still
// verifies while its public part is there, and no longer when it is not. Every
// API goes with it, and the API keys of the secret work all along.
//
//covers:auth 38 175
func TestSigningKeyRotation(t *testing.T) {
	t.Parallel()
	for name, alg := range map[string]string{"GOTRUE_JWT_KEYS": "RS256", "JWT_KEYS": "ES256", "SUPARUST_JWT_KEYS": "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			first, second := newJWK(t, alg, "first"), newJWK(t, alg, "second")
			c := server.DefaultConfig()
			c.Ephemeral()
			c.Auth.CheapPasswords = true
			configure(t, &c, name+"="+keyList(t, first))
			srv, stop := serve(t, c)
			defer stop()
			keys := srv.Keys()
			s := authServer{suparusttest.Attach(t, srv.URL(), srv.DatabaseURL(), keys), t}

			rotate := func(list ...jwk) {
				t.Helper()
				next := c
				configure(t, &next, name+"="+keyList(t, list...))
				if err := srv.Reconfigure(t.Context(), next); err != nil {
					t.Fatal(err)
				}
			}
			good := func(token string, want bool) {
				t.Helper()
				for _, path := range []string{"/auth/v1/user", "/rest/v1/", "/storage/v1/bucket"} {
					r := s.Client().Do(t, "GET", path, nil, http.Header{"Authorization": {"Bearer " + token}})
					if (r.Status == http.StatusOK) != want {
						t.Errorf("%s: %d %s, want it to pass: %t", path, r.Status, r.Body, want)
					}
				}
			}
			published := func(kids ...string) {
				t.Helper()
				r := s.ask("GET", "/.well-known/jwks.json", "", nil)
				var doc struct{ Keys []jwk }
				if err := json.Unmarshal(r.Body, &doc); err != nil || len(doc.Keys) != len(kids) {
					t.Fatalf("published: %s, want %v", r.Body, kids)
				}
				for i, k := range doc.Keys {
					if k["kid"] != kids[i] || k["alg"] != alg || k["d"] != nil || k["use"] != "sig" {
						t.Errorf("published: %v", k)
					}
				}
				if strings.Contains(string(r.Body), `"k"`) {
					t.Error("the secret is published")
				}
			}
			apiKeys := func() {
				t.Helper()
				s.want(s.ask("GET", "/admin/users", keys.ServiceRoleKey, nil), 200, "")
				if r := s.ServiceClient().Get(t, "/rest/v1/"); r.Status != 200 {
					t.Errorf("the service key: %d %s", r.Status, r.Body)
				}
			}

			old := s.signUp().at("access_token")
			if head := tokenHead(s, old); head["alg"] != alg || head["kid"] != "first" {
				t.Errorf("header %v", head)
			}
			published("first")
			good(old, true)
			apiKeys()

			parts := strings.Split(old, ".")
			whole, err := base64.RawURLEncoding.DecodeString(parts[2])
			if err != nil {
				t.Fatal(err)
			}
			other := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + alg + `","kid":"other","typ":"JWT"}`))
			for token, want := range map[string]string{
				parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, len(whole))): "token signature is invalid: " +
					map[string]string{"RS256": "crypto/rsa", "ES256": "crypto/ecdsa", "EdDSA": "ed25519"}[alg] + ": verification error",
				other + "." + parts[1] + "." + parts[2]: "token is unverifiable: error while executing keyfunc: unrecognized JWT kid other for algorithm " + alg,
			} {
				if got := s.want(s.ask("GET", "/user", token, nil), 403, "bad_jwt").at("msg"); got != "invalid JWT: unable to parse or verify signature, "+want {
					t.Errorf("%s\nwant %s", got, want)
				}
			}

			rotate(second, first.public())
			published("second", "first")
			good(old, true)
			fresh := s.signIn().at("access_token")
			if head := tokenHead(s, fresh); head["kid"] != "second" {
				t.Errorf("header %v", head)
			}
			good(fresh, true)
			apiKeys()

			rotate(second)
			published("second")
			good(old, false)
			good(fresh, true)
			apiKeys()
		})
	}
}
