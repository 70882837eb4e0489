package server

import (
	"crypto/rand"
	"slices"

	"github.com/suparust/suparust/server/internal/gateway"
)

// keyring is every key that tokens are signed and verified with, and who signs
// and verifies with them.
type keyring struct {
	all      gateway.KeySet
	verifier *gateway.Verifier
	tokens   *gateway.Signer // of Auth's tokens
	urls     *gateway.Signer // of signed URLs, which stay with the secret, as the platform's
	own      gateway.Key
}

func newKeyring(c *Config, secret gateway.KeySet) (*keyring, error) {
	random := make([]byte, gateway.MinSecretBytes)
	_, _ = rand.Read(random) // never fails since Go 1.24
	own := gateway.SecretKey(string(random))
	own.Own = true
	k := &keyring{verifier: gateway.NewVerifier(nil), tokens: &gateway.Signer{}, urls: &gateway.Signer{}, own: own}
	return k, k.set(c, secret)
}

// set puts the signing keys of c and the keys of its JWT secret in force. What
// none of them can sign is signed with a key that ends with this process.
func (k *keyring) set(c *Config, secret gateway.KeySet) error {
	all, err := c.Auth.keySet(secret)
	if err != nil {
		return err
	}
	all = slices.Clone(all)
	shared := slices.DeleteFunc(slices.Clone(secret), func(k gateway.Key) bool { _, ok := k.Sign.([]byte); return !ok })
	if len(shared) == 0 {
		shared = gateway.KeySet{k.own}
		all = append(all, k.own)
		c.Logger.Warn("there is no shared JWT secret: signed URLs, and tokens of Auth where there is no signing key, end with this process, and API keys are only those that are set")
	}
	if err := k.tokens.SetKeys(all); err != nil {
		return err
	}
	if err := k.urls.SetKeys(shared); err != nil {
		return err
	}
	k.all = all
	k.verifier.SetKeys(all, c.RememberedTokens)
	return nil
}
