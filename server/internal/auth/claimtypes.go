package auth

import (
	"encoding/base64"
	"strings"
)

// claimTypes are the types that the claims read here have in a token.
var claimTypes = []struct {
	name, field, kind string // kind as kindOf names it
	wanted            string
}{
	{"iss", "RegisteredClaims.iss", "string", "string"},
	{"sub", "RegisteredClaims.sub", "string", "string"},
	{"jti", "RegisteredClaims.jti", "string", "string"},
	{"email", "email", "string", "string"},
	{"phone", "phone", "string", "string"},
	{"app_metadata", "app_metadata", "object", "map[string]interface {}"},
	{"user_metadata", "user_metadata", "object", "map[string]interface {}"},
	{"role", "role", "string", "string"},
	{"aal", "aal", "string", "string"},
	{"amr", "amr", "array", "[]models.AMREntry"},
	{"session_id", "session_id", "string", "string"},
	{"is_anonymous", "is_anonymous", "bool", "bool"},
}

// checkClaimTypes refuses a token with a claim of another type than issued
// ones have: what it says could be read in two ways.
func checkClaimTypes(claims map[string]any) error {
	for _, c := range claimTypes {
		if v := claims[c.name]; v != nil && kindOf(v) != c.kind {
			return forbidden(codeBadJWT, "invalid JWT: unable to parse or verify signature, token is malformed: "+
				"could not JSON decode claim: json: cannot unmarshal %s into Go struct field AccessTokenClaims.%s of type %s",
				kindOf(v), c.field, c.wanted)
		}
	}
	return nil
}

// kindOf is JSON's name of a decoded value's kind.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "bool"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "number"
}

// badPart says what is wrong with the first part of a token that is no base64.
func badPart(token string) string {
	for part := range strings.SplitSeq(token, ".") {
		if _, err := base64.RawURLEncoding.DecodeString(part); err != nil {
			return err.Error()
		}
	}
	return "illegal base64 data"
}
