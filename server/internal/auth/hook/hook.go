// Package hook asks a project what it thinks of a step of Auth: a function of
// the database, or an HTTP server that checks the Standard Webhooks signature
// of what it is sent.
package hook

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/httpx"
)

// Config of a hook.
type Config struct {
	Enabled bool
	// URI is pg-functions://postgres/<schema>/<function>, an https address, or
	// an http address of this machine.
	URI string
	// Secrets sign what an HTTP hook is sent: v1,whsec_<base64>.
	Secrets []string
	// Transport is the way to an address; nil is one of the hook's own.
	Transport http.RoundTripper
}

// Limits of a hook.
const (
	FunctionTimeout = 2 * time.Second
	httpTimeout     = 5 * time.Second
	httpAttempts    = 3
	httpBackoff     = 2 * time.Second
	maxAnswer       = 200 << 10
)

// Hook is a checked Config.
type Hook struct {
	// URI as it was configured.
	URI string
	// Function is the quoted name of the database's function, "" for an HTTP
	// hook.
	Function string

	address string
	keys    [][]byte
	client  *http.Client
	timeout time.Duration
	backoff time.Duration
}

var (
	identifier = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]{0,62}$`)
	asymmetric = "v1a,"
)

// New checks a hook's configuration; nil is a hook that is off.
func New(c Config) (*Hook, error) {
	if !c.Enabled {
		return nil, nil
	}
	u, err := url.Parse(c.URI)
	if err != nil || c.URI == "" {
		return nil, fmt.Errorf("the URI %q cannot be read: write pg-functions://postgres/<schema>/<function> or an https address", c.URI)
	}
	h := &Hook{URI: c.URI, timeout: httpTimeout, backoff: httpBackoff}
	switch strings.ToLower(u.Scheme) {
	case "pg-functions":
		h.Function, err = functionName(u)
		return h, err
	case "http":
		if !local[u.Hostname()] {
			return nil, fmt.Errorf("the URI %q has http and leads to another machine: take https, or one of localhost, 127.0.0.1, ::1 and host.docker.internal", c.URI)
		}
	case "https":
		if u.Host == "" {
			return nil, fmt.Errorf("the URI %q names no host", c.URI)
		}
	default:
		return nil, fmt.Errorf("the URI %q is neither a function of the database nor an HTTP address: write pg-functions://postgres/<schema>/<function> or an https address", c.URI)
	}
	h.address, h.client = c.URI, newClient(c.Transport)
	for i, s := range c.Secrets {
		key, err := signingKey(s)
		if err != nil {
			return nil, fmt.Errorf("the secret number %d %w", i+1, err)
		}
		h.keys = append(h.keys, key)
	}
	return h, nil
}

// local are the hosts that plain HTTP may lead to.
var local = map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true, httpx.DockerHost: true}

func functionName(u *url.URL) (string, error) {
	parts := strings.Split(u.Path, "/")
	if len(parts) < 3 {
		return "", fmt.Errorf("the URI %q names no function: write pg-functions://postgres/<schema>/<function>", u)
	}
	for _, name := range parts[1:3] {
		if !identifier.MatchString(name) {
			return "", fmt.Errorf("the URI %q names %q: schema and function have up to 63 letters, digits and underscores, and begin with no digit", u, name)
		}
	}
	return pgx.Identifier{parts[1], parts[2]}.Sanitize(), nil
}

// signingKey is the key of a secret v1,whsec_<base64>.
func signingKey(secret string) ([]byte, error) {
	if strings.HasPrefix(secret, asymmetric) {
		return nil, fmt.Errorf("is a pair of keys (v1a), which cannot be signed with: take v1,whsec_<base64>")
	}
	text, ok := strings.CutPrefix(secret, "v1,whsec_")
	if !ok {
		return nil, fmt.Errorf("has another form than v1,whsec_<base64>")
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(text) < 32 || len(text) > 88 {
		return nil, fmt.Errorf("is not 24 to 64 bytes in base64 behind v1,whsec_")
	}
	return key, nil
}

// Secrets parts the secrets of a setting, which stand with | between.
func Secrets(s string) []string {
	var list []string
	for part := range strings.SplitSeq(s, "|") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// Error is a hook's refusal, or what went wrong with an HTTP hook.
type Error struct {
	Status  int
	Code    string // "" when the hook itself refused
	Message string
	Cause   error
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Refusal is the error that an answer holds, nil when it holds none:
// {"error": {"http_code": 403, "message": "…"}}.
func Refusal(answer []byte) *Error {
	var a struct {
		Error *struct {
			HTTPCode int    `json:"http_code"`
			Message  string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(answer, &a) != nil || a.Error == nil || a.Error.Message == "" {
		return nil
	}
	status := a.Error.HTTPCode
	if status < 200 || status > 599 { // what ends no answer is a failure
		status = http.StatusInternalServerError
	}
	return &Error{Status: status, Message: a.Error.Message}
}
