package gateway

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Record is what a request was and what it asked of the database.
type Record struct {
	ID       string        `json:"id"` // as in the X-Request-Id header
	Method   string        `json:"method"`
	Target   string        `json:"target"` // path and query, without the secrets of links
	Role     string        `json:"role"`   // of the token, "" when there is none that is good
	Status   int           `json:"status"`
	Bytes    int64         `json:"bytes"`
	Began    time.Time     `json:"began"`
	Duration time.Duration `json:"duration_ns"`
	// SQL are the statements, without their parameters; no more than
	// maxTraced.
	SQL []string `json:"sql"`
}

// maxTraced bounds the statements that are kept of a request.
const maxTraced = 32

// trace collects the statements of a request.
type trace struct {
	mu  sync.Mutex
	sql []string
}

// NoteSQL notes a statement of the request that ctx belongs to, where requests
// are traced.
func NoteSQL(ctx context.Context, sql string) {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok || x.trace == nil {
		return
	}
	x.trace.mu.Lock()
	defer x.trace.mu.Unlock()
	if len(x.trace.sql) < maxTraced {
		x.trace.sql = append(x.trace.sql, sql)
	}
}

// record tells of a request that has ended.
func (g *Gateway) record(r *http.Request, path string, x *exchange, began time.Time) {
	if x.trace == nil {
		return
	}
	rec := Record{ID: x.id, Method: r.Method, Target: path, Status: x.statusCode(), Bytes: x.bytes, Began: began, Duration: time.Since(began)}
	if q := openQuery(r.URL.RawQuery); q != "" {
		rec.Target += "?" + q
	}
	if c := x.credentials.Claims; c != nil {
		rec.Role = c.Role
	}
	x.trace.mu.Lock()
	rec.SQL = slices.Clone(x.trace.sql)
	x.trace.mu.Unlock()
	g.trace(rec)
}

// secretParams are the parameters of links whose values let someone in.
var secretParams = []string{"apikey", "token", "token_hash", "code", "refresh_token", "access_token", "x-amz-signature", "x-amz-security-token"}

// openQuery is a query without the secrets in it.
func openQuery(raw string) string {
	if raw == "" {
		return ""
	}
	parts := strings.Split(raw, "&")
	for i, part := range parts {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err != nil || slices.Contains(secretParams, strings.ToLower(plain)) {
			parts[i] = name + "=…"
		}
	}
	return strings.Join(parts, "&")
}
