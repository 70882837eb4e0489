package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ParseSecret reads a JWT secret in any of the forms that PostgREST takes: a
// text of at least 32 bytes, which is an HS256 key, a JWK, or a document of
// JWKs. A JWK that names no algorithm verifies all of its type. Keys of a
// document that cannot verify tokens, those for encryption or of an unknown
// type, are left out.
func ParseSecret(secret []byte) (KeySet, error) {
	if trimmed := bytes.TrimSpace(secret); len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(trimmed) {
		return parseJWKSecret(trimmed)
	}
	if len(secret) < MinSecretBytes {
		return nil, fmt.Errorf("the JWT secret has %d characters and needs at least %d: set SUPARUST_JWT_SECRET to a longer one",
			len(secret), MinSecretBytes)
	}
	return KeySet{SecretKey(string(secret))}, nil
}

func parseJWKSecret(raw []byte) (KeySet, error) {
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
		Kty  *string           `json:"kty"`
	}
	if json.Unmarshal(raw, &doc) != nil || doc.Keys == nil && doc.Kty == nil {
		return nil, errors.New(`the JWT secret is JSON and no key: write a JWK as {"kty": …} or a set of them as {"keys": […]}`)
	}
	single := doc.Keys == nil
	if single {
		doc.Keys = []json.RawMessage{raw}
	}
	if len(doc.Keys) > maxSigningKeys {
		return nil, fmt.Errorf("the JWT secret has %d keys: at most %d are supported, remove those that no token needs any more", len(doc.Keys), maxSigningKeys)
	}
	var set KeySet
	for i, raw := range doc.Keys {
		var j jwk
		err := json.Unmarshal(raw, &j)
		if err == nil && !single && !j.verifies() {
			continue
		}
		var k Key
		if err == nil {
			k, err = j.key()
		}
		if err != nil {
			return nil, fmt.Errorf("the key %d of the JWT secret (kid %q): %w", i+1, cut(j.Kid, 64), err)
		}
		if j.Alg == "" {
			k.Also = algorithms[j.Kty+j.Crv][1:]
		}
		set = append(set, k)
	}
	if len(set) == 0 {
		return nil, errors.New("the JWT secret is a set without a key that can verify tokens: add one of the types oct, RSA, EC or OKP")
	}
	return set, nil
}

// verifies tells whether a key of a set is one for signatures, of a type and
// an algorithm that are known.
func (j *jwk) verifies() bool {
	if j.Use == "enc" {
		return false
	}
	switch j.Kty {
	case "oct", "RSA", "EC", "OKP":
	default:
		return false
	}
	switch {
	case j.Alg == "":
		return true
	case IsSignatureAlgorithm(j.Alg):
		return true
	default:
		return false
	}
}

// IsSignatureAlgorithm tells whether a key of some kind could verify tokens of
// this algorithm.
func IsSignatureAlgorithm(alg string) bool {
	for _, family := range algorithms {
		for _, a := range family {
			if a == alg {
				return true
			}
		}
	}
	return false
}

// DecodeSecret decodes a JWT secret that is given in base64, of the common or
// the URL alphabet, padded with "=" or "." or not at all.
func DecodeSecret(secret string) (string, error) {
	text := strings.NewReplacer("_", "/", "-", "+", ".", "=").Replace(strings.TrimSpace(secret))
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return "", errors.New("the JWT secret is no base64: correct it, or set SUPARUST_JWT_SECRET_IS_BASE64=false")
	}
	return string(raw), nil
}

// Symmetric is the set's shared secret, "" when there is none.
func (s KeySet) Symmetric() string {
	for _, k := range s {
		if secret, ok := k.Sign.([]byte); ok {
			return string(secret)
		}
	}
	return ""
}
