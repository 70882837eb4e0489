package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/suparust/suparust/server/internal/gateway"
)

// leeway is how many seconds clocks may be apart when a token's times are judged.
const leeway = 30

// caller is under whose role a request runs, and what SQL can read of the token.
type caller struct {
	role          string
	subject       string
	claims        []byte
	authenticated bool
}

// caller judges the token of a request. The role is not looked up: PostgreSQL
// refuses one that does not exist or may not be taken.
func (h *Handler) caller(r *http.Request, c *config) (*caller, error) {
	cred := gateway.CredentialsFrom(r.Context())
	claims, refused := cred.Claims, cred.Err
	if c.verifier != nil && cred.Token != "" {
		var err error
		if claims, err = c.verifier.Verify(cred.Token); err == nil {
			refused = nil
		} else {
			var te *gateway.TokenError
			if !errors.As(err, &te) {
				return nil, err
			}
			refused = te
		}
	}
	if refused != nil {
		return nil, tokenError(refused)
	}
	out := &caller{role: c.anonRole}
	if claims == nil {
		if out.role == "" {
			return nil, anonymousDisabled()
		}
		out.claims = c.anonClaims
		return out, nil
	}
	if err := checkTimes(claims, h.now()); err != nil {
		return nil, err
	}
	if err := checkAudience(claims, c.audience); err != nil {
		return nil, err
	}
	if role, ok := c.roleClaim.Lookup(claims.Map()); ok {
		out.role = role
	} else if out.role == "" {
		return nil, anonymousDisabled()
	}
	out.subject = claims.Subject
	out.authenticated = out.role != c.anonRole
	if out.role == claims.Role {
		out.claims = claims.Raw
	} else {
		out.claims = claimsWithRole(claims.Raw, out.role)
	}
	return out, nil
}

// checkTimes judges exp, nbf and iat in whole seconds.
func checkTimes(c *gateway.Claims, at time.Time) error {
	now := float64(at.Unix())
	for _, claim := range [...]string{"exp", "nbf", "iat"} {
		v, ok := c.Map()[claim]
		if !ok || v == nil {
			continue
		}
		sec, ok := v.(float64)
		sec = math.Floor(sec)
		switch {
		case !ok:
			return claimsError("The JWT '" + claim + "' claim must be a number")
		case claim == "exp" && now-leeway > sec:
			return claimsError("JWT expired")
		case claim == "nbf" && now+leeway < sec:
			return claimsError("JWT not yet valid")
		case claim == "iat" && now+leeway < sec:
			return claimsError("JWT issued at future")
		}
	}
	return nil
}

// claimsWithRole is the claims object with the effective role in it.
func claimsWithRole(raw []byte, role string) []byte {
	claims := map[string]json.RawMessage{}
	if raw != nil && json.Unmarshal(raw, &claims) != nil {
		claims = map[string]json.RawMessage{}
	}
	text, err := json.Marshal(role)
	if err != nil {
		return []byte("{}")
	}
	claims["role"] = text
	out, err := json.Marshal(claims)
	if err != nil {
		return []byte("{}")
	}
	return out
}

// checkAudience judges the aud claim: its form always, its content only when
// an audience is configured. An absent or empty one is for everybody.
func checkAudience(c *gateway.Claims, want string) error {
	var have []string
	switch aud := c.Map()["aud"].(type) {
	case nil:
		return nil
	case string:
		have = []string{aud}
	case []any:
		for _, a := range aud {
			s, ok := a.(string)
			if !ok {
				return badAudience()
			}
			have = append(have, s)
		}
	default:
		return badAudience()
	}
	if want == "" || len(have) == 0 || slices.Contains(have, want) {
		return nil
	}
	return claimsError(otherAudience)
}

// otherAudience is told of a token that is for somebody else.
const otherAudience = "JWT not in audience"

func badAudience() error {
	return claimsError("The JWT 'aud' claim must be a string or an array of strings")
}

func anonymousDisabled() error {
	return &Error{Code: "PGRST302", Status: http.StatusUnauthorized, Message: "Anonymous access is disabled",
		Header: http.Header{"Www-Authenticate": {"Bearer"}}}
}

func claimsError(message string) *Error { return invalidToken("PGRST303", message, nil) }

func invalidToken(code, message string, details any) *Error {
	return &Error{Code: code, Status: http.StatusUnauthorized, Message: message, Details: details,
		Header: http.Header{"Www-Authenticate": {fmt.Sprintf("Bearer error=%q, error_description=%q", "invalid_token", message)}}}
}

// tokenError words what the gateway found wrong with a token.
func tokenError(e *gateway.TokenError) *Error {
	const decoding = "PGRST301"
	switch e.Kind {
	case gateway.NoSecret:
		return &Error{Code: "PGRST300", Status: http.StatusInternalServerError, Message: "Server lacks JWT secret"}
	case gateway.Empty:
		return invalidToken(decoding, "Empty JWT is sent in Authorization header", nil)
	case gateway.Malformed:
		if e.Parts != 3 {
			return invalidToken(decoding, fmt.Sprintf("Expected 3 parts in JWT; got %d", e.Parts), nil)
		}
		return invalidToken(decoding, unreadable, nil)
	case gateway.AlgNone:
		if e.Alg != "none" {
			return invalidToken(decoding, unreadable, nil)
		}
		return invalidToken(decoding, "Wrong or unsupported encoding algorithm", "JWT is unsecured but expected 'alg' was not 'none'")
	case gateway.UnsupportedAlg:
		if !gateway.IsSignatureAlgorithm(e.Alg) {
			return invalidToken(decoding, unreadable, nil)
		}
		return invalidToken(decoding, noKey, "No suitable key was found to decode the JWT")
	case gateway.NoKey:
		return invalidToken(decoding, noKey, "No suitable key was found to decode the JWT")
	case gateway.BadSignature:
		return invalidToken(decoding, noKey, "None of the keys was able to decode the JWT")
	case gateway.BadClaims:
		return claimsError("Parsing claims failed")
	default:
		return invalidToken(decoding, "JWT couldn't be decoded", nil)
	}
}

// What is told of a token whose parts are no JSON in base64, and of one that
// no key is for or has signed.
const (
	unreadable = "JWT cryptographic operation failed"
	noKey      = "No suitable key or wrong key type"
)

// ownSecret is the verifier of a secret that stands in the database. It stays
// as long as the secret does, so that tokens stay remembered.
type ownSecret struct {
	mu       sync.Mutex
	text     string
	base64   bool
	verifier *gateway.Verifier
}

// ownVerifier verifies against a secret of the database, nil when it has none.
func (h *Handler) ownVerifier(secret string, isBase64 bool) (*gateway.Verifier, error) {
	if secret == "" {
		return nil, nil
	}
	o := &h.secret
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.verifier != nil && o.text == secret && o.base64 == isBase64 {
		return o.verifier, nil
	}
	keys, err := gateway.Keys{JWTSecret: secret, JWTSecretIsBase64: isBase64}.Set()
	if err != nil {
		return nil, err
	}
	o.text, o.base64, o.verifier = secret, isBase64, &gateway.Verifier{}
	o.verifier.SetKeys(keys, h.cfg.RememberedTokens)
	return o.verifier, nil
}
