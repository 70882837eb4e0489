package gateway

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Claims are the claims of a verified token: those the server itself looks at,
// and the whole object as it was signed.
type Claims struct {
	Role      string // "role", "" when absent or no string
	Subject   string // "sub"
	SessionID string // "session_id"
	Email     string // "email"

	// Unix seconds; nil when absent. A claim that is no number makes
	// CheckTime fail, as every service of the platform treats it.
	ExpiresAt, NotBefore, IssuedAt *float64

	// Raw is the claims object exactly as signed.
	Raw json.RawMessage

	m    map[string]any
	notN string // the first time claim that is not a number
}

// Map is the decoded claims object. It is shared and must not be changed.
func (c *Claims) Map() map[string]any { return c.m }

func parseClaims(raw []byte) (*Claims, error) {
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil || m == nil {
		return nil, &TokenError{Kind: BadClaims, Detail: "the claims are not a JSON object"}
	}
	c := &Claims{Raw: raw, m: m}
	c.Role, _ = m["role"].(string)
	c.Subject, _ = m["sub"].(string)
	c.SessionID, _ = m["session_id"].(string)
	c.Email, _ = m["email"].(string)
	for _, t := range []struct {
		name string
		to   **float64
	}{{"exp", &c.ExpiresAt}, {"nbf", &c.NotBefore}, {"iat", &c.IssuedAt}} {
		v, ok := m[t.name]
		if !ok || v == nil {
			continue
		}
		f, ok := v.(float64)
		if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
			if c.notN == "" {
				c.notN = t.name
			}
			continue
		}
		*t.to = &f
	}
	return c, nil
}

// CheckTime judges exp, nbf and iat at now, each with leeway. The error is a
// *TokenError of kind NotANumber, Expired, NotYetValid or IssuedInFuture.
func (c *Claims) CheckTime(now time.Time, leeway time.Duration) error {
	if c.notN != "" {
		return &TokenError{Kind: NotANumber, Detail: c.notN}
	}
	t := float64(now.UnixNano()) / 1e9
	l := leeway.Seconds()
	switch {
	case c.ExpiresAt != nil && t-l >= *c.ExpiresAt:
		return &TokenError{Kind: Expired}
	case c.NotBefore != nil && t+l < *c.NotBefore:
		return &TokenError{Kind: NotYetValid}
	case c.IssuedAt != nil && t+l < *c.IssuedAt:
		return &TokenError{Kind: IssuedInFuture}
	}
	return nil
}

// TokenErrorKind says what is wrong with a token, in the distinctions that the
// dialects' own messages make.
type TokenErrorKind int

// The kinds of TokenError.
const (
	Empty          TokenErrorKind = iota // an Authorization header with an empty token
	Malformed                            // not three parts, or a part that does not decode
	BadSignature                         // signed with another key, or changed since
	AlgNone                              // alg "none"
	UnsupportedAlg                       // an algorithm that no key is for
	NoKey                                // no key of the token's kid or algorithm
	BadClaims                            // the payload is no JSON object
	NotANumber                           // exp, nbf or iat is no number (Detail names it)
	Expired                              // exp has passed
	NotYetValid                          // nbf is to come
	IssuedInFuture                       // iat is to come
	NoSecret                             // there is no key at all to verify tokens with
)

// TokenError says why a token was refused. Each dialect turns the kind into
// its own status, code and message; the token itself is never part of it.
type TokenError struct {
	Kind   TokenErrorKind
	Parts  int    // how many dot separated parts a Malformed token has
	Alg    string // the token's algorithm where it matters
	Detail string
}

func (e *TokenError) Error() string {
	switch e.Kind {
	case Empty:
		return "the token is empty"
	case Malformed:
		return fmt.Sprintf("the token is malformed (%d parts)", e.Parts)
	case BadSignature:
		return "the token's signature is invalid"
	case AlgNone:
		return "the token is not signed"
	case UnsupportedAlg:
		return fmt.Sprintf("the token's algorithm %q is not accepted", e.Alg)
	case NoKey:
		return "no key fits the token"
	case BadClaims:
		return "the token's claims cannot be read"
	case NotANumber:
		return fmt.Sprintf("the token's claim %q is not a number", e.Detail)
	case Expired:
		return "the token is expired"
	case NotYetValid:
		return "the token is not valid yet"
	case NoSecret:
		return "the server has no key to verify tokens with"
	default:
		return "the token was issued in the future"
	}
}
