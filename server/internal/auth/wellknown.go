package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"

	"github.com/suparust/suparust/server/internal/gateway"
)

// jwk is the public part of a signing key.
type jwk struct {
	KeyID     string   `json:"kid,omitempty"`
	Type      string   `json:"kty"`
	Algorithm string   `json:"alg"`
	Use       string   `json:"use"`
	Ops       []string `json:"key_ops"`
	Curve     string   `json:"crv,omitempty"`
	X         string   `json:"x,omitempty"`
	Y         string   `json:"y,omitempty"`
	N         string   `json:"n,omitempty"`
	E         string   `json:"e,omitempty"`
}

// publicKeys is the document of the keys that others may verify tokens with.
// A shared secret is never among them.
func publicKeys(set gateway.KeySet) ([]byte, error) {
	b64 := base64.RawURLEncoding.EncodeToString
	doc := struct {
		Keys []jwk `json:"keys"`
	}{Keys: []jwk{}}
	for _, k := range set {
		j := jwk{KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig", Ops: []string{"verify"}}
		switch pub := k.Verify.(type) {
		case []byte:
			continue
		case *rsa.PublicKey:
			j.Type, j.N, j.E = "RSA", b64(pub.N.Bytes()), b64(big.NewInt(int64(pub.E)).Bytes())
		case *ecdsa.PublicKey:
			point, err := pub.Bytes()
			if err != nil {
				return nil, fmt.Errorf("auth: the signing key %q: %w", k.ID, err)
			}
			half := (len(point) - 1) / 2
			j.Type, j.Curve = "EC", pub.Curve.Params().Name
			j.X, j.Y = b64(point[1:1+half]), b64(point[1+half:])
		case ed25519.PublicKey:
			j.Type, j.Curve, j.X = "OKP", "Ed25519", b64(pub)
		default:
			return nil, fmt.Errorf("auth: the signing key %q is of a kind that cannot be published: RSA, EC and Ed25519 keys can", k.ID)
		}
		doc.Keys = append(doc.Keys, j)
	}
	return json.Marshal(doc)
}

const cacheTenMinutes = "public, max-age=600"

// wellKnownKeys is GET /.well-known/jwks.json.
func (h *Handler) wellKnownKeys(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", cacheTenMinutes)
	return writeOK(w, json.RawMessage(*h.jwks.Load()))
}

// wellKnownOpenID is GET /.well-known/openid-configuration.
func (h *Handler) wellKnownOpenID(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", cacheTenMinutes)
	at := strings.TrimSuffix(h.cfg.Issuer, "/")
	return writeOK(w, map[string]any{
		"issuer":                                h.cfg.Issuer,
		"authorization_endpoint":                at + "/oauth/authorize",
		"token_endpoint":                        at + "/oauth/token",
		"userinfo_endpoint":                     at + "/oauth/userinfo",
		"jwks_uri":                              at + "/.well-known/jwks.json",
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"grant_types_supported":                 []string{"authorization_code", "refresh_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "ES256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "none"},
		"code_challenge_methods_supported":      []string{"S256", "plain"},
		"scopes_supported":                      []string{"openid", "profile", "email", "phone", "offline_access"},
		"claims_supported": []string{"sub", "aud", "iss", "exp", "iat", "auth_time", "nonce", "email", "email_verified",
			"phone_number", "phone_number_verified", "name", "picture", "preferred_username", "updated_at"},
	})
}
