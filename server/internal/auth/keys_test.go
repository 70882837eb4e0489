package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/suparust/suparust/server/internal/gateway"
)

//covers:auth 38
func TestPublicKeys(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := publicKeys(gateway.KeySet{
		gateway.SecretKey("never to be published, this one"),
		{ID: "e", Algorithm: "ES256", Verify: &ec.PublicKey, Sign: ec},
		{ID: "r", Algorithm: "RS256", Verify: &rs.PublicKey, Sign: rs},
		{ID: "d", Algorithm: "EdDSA", Verify: pub},
	})
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Keys []jwk }
	if err := json.Unmarshal(raw, &doc); err != nil || len(doc.Keys) != 3 {
		t.Fatalf("%s, %v", raw, err)
	}
	if strings.Contains(string(raw), "published") || strings.Contains(string(raw), `"d":`) {
		t.Errorf("a secret is in %s", raw)
	}
	number := func(s string) *big.Int {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return new(big.Int).SetBytes(b)
	}
	point, err := ec.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	e, r, d := doc.Keys[0], doc.Keys[1], doc.Keys[2]
	if e.Type != "EC" || e.Curve != "P-256" || len(e.X) != 43 || number(e.X).Cmp(new(big.Int).SetBytes(point[1:33])) != 0 || number(e.Y).Cmp(new(big.Int).SetBytes(point[33:])) != 0 {
		t.Errorf("EC key %+v", e)
	}
	if r.Type != "RSA" || number(r.N).Cmp(rs.N) != 0 || number(r.E).Int64() != 65537 {
		t.Errorf("RSA key %+v", r)
	}
	if d.Type != "OKP" || d.Curve != "Ed25519" || number(d.X).Cmp(new(big.Int).SetBytes(pub)) != 0 {
		t.Errorf("Ed25519 key %+v", d)
	}
	for _, k := range doc.Keys {
		if k.Use != "sig" || len(k.Ops) != 1 || k.Ops[0] != "verify" || k.KeyID == "" || k.Algorithm == "" {
			t.Errorf("key %+v", k)
		}
	}
	if _, err := publicKeys(gateway.KeySet{{ID: "x", Verify: "no key"}}); err == nil {
		t.Error("a key of no kind passes")
	}
}
