package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// The keys of the platform's local stack. Apps have them in committed .env
// files, so a server beside a project's folder uses them byte for byte. They
// are public and protect nothing.
const (
	DemoJWTSecret      = "super-secret-jwt-token-with-at-least-32-characters-long"
	DemoPublishableKey = "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH"
	DemoSecretKey      = "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz"
)

// Keys are what clients identify their project with: the secret that tokens
// are signed with, the API keys as JWTs, and their opaque forms.
type Keys struct {
	// JWTSecret is a text, a JWK or a set of JWKs: see ParseSecret.
	JWTSecret string
	// JWTSecretIsBase64 says that JWTSecret is given in base64.
	JWTSecretIsBase64 bool

	AnonKey        string // JWT of role anon
	ServiceRoleKey string // JWT of role service_role
	PublishableKey string // sb_publishable_…, acts as AnonKey
	SecretKey      string // sb_secret_…, acts as ServiceRoleKey
}

// MinSecretBytes is the shortest JWT secret that is accepted.
const MinSecretBytes = 32

// Set is the keys that JWTSecret holds.
func (k Keys) Set() (KeySet, error) {
	secret := k.JWTSecret
	if k.JWTSecretIsBase64 {
		var err error
		if secret, err = DecodeSecret(secret); err != nil {
			return nil, err
		}
	}
	return ParseSecret([]byte(secret))
}

// Complete replaces JWTSecret by the shared secret it holds and fills in every
// key that is not set from that: JWTs signed with it, opaque keys as keyed
// hashes of it, and the well-known ones for the well-known secret. Of a set
// without a shared secret nothing can be derived, and the keys that are not
// set stay empty. It fails when the secret is too short.
func (k Keys) Complete() (Keys, error) {
	set, err := k.Set()
	if err != nil {
		return k, err
	}
	k.JWTSecret, k.JWTSecretIsBase64 = set.Symmetric(), false
	if k.JWTSecret == "" {
		return k, nil
	}
	signer, err := NewSigner(KeySet{SecretKey(k.JWTSecret)})
	if err != nil {
		return k, err
	}
	for _, j := range []struct {
		to   *string
		role string
	}{{&k.AnonKey, "anon"}, {&k.ServiceRoleKey, "service_role"}} {
		if *j.to != "" {
			continue
		}
		*j.to, err = signer.Sign(keyClaims{Issuer: "supabase-demo", Role: j.role, Exp: demoKeyExpiry.Unix()})
		if err != nil {
			return k, err
		}
	}
	if k.JWTSecret == DemoJWTSecret {
		setIfEmpty(&k.PublishableKey, DemoPublishableKey)
		setIfEmpty(&k.SecretKey, DemoSecretKey)
	}
	setIfEmpty(&k.PublishableKey, "sb_publishable_"+derive(k.JWTSecret, "publishable"))
	setIfEmpty(&k.SecretKey, "sb_secret_"+derive(k.JWTSecret, "secret"))
	return k, nil
}

func setIfEmpty(s *string, v string) {
	if *s == "" {
		*s = v
	}
}

func derive(secret, label string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte("suparust api key " + label))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))[:31]
}

// bearerFor is the JWT that an opaque key stands for, "" when it is none of
// ours. It compares in constant time.
func (k Keys) bearerFor(key string) string {
	secret := subtle.ConstantTimeCompare([]byte(key), []byte(k.SecretKey))
	publishable := subtle.ConstantTimeCompare([]byte(key), []byte(k.PublishableKey))
	switch {
	case key == "":
		return ""
	case secret == 1:
		return k.ServiceRoleKey
	case publishable == 1:
		return k.AnonKey
	default:
		return ""
	}
}
