package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// Every form of the secret, and which tokens it takes.
func TestParseSecret(t *testing.T) {
	one := jwks(t)
	for _, k := range one {
		delete(k, "alg")
		delete(k, "kid")
	}
	claims := jwt.MapClaims{"role": "anon"}
	rsaKey, err := ParseKeySet(marshal(t, []any{one["RS256"]}))
	if err != nil {
		t.Fatal(err)
	}
	shared, err := ParseKeySet(marshal(t, []any{one["HS256"]}))
	if err != nil {
		t.Fatal(err)
	}
	secret := shared[0].Sign.([]byte)
	withAlg := map[string]any{"kty": "oct", "alg": "HS256", "k": base64.RawURLEncoding.EncodeToString(secret)}
	curve := func(c elliptic.Curve, name string) (*ecdsa.PrivateKey, map[string]any) {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point, err := k.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		half := (len(point) - 1) / 2
		return k, map[string]any{"kty": "EC", "crv": name, "x": base64.RawURLEncoding.EncodeToString(point[1 : 1+half]), "y": base64.RawURLEncoding.EncodeToString(point[1+half:])}
	}
	p384, public384 := curve(elliptic.P384(), "P-384")
	p521, public521 := curve(elliptic.P521(), "P-521")
	set := map[string]any{"keys": []any{one["RS256"], public384, public521, one["HS256"],
		map[string]any{"kty": "future"}, map[string]any{"kty": "RSA", "use": "enc", "n": "AQAB"}, map[string]any{"kty": "oct", "alg": "A128KW", "k": "AAAA"}}}
	all := marshal(t, set)
	const ok = TokenErrorKind(-1)
	for _, c := range []struct {
		name   string
		secret []byte
		token  string
		want   TokenErrorKind
	}{
		{"a text", secret, sign(t, jwt.SigningMethodHS256, secret, "", claims), ok},
		{"a text is HS256 alone", secret, sign(t, jwt.SigningMethodHS512, secret, "", claims), UnsupportedAlg},
		{"a JWK with its algorithm", marshal(t, withAlg), sign(t, jwt.SigningMethodHS256, secret, "any", claims), ok},
		{"a JWK with its algorithm, another token", marshal(t, withAlg), sign(t, jwt.SigningMethodHS384, secret, "", claims), UnsupportedAlg},
		{"a JWK without one, HS384", marshal(t, one["HS256"]), sign(t, jwt.SigningMethodHS384, secret, "", claims), ok},
		{"a JWK without one, HS512", marshal(t, one["HS256"]), sign(t, jwt.SigningMethodHS512, secret, "", claims), ok},
		{"a set, RS256", all, sign(t, jwt.SigningMethodRS256, rsaKey[0].Sign, "", claims), ok},
		{"a set, RS384", all, sign(t, jwt.SigningMethodRS384, rsaKey[0].Sign, "", claims), ok},
		{"a set, RS512", all, sign(t, jwt.SigningMethodRS512, rsaKey[0].Sign, "", claims), ok},
		{"a set, PS256", all, sign(t, jwt.SigningMethodPS256, rsaKey[0].Sign, "", claims), UnsupportedAlg},
		{"a set, ES384", all, sign(t, jwt.SigningMethodES384, p384, "", claims), ok},
		{"a set, ES512", all, sign(t, jwt.SigningMethodES512, p521, "", claims), ok},
		{"a set, HS256", all, sign(t, jwt.SigningMethodHS256, secret, "", claims), ok},
		{"a set, another secret", all, sign(t, jwt.SigningMethodHS256, []byte("a secret that is none of the keys at all"), "", claims), BadSignature},
		{"a public key is no secret", marshal(t, public384), sign(t, jwt.SigningMethodHS256, p384.X.Bytes(), "", claims), UnsupportedAlg},
	} {
		keys, err := ParseSecret(c.secret)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		_, err = NewVerifier(keys).Verify(c.token)
		var te *TokenError
		if c.want == ok && err != nil || c.want != ok && (!errors.As(err, &te) || te.Kind != c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for secret, says := range map[string]string{
		"short": "needs at least 32", `{"some":"JSON that is long enough for a secret"}`: "no key",
		`{"kty":"oct","k":"c2hvcnQ"}`: "at least 32", `{"keys":[]}`: "without a key", `{"keys":[{"kty":"future"}]}`: "without a key",
		`{"kty":"future","k":"0123456789012345678901234567890"}`: "none of RSA", `{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}`: "wrong length",
	} {
		if _, err := ParseSecret([]byte(secret)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", secret, err)
		}
	}
}

func TestDecodeSecret(t *testing.T) {
	raw := string([]byte{0, 0xff, 0xfe, 'a', 'b', 0xfb})
	for _, text := range []string{
		base64.StdEncoding.EncodeToString([]byte(raw)), base64.URLEncoding.EncodeToString([]byte(raw)), base64.RawURLEncoding.EncodeToString([]byte(raw)),
		" " + base64.StdEncoding.EncodeToString([]byte(raw)) + "\n", strings.ReplaceAll(base64.StdEncoding.EncodeToString([]byte(raw)), "=", "."),
	} {
		if got, err := DecodeSecret(text); err != nil || got != raw {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if _, err := DecodeSecret("no base64!"); err == nil {
		t.Error("what is no base64 is taken")
	}
}

// Of a set without a shared secret no key is derived; those that are given stay.
func TestCompleteWithoutSharedSecret(t *testing.T) {
	key := jwks(t)["ES256"]
	delete(key, "d")
	k, err := Keys{JWTSecret: string(marshal(t, key)), AnonKey: "given"}.Complete()
	if err != nil || k != (Keys{AnonKey: "given"}) {
		t.Errorf("%+v, %v", k, err)
	}
	if k.bearerFor("") != "" {
		t.Error("no key is a key")
	}
	b64, err := Keys{JWTSecret: base64.StdEncoding.EncodeToString([]byte(testSecret)), JWTSecretIsBase64: true}.Complete()
	if err != nil || b64.JWTSecret != testSecret {
		t.Errorf("%+v, %v", b64, err)
	}
	plain, err := Keys{JWTSecret: testSecret}.Complete()
	if err != nil || plain != b64 {
		t.Errorf("%+v, %v", plain, err)
	}
}

// Another set of keys forgets the tokens of the old one.
func TestSetKeysForgets(t *testing.T) {
	v := NewVerifier(KeySet{SecretKey(testSecret)})
	token := sign(t, jwt.SigningMethodHS256, []byte(testSecret), "", jwt.MapClaims{"role": "anon"})
	for range 2 {
		if _, err := v.Verify(token); err != nil {
			t.Fatal(err)
		}
	}
	if s := v.Stats(); s.Lookups.Load() != 2 || s.Hits.Load() != 1 {
		t.Errorf("%d look-ups, %d hits", s.Lookups.Load(), s.Hits.Load())
	}
	v.SetKeys(KeySet{SecretKey("another secret, as long as it has to be")}, 10)
	if _, err := v.Verify(token); err == nil {
		t.Error("a token of the old key is still taken")
	}
	v.SetKeys(KeySet{SecretKey(testSecret)}, 0)
	for range 2 {
		if _, err := v.Verify(token); err != nil {
			t.Fatal(err)
		}
	}
	if s := v.Stats(); s.Hits.Load() != 1 {
		t.Error("a verifier that remembers nothing has hits")
	}
	v.SetKeys(nil, 10)
	var te *TokenError
	if _, err := v.Verify(token); !errors.As(err, &te) || te.Kind != NoSecret {
		t.Errorf("without keys: %v", err)
	}
}

func FuzzParseSecret(f *testing.F) {
	f.Add([]byte(testSecret))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"},{"kty":"x"}]}`))
	for _, k := range jwks(f) {
		f.Add(marshal(f, k))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		set, err := ParseSecret(raw)
		if (err == nil) == (len(set) == 0) {
			t.Fatalf("%d keys, %v", len(set), err)
		}
		for _, k := range set {
			if k.Verify == nil || !IsSignatureAlgorithm(k.Algorithm) {
				t.Fatal("a key that verifies nothing")
			}
		}
		if decoded, err := DecodeSecret(string(raw)); err != nil && decoded != "" {
			t.Fatal("a secret beside an error")
		}
	})
}
