package gateway

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// A Key verifies tokens of one algorithm, and signs them where it holds the
// private part.
type Key struct {
	ID        string // kid; "" for the shared secret
	Algorithm string // HS256, RS256, ES256 …: what it signs with, and what tokens are verified with
	// Also are further algorithms of its own family that tokens may be signed
	// with. A token can never choose any other.
	Also   []string
	Verify any // []byte, *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey
	Sign   any // []byte or a crypto.Signer; nil when the key only verifies
	// Own says that the server made the key for what it signs itself. Where
	// there are no others, a token that it has not signed is of kind NoSecret.
	Own bool
}

func (k *Key) accepts(alg string) bool { return k.Algorithm == alg || slices.Contains(k.Also, alg) }

// SecretKey is the HS256 key of a JWT secret.
func SecretKey(secret string) Key {
	return Key{Algorithm: "HS256", Verify: []byte(secret), Sign: []byte(secret)}
}

// KeySet holds every key that tokens may be signed with.
type KeySet []Key

// signer is the key that signs new tokens: the first asymmetric one that can,
// else the first that can.
func (s KeySet) signer() (Key, bool) {
	var found Key
	ok := false
	for _, k := range s {
		if k.Sign == nil {
			continue
		}
		if _, asym := k.Sign.(crypto.Signer); asym {
			return k, true
		}
		if !ok {
			found, ok = k, true
		}
	}
	return found, ok
}

// Signer issues tokens.
type Signer struct{ key atomic.Pointer[Key] }

// NewSigner signs with the key of set that is meant for it.
func NewSigner(set KeySet) (*Signer, error) {
	s := &Signer{}
	return s, s.SetKeys(set)
}

// SetKeys lets the signer sign with the key of another set from now on.
func (s *Signer) SetKeys(set KeySet) error {
	k, ok := set.signer()
	if !ok {
		return errors.New("no key can sign tokens: set a JWT secret or a signing key")
	}
	if jwt.GetSigningMethod(k.Algorithm) == nil {
		return fmt.Errorf("the signing algorithm %q is unknown: use HS256, RS256 or ES256", k.Algorithm)
	}
	s.key.Store(&k)
	return nil
}

// Sign returns the compact form of a token with these claims. The order of
// the claims is that of their JSON encoding.
func (s *Signer) Sign(claims any) (string, error) { return s.sign(claims, true) }

// SignPlain is Sign with no "typ" in the header, the form of signed URLs.
func (s *Signer) SignPlain(claims any) (string, error) { return s.sign(claims, false) }

func (s *Signer) sign(claims any, typ bool) (string, error) {
	key := s.key.Load()
	head := struct {
		Alg string `json:"alg"`
		Kid string `json:"kid,omitempty"`
		Typ string `json:"typ,omitempty"`
	}{Alg: key.Algorithm, Kid: key.ID}
	if typ {
		head.Typ = "JWT"
	}
	h, err := json.Marshal(head)
	if err != nil {
		return "", err
	}
	c, err := marshalClaims(claims)
	if err != nil {
		return "", err
	}
	signing := encodeSegment(h) + "." + encodeSegment(c)
	sig, err := jwt.GetSigningMethod(key.Algorithm).Sign(signing, key.Sign)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return signing + "." + encodeSegment(sig), nil
}

// Verifier checks tokens against a KeySet. Signatures that proved good are
// remembered, bounded, so that a client's next request costs a look-up; times
// are judged on every use (Claims.CheckTime).
type Verifier struct {
	state atomic.Pointer[verifierState]
	stats VerifierStats
}

// verifierState belongs together: what was remembered under other keys is not
// believed.
type verifierState struct {
	keys  KeySet
	cache *tokenCache // nil remembers nothing
}

// VerifierStats count what became of tokens.
type VerifierStats struct {
	Lookups, Hits, Evictions atomic.Int64
}

// DefaultRememberedTokens is how many tokens a new Verifier remembers.
const DefaultRememberedTokens = 1000

// NewVerifier verifies against keys.
func NewVerifier(keys KeySet) *Verifier {
	v := &Verifier{}
	v.SetKeys(keys, DefaultRememberedTokens)
	return v
}

// SetKeys verifies against other keys from now on and forgets every token.
// It remembers up to remembered ones, none at 0.
func (v *Verifier) SetKeys(keys KeySet, remembered int) {
	s := &verifierState{keys: keys}
	if remembered > 0 {
		s.cache = newTokenCache(remembered)
		s.cache.evicted = &v.stats.Evictions
	}
	v.state.Store(s)
}

// Stats are the verifier's own counters.
func (v *Verifier) Stats() *VerifierStats { return &v.stats }

// maxTokenBytes bounds the tokens that are looked at.
const maxTokenBytes = 64 << 10

// Verify checks the shape and the signature of token and returns its claims.
// The error is always a *TokenError.
func (v *Verifier) Verify(token string) (*Claims, error) {
	s := v.state.Load()
	if s.cache == nil {
		return s.judge(token)
	}
	v.stats.Lookups.Add(1)
	if c := s.cache.get(token); c != nil {
		v.stats.Hits.Add(1)
		return c, nil
	}
	c, err := s.judge(token)
	if err != nil {
		return nil, err
	}
	s.cache.put(token, c)
	return c, nil
}

// judge is verify where there are keys that somebody has configured.
func (v *verifierState) judge(token string) (*Claims, error) {
	c, err := v.verify(token)
	if err != nil && !slices.ContainsFunc(v.keys, func(k Key) bool { return !k.Own }) {
		return nil, &TokenError{Kind: NoSecret}
	}
	return c, err
}

func (v *verifierState) verify(token string) (*Claims, error) {
	if token == "" {
		return nil, &TokenError{Kind: Empty}
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > maxTokenBytes {
		return nil, &TokenError{Kind: Malformed, Parts: len(parts)}
	}
	var head struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
	}
	rawHead, err := decodeSegment(parts[0])
	if err != nil || json.Unmarshal(rawHead, &head) != nil {
		return nil, &TokenError{Kind: Malformed, Parts: 3, Detail: "header"}
	}
	raw, err := decodeSegment(parts[1])
	if err != nil {
		return nil, &TokenError{Kind: Malformed, Parts: 3, Detail: "payload"}
	}
	sig, err := decodeSegment(parts[2])
	if err != nil {
		return nil, &TokenError{Kind: Malformed, Parts: 3, Detail: "signature"}
	}
	if strings.EqualFold(head.Alg, "none") {
		return nil, &TokenError{Kind: AlgNone, Alg: head.Alg}
	}
	if err := v.verifySignature(head.Alg, head.Kid, parts[0]+"."+parts[1], sig); err != nil {
		return nil, err
	}
	return parseClaims(raw)
}

// verifySignature tries the keys of the token's algorithm: those of its kid
// and those that have none, because the platform signs API keys without one.
func (v *verifierState) verifySignature(alg, kid, signing string, sig []byte) error {
	method := jwt.GetSigningMethod(alg)
	algKnown, tried := false, false
	for _, k := range v.keys {
		if !k.accepts(alg) {
			continue
		}
		algKnown = true
		if kid != "" && k.ID != "" && kid != k.ID {
			continue
		}
		tried = true
		if method.Verify(signing, sig, k.Verify) == nil {
			return nil
		}
	}
	switch {
	case tried:
		return &TokenError{Kind: BadSignature, Alg: alg}
	case algKnown:
		return &TokenError{Kind: NoKey, Alg: alg, Detail: kid}
	default:
		return &TokenError{Kind: UnsupportedAlg, Alg: alg}
	}
}

// keyClaims are the claims of a legacy API key, in the order the platform
// writes them.
type keyClaims struct {
	Issuer string `json:"iss"`
	Role   string `json:"role"`
	Exp    int64  `json:"exp"`
}

// demoKeyExpiry is the expiry of the platform's well-known local keys.
var demoKeyExpiry = time.Unix(1983812996, 0)
