package auth

import (
	"bytes"
	"encoding/json"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/httpx"
)

const (
	maxBody        = 1 << 20
	maxUserAgent   = 1024
	badJSONMessage = "Could not parse request body as JSON: %v"
)

// readJSON reads the body into v whatever its content type says, unless that
// is a form's.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := httpx.ReadBody(w, r, maxBody)
	if err != nil {
		return err
	}
	if isForm(r) {
		body = nil
	}
	return parseJSON(body, v)
}

// isForm reports whether the body is a form's: as in OAuth it holds parameters
// such as grant_type and redirect_to, and leaves no JSON to read.
func isForm(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/x-www-form-urlencoded"
}

// readOptionalJSON is readJSON for endpoints whose body may be empty.
func readOptionalJSON(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := httpx.ReadBody(w, r, maxBody)
	if err != nil || len(body) == 0 || isForm(r) {
		return err
	}
	return parseJSON(body, v)
}

func parseJSON(body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return badRequest(codeBadJSON, badJSONMessage, err)
	}
	if hasEscapedNul(body) {
		return badRequest(codeBadJSON, badJSONMessage, `the character \u0000 cannot be stored`)
	}
	return nil
}

// hasEscapedNul reports whether valid JSON holds the escape \u0000, which
// PostgreSQL's text cannot hold.
func hasEscapedNul(b []byte) bool {
	for {
		i := bytes.Index(b, []byte(`\u0000`))
		if i < 0 {
			return false
		}
		backslashes := 0
		for j := i; j >= 0 && b[j] == '\\'; j-- {
			backslashes++
		}
		if backslashes%2 == 1 {
			return true
		}
		b = b[i+1:]
	}
}

// object is a JSON object that a client sent, such as a user's metadata.
type object map[string]any

// merge splits o into what is to be set and the keys that a null removes.
func (o object) merge() (set []byte, remove []string) {
	kept := make(map[string]any, len(o))
	remove = []string{}
	for k, v := range o {
		if v == nil {
			remove = append(remove, k)
		} else {
			kept[k] = v
		}
	}
	slices.Sort(remove)
	return mustJSON(kept), remove
}

// mustJSON encodes what came from JSON or holds only strings and numbers; such
// values always have an encoding.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("auth: " + err.Error())
	}
	return b
}

// client is what a session remembers of the caller.
type client struct {
	IP        string // "" when unknown
	UserAgent string
}

func clientOf(r *http.Request) client {
	return client{IP: clientIP(r), UserAgent: cleanText(r.UserAgent(), maxUserAgent)}
}

// clientIP is the first address of X-Forwarded-For that is one, else the
// peer's.
func clientIP(r *http.Request) string {
	for part := range strings.SplitSeq(r.Header.Get("X-Forwarded-For"), ",") {
		if ip, err := netip.ParseAddr(strings.TrimSpace(part)); err == nil {
			return ip.WithZone("").String()
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	return ip.WithZone("").String()
}

// cleanText makes s fit for a text column: valid UTF-8, no NUL, at most n
// bytes.
func cleanText(s string, n int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// audience of a request: its header, else its token's, else the setting. A
// token of an admin role has none of its own.
func (h *Handler) audience(r *http.Request) string {
	if aud := cleanText(r.Header.Get("X-Jwt-Aud"), 255); aud != "" {
		return aud
	}
	claims := gateway.CredentialsFrom(r.Context()).Claims
	if claims != nil && !slices.Contains(h.cfg.AdminRoles, claims.Role) {
		if aud := claimAudience(claims); aud != "" {
			return aud
		}
	}
	return h.cfg.Audience
}

// claimAudience is the first audience of a token.
func claimAudience(c *gateway.Claims) string {
	switch aud := c.Map()["aud"].(type) {
	case string:
		return aud
	case []any:
		if len(aud) > 0 {
			s, _ := aud[0].(string)
			return s
		}
	}
	return ""
}
