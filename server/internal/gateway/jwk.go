package gateway

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// jwk is a key in its JSON form, the private parts included.
type jwk struct {
	Kid string   `json:"kid"`
	Kty string   `json:"kty"`
	Alg string   `json:"alg"`
	Use string   `json:"use"`
	Crv string   `json:"crv"`
	Ops []string `json:"key_ops"`
	K   b64      `json:"k"`
	N   b64      `json:"n"`
	E   b64      `json:"e"`
	P   b64      `json:"p"`
	Q   b64      `json:"q"`
	D   b64      `json:"d"`
	X   b64      `json:"x"`
	Y   b64      `json:"y"`
}

// b64 is bytes in base64url, padded or not.
type b64 []byte

// UnmarshalJSON decodes the text. The error does not show it: it may be
// secret.
func (b *b64) UnmarshalJSON(raw []byte) error {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return errors.New("a part of a key is no text")
	}
	for len(s) > 0 && s[len(s)-1] == '=' {
		s = s[:len(s)-1]
	}
	v, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return errors.New("a part of a key is no base64url")
	}
	*b = v
	return nil
}

func (b b64) number() *big.Int { return new(big.Int).SetBytes(b) }

const (
	minRSABits     = 2048
	maxRSABits     = 8192
	maxSigningKeys = 32
)

// ParseKeySet reads signing keys in their JSON form: an array of JWKs or a
// document {"keys": […]}. A key signs when it has its private part and its
// key_ops, where given, contain "sign".
func ParseKeySet(raw []byte) (KeySet, error) {
	var keys []json.RawMessage
	if json.Unmarshal(raw, &keys) != nil {
		var doc struct {
			Keys []json.RawMessage `json:"keys"`
		}
		if json.Unmarshal(raw, &doc) != nil || doc.Keys == nil {
			return nil, errors.New("signing keys are no JSON array of JWKs: write them as [{\"kty\": …, \"kid\": …}]")
		}
		keys = doc.Keys
	}
	if len(keys) > maxSigningKeys {
		return nil, fmt.Errorf("there are %d signing keys: at most %d are supported, remove those that no token needs any more", len(keys), maxSigningKeys)
	}
	set := make(KeySet, 0, len(keys))
	for i, raw := range keys {
		var j jwk
		err := json.Unmarshal(raw, &j)
		var k Key
		if err == nil {
			k, err = j.key()
		}
		if err != nil {
			return nil, fmt.Errorf("the signing key %d (kid %q): %w", i+1, cut(j.Kid, 64), err)
		}
		set = append(set, k)
	}
	return set, nil
}

func cut(s string, n int) string { return s[:min(len(s), n)] }

// algorithms are those of each type of key with its curve; the first is that of
// a key that names none.
var algorithms = map[string][]string{
	"oct": {"HS256", "HS384", "HS512"}, "RSA": {"RS256", "RS384", "RS512"},
	"ECP-256": {"ES256"}, "ECP-384": {"ES384"}, "ECP-521": {"ES512"}, "OKPEd25519": {"EdDSA"},
}

func (j *jwk) key() (Key, error) {
	var k Key
	var err error
	switch j.Kty {
	case "oct":
		k, err = j.secret()
	case "RSA":
		k, err = j.rsa()
	case "EC":
		k, err = j.ec()
	case "OKP":
		k, err = j.ed25519()
	default:
		err = fmt.Errorf("its type %q is none of RSA, EC, OKP and oct", cut(j.Kty, 16))
	}
	if err != nil {
		return Key{}, err
	}
	switch family := algorithms[j.Kty+j.Crv]; {
	case j.Alg == "":
	case slices.Contains(family, j.Alg):
		k.Algorithm = j.Alg
	default:
		return Key{}, fmt.Errorf("its algorithm %q does not fit: it is a key of %s", cut(j.Alg, 16), strings.Join(family, ", "))
	}
	k.ID = j.Kid
	if len(j.Ops) > 0 && !slices.Contains(j.Ops, "sign") {
		k.Sign = nil
	}
	return k, nil
}

func (j *jwk) secret() (Key, error) {
	if len(j.K) < MinSecretBytes {
		return Key{}, fmt.Errorf("its secret has %d bytes and needs at least %d", len(j.K), MinSecretBytes)
	}
	return Key{Algorithm: "HS256", Verify: []byte(j.K), Sign: []byte(j.K)}, nil
}

func (j *jwk) rsa() (Key, error) {
	e := j.E.number()
	if !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 {
		return Key{}, errors.New("its exponent e is missing or out of range")
	}
	pub := &rsa.PublicKey{N: j.N.number(), E: int(e.Int64())}
	if bits := pub.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return Key{}, fmt.Errorf("its modulus n has %d bits: use %d to %d", bits, minRSABits, maxRSABits)
	}
	k := Key{Algorithm: "RS256", Verify: pub}
	if len(j.D) == 0 {
		return k, nil
	}
	if len(j.P) == 0 || len(j.Q) == 0 {
		return Key{}, errors.New("it has d and lacks p and q: export it with its primes")
	}
	private := &rsa.PrivateKey{PublicKey: *pub, D: j.D.number(), Primes: []*big.Int{j.P.number(), j.Q.number()}}
	if err := private.Validate(); err != nil {
		return Key{}, errors.New("its parts do not belong together")
	}
	private.Precompute()
	k.Sign = crypto.Signer(private)
	return k, nil
}

// curves are those that tokens are signed on.
var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

func (j *jwk) ec() (Key, error) {
	curve, ok := curves[j.Crv]
	if !ok {
		return Key{}, fmt.Errorf("its curve %q is not supported: use P-256, P-384 or P-521", cut(j.Crv, 16))
	}
	size := (curve.Params().BitSize + 7) / 8
	for _, part := range []*b64{&j.X, &j.Y, &j.D} { // some programs leave leading zeros out
		if n := len(*part); n < size && n > size-4 {
			*part = append(make(b64, size-n), *part...)
		}
	}
	if len(j.X) != size || len(j.Y) != size {
		return Key{}, errors.New("its point x, y is missing or of a wrong length")
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, j.X, j.Y))
	if err != nil {
		return Key{}, errors.New("its point x, y is not on the curve")
	}
	k := Key{Algorithm: algorithms["EC"+j.Crv][0], Verify: pub}
	if len(j.D) == 0 {
		return k, nil
	}
	private, err := ecdsa.ParseRawPrivateKey(curve, j.D)
	if err != nil || !private.PublicKey.Equal(pub) {
		return Key{}, errors.New("its parts do not belong together")
	}
	k.Sign = crypto.Signer(private)
	return k, nil
}

func (j *jwk) ed25519() (Key, error) {
	if j.Crv != "Ed25519" || len(j.X) != ed25519.PublicKeySize {
		return Key{}, fmt.Errorf("its curve %q is not supported, or x is of a wrong length: use Ed25519", cut(j.Crv, 16))
	}
	pub := ed25519.PublicKey(j.X)
	k := Key{Algorithm: "EdDSA", Verify: pub}
	if len(j.D) == 0 {
		return k, nil
	}
	if len(j.D) != ed25519.SeedSize {
		return Key{}, errors.New("its private part d is of a wrong length")
	}
	private := ed25519.NewKeyFromSeed(j.D)
	if !pub.Equal(private.Public()) {
		return Key{}, errors.New("its parts do not belong together")
	}
	k.Sign = crypto.Signer(private)
	return k, nil
}
