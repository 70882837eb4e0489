package gateway

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
	"strings"
	"testing"
)

func b64Text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwks are a private key of every supported kind.
func jwks(t testing.TB) map[string]map[string]any {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := e.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := e.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]map[string]any{
		"RS256": {"kty": "RSA", "kid": "r", "alg": "RS256", "key_ops": []string{"sign", "verify"},
			"n": b64Text(r.N.Bytes()), "e": b64Text(big.NewInt(int64(r.E)).Bytes()), "d": b64Text(r.D.Bytes()),
			"p": b64Text(r.Primes[0].Bytes()), "q": b64Text(r.Primes[1].Bytes())},
		"ES256": {"kty": "EC", "kid": "e", "crv": "P-256", "x": b64Text(point[1:33]), "y": b64Text(point[33:]), "d": b64Text(scalar)},
		"EdDSA": {"kty": "OKP", "kid": "o", "crv": "Ed25519", "x": b64Text(pub), "d": b64Text(private.Seed())},
		"HS256": {"kty": "oct", "kid": "s", "alg": "HS256", "k": b64Text([]byte(testSecret)) + "="},
	}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestParseKeySet(t *testing.T) {
	for alg, key := range jwks(t) {
		t.Run(alg, func(t *testing.T) {
			set, err := ParseKeySet(marshal(t, []any{key}))
			if err != nil {
				t.Fatal(err)
			}
			if len(set) != 1 || set[0].ID != key["kid"] || set[0].Algorithm != alg {
				t.Fatalf("%d keys, kid %q, %s", len(set), set[0].ID, set[0].Algorithm)
			}
			signer, err := NewSigner(append(set, SecretKey(DemoJWTSecret)))
			if err != nil {
				t.Fatal(err)
			}
			token, err := signer.Sign(map[string]any{"role": "anon"})
			if err != nil {
				t.Fatal(err)
			}
			if c, err := NewVerifier(set).Verify(token); err != nil || c.Role != "anon" {
				t.Errorf("its own token: %v, %v", c, err)
			}
			// the same key, for verification only
			public := maps.Clone(key)
			public["key_ops"] = []string{"verify"}
			set, err = ParseKeySet(marshal(t, map[string]any{"keys": []any{public}}))
			if err != nil || set[0].Sign != nil {
				t.Fatalf("a key that only verifies: %v", err)
			}
			if _, err := NewVerifier(set).Verify(token); err != nil {
				t.Errorf("verification alone: %v", err)
			}
			if _, err := NewSigner(set); err == nil {
				t.Error("a key that only verifies signs")
			}
		})
	}
}

func TestParseKeySetPublicPart(t *testing.T) {
	for alg, key := range jwks(t) {
		if alg == "HS256" {
			continue
		}
		delete(key, "d")
		delete(key, "key_ops")
		if set, err := ParseKeySet(marshal(t, []any{key})); err != nil || set[0].Sign != nil || set[0].Verify == nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

func TestParseKeySetRefused(t *testing.T) {
	one, two := jwks(t), jwks(t)
	with := func(alg, part string, v any) []any {
		k := maps.Clone(one[alg])
		k[part] = v
		return []any{k}
	}
	many := make([]any, maxSigningKeys+1)
	for i := range many {
		many[i] = one["ES256"]
	}
	for _, c := range []struct {
		name string
		doc  any
		says string
	}{
		{"text", "keys", "no JSON array"},
		{"a document without keys", map[string]any{}, "no JSON array"},
		{"no type", with("RS256", "kty", ""), "none of RSA"},
		{"another algorithm", with("RS256", "alg", "HS256"), "does not fit"},
		{"no base64url", with("RS256", "n", "*"), "no base64url"},
		{"a short modulus", with("RS256", "n", "AQAB"), "bits"},
		{"an even exponent of 2", with("RS256", "e", "Ag"), "exponent"},
		{"no primes", with("RS256", "p", ""), "primes"},
		{"another's d", with("RS256", "d", two["RS256"]["d"]), "belong together"},
		{"another curve", with("ES256", "crv", "P-384"), "wrong length"},
		{"an unknown curve", with("ES256", "crv", "secp256k1"), "P-256"},
		{"a point beside the curve", with("ES256", "x", two["ES256"]["x"]), "on the curve"},
		{"another's scalar", with("ES256", "d", two["ES256"]["d"]), "belong together"},
		{"no point", with("ES256", "y", ""), "wrong length"},
		{"X25519", with("EdDSA", "crv", "X25519"), "Ed25519"},
		{"another's seed", with("EdDSA", "d", two["EdDSA"]["d"]), "belong together"},
		{"half a seed", with("EdDSA", "d", "AAAA"), "wrong length"},
		{"a short secret", with("HS256", "k", "c2hvcnQ"), "at least 32"},
		{"too many", many, "at most 32"},
	} {
		_, err := ParseKeySet(marshal(t, c.doc))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && strings.Contains(err.Error(), one["RS256"]["d"].(string)) {
			t.Errorf("%s: the error shows the key", c.name)
		}
	}
}

func FuzzParseKeySet(f *testing.F) {
	for _, k := range jwks(f) {
		f.Add(marshal(f, []any{k}))
	}
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"","e":"AQAB"}]}`))
	f.Add([]byte(`[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		set, err := ParseKeySet(raw)
		if err != nil {
			return
		}
		for _, k := range set {
			if k.Verify == nil || k.Algorithm == "" {
				t.Fatal("a key that verifies nothing")
			}
		}
		if _, ok := set.signer(); !ok {
			return
		}
		s, err := NewSigner(set)
		if err != nil {
			t.Fatal(err)
		}
		token, err := s.Sign(map[string]any{"role": "anon"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewVerifier(set).Verify(token); err != nil {
			t.Fatal(err)
		}
	})
}
