package server

import (
	"errors"

	"github.com/suparust/suparust/server/internal/gateway"
)

// SignToken returns a token with these claims that a server of this
// configuration accepts: signed as Auth signs, with the signing key where there
// is one, else with the JWT secret.
func (c *Config) SignToken(claims map[string]any) (string, error) {
	if c.NeedsSecret() {
		return "", errors.New("there is no JWT secret yet: run `suparust start` once, which makes one, or set SUPARUST_JWT_SECRET")
	}
	secret, err := c.secretKeys()
	if err != nil {
		return "", err
	}
	set, err := c.Auth.keySet(secret)
	if err != nil {
		return "", err
	}
	signer, err := gateway.NewSigner(set)
	if err != nil {
		return "", err
	}
	return signer.Sign(claims)
}
