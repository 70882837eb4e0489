package storage

import (
	"github.com/suparust/suparust/server/internal/gateway"
)

// The scopes of signed URLs.
const (
	scopeDownload = "download"
	scopeUpload   = "upload"
)

// maxExpiry is the last second, since 1970, that a token may live to.
const maxExpiry = 9_007_199_254_740

type downloadToken struct {
	Transformations string `json:"transformations,omitempty"`
	Format          string `json:"format,omitempty"`

	URL   string `json:"url"`
	Scope string `json:"scope"`
	Iat   int64  `json:"iat"`
	Exp   int64  `json:"exp"`
}

type uploadToken struct {
	Owner  *string `json:"owner,omitempty"`
	URL    string  `json:"url"`
	Upsert bool    `json:"upsert"`
	Scope  string  `json:"scope"`
	Iat    int64   `json:"iat"`
	Exp    int64   `json:"exp"`
}

// signDownload signs a token for reading the object that t names.
func (h *Handler) signDownload(t downloadToken, expiresIn int64) (string, error) {
	now := h.now().Unix()
	t.Scope, t.Iat, t.Exp = scopeDownload, now, now+expiresIn
	return h.signer.SignPlain(t)
}

// checkExpiry refuses a life that is too long for a token.
func (h *Handler) checkExpiry(expiresIn int64) error {
	if expiresIn > maxExpiry-h.now().Unix() {
		return errInvalidParameter("expiresIn")
	}
	return nil
}

// readSigned is checkSigned for the token of a signed URL.
func (c *call) readSigned(scope string) (*gateway.Claims, error) {
	f := readQuery(parseQuery(c.r.URL.RawQuery))
	f.require("token")
	token := f.text("token")
	if f.err != nil {
		return nil, f.err
	}
	if err := checkBucketName(c.bucket); err != nil {
		return nil, err
	}
	return c.h.checkSigned(token, scope, c.bucket+"/"+c.key)
}

// checkSigned reads a signed token and checks that it was made for this
// object and scope.
func (h *Handler) checkSigned(token, scope, object string) (*gateway.Claims, error) {
	claims, err := h.verifier.Verify(token)
	if err == nil {
		err = checkTime(claims, h.now())
	}
	if err != nil {
		return nil, &Error{Status: 400, Name: "InvalidJWT", Code: "InvalidJWT", Message: tokenMessage(err), Cause: err}
	}
	m := claims.Map()
	if !inScope(m, scope) {
		return nil, errSignature("Token is not scoped for " + scope)
	}
	if url, _ := m["url"].(string); url != object {
		return nil, errSignature("Invalid signature")
	}
	return claims, nil
}

// inScope reports whether a token is for scope. Those of older releases name
// none: the ones for uploads have upsert.
func inScope(m map[string]any, scope string) bool {
	if s, ok := m["scope"]; ok {
		return s == scope
	}
	_, upsert := m["upsert"]
	return upsert == (scope == scopeUpload)
}
