package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/suparust/suparust/server/internal/gateway"
)

// leeway is how far clocks may be apart when a token's times are judged.
const leeway = 30 * time.Second

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
	if cred.Err != nil {
		return nil, tokenError(cred.Err)
	}
	out := &caller{role: c.anonRole}
	if cred.Claims == nil {
		if out.role == "" {
			return nil, anonymousDisabled()
		}
		out.claims = claimsWithRole(nil, out.role)
		return out, nil
	}
	if err := cred.Claims.CheckTime(h.now(), leeway); err != nil {
		var te *gateway.TokenError
		if errors.As(err, &te) {
			return nil, tokenError(te)
		}
		return nil, err
	}
	if err := checkAudience(cred.Claims, c.audience); err != nil {
		return nil, err
	}
	if cred.Claims.Role != "" {
		out.role = cred.Claims.Role
	}
	if out.role == "" {
		return nil, anonymousDisabled()
	}
	out.subject = cred.Claims.Subject
	out.authenticated = out.role != c.anonRole
	if out.role == cred.Claims.Role {
		out.claims = cred.Claims.Raw
	} else {
		out.claims = claimsWithRole(cred.Claims.Raw, out.role)
	}
	return out, nil
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
	const decoding, claims = "PGRST301", "PGRST303"
	switch e.Kind {
	case gateway.Empty:
		return invalidToken(decoding, "Empty JWT is sent in Authorization header", nil)
	case gateway.Malformed:
		if e.Parts != 3 {
			return invalidToken(decoding, fmt.Sprintf("Expected 3 parts in JWT; got %d", e.Parts), nil)
		}
		return invalidToken(decoding, "JWT couldn't be decoded", nil)
	case gateway.AlgNone:
		return invalidToken(decoding, "Wrong or unsupported encoding algorithm", "JWT is unsecured but expected 'alg' was not 'none'")
	case gateway.UnsupportedAlg:
		return invalidToken(decoding, "Wrong or unsupported encoding algorithm", nil)
	case gateway.BadSignature, gateway.NoKey:
		return invalidToken(decoding, "No suitable key or wrong key type", "None of the keys was able to decode the JWT")
	case gateway.BadClaims:
		return invalidToken(claims, "Parsing claims failed", nil)
	case gateway.NotANumber:
		return invalidToken(claims, fmt.Sprintf("The JWT '%s' claim must be a number", e.Detail), nil)
	case gateway.Expired:
		return invalidToken(claims, "JWT expired", nil)
	case gateway.NotYetValid:
		return invalidToken(claims, "JWT not yet valid", nil)
	case gateway.IssuedInFuture:
		return invalidToken(claims, "JWT issued at future", nil)
	default:
		return invalidToken(decoding, "JWT couldn't be decoded", nil)
	}
}
