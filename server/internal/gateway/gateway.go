// Package gateway is what stands before the dialects: it turns API keys and
// tokens into Credentials, answers CORS, gives every request an id, writes the
// access log and catches panics.
//
// The rules for keys are those of the platform's local gateway; a bad token is
// not refused here, because each dialect answers it in its own words.
package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
)

// Config of a Gateway. Keys and Verifier are required.
type Config struct {
	Keys     Keys
	Verifier *Verifier
	// Origins are the origins whose pages may read the answer to a request,
	// none for all; nil is all for every request.
	Origins func(*http.Request) []string
	// Plain tells which requests get the CORS headers of PostgREST itself; nil
	// gives all of them the platform's.
	Plain func(*http.Request) bool
	// Credentialed tells which requests are answered that pages may send
	// credentials, where Origins has none; nil is none.
	Credentialed func(*http.Request) bool
	// NeedsKey tells which requests are refused without one of the API keys;
	// nil lets all pass, as the platform's local stack does.
	NeedsKey func(*http.Request) bool
	// Trace is told of every request that has ended, with what it asked of the
	// database (see NoteSQL); nil is not.
	Trace  func(Record)
	Logger *slog.Logger // nil discards
}

// Gateway wraps the handlers of all dialects.
type Gateway struct {
	keys     atomic.Pointer[Keys]
	verifier *Verifier
	origins  func(*http.Request) []string
	plain    func(*http.Request) bool
	cookies  func(*http.Request) bool // Config.Credentialed
	needsKey func(*http.Request) bool
	trace    func(Record)
	log      *slog.Logger
}

// New makes a Gateway.
func New(c Config) *Gateway {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{verifier: c.Verifier, origins: c.Origins, plain: c.Plain, cookies: c.Credentialed, needsKey: c.NeedsKey, trace: c.Trace, log: c.Logger}
	g.SetKeys(c.Keys)
	return g
}

// SetKeys takes other API keys from now on.
func (g *Gateway) SetKeys(k Keys) { g.keys.Store(&k) }

// Wrap puts the gateway before next.
func (g *Gateway) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := newRequestID()
		path := r.URL.Path
		x := &exchange{statusWriter: statusWriter{ResponseWriter: w}, id: id, ids: [1]string{id}}
		sw := &x.statusWriter
		if g.trace != nil {
			x.trace = &trace{}
		}
		sw.Header()["X-Request-Id"] = x.ids[:]
		defer func() {
			p := recover()
			if p == http.ErrAbortHandler { //nolint:errorlint // the documented sentinel is compared by identity
				g.access(r, id, path, sw, time.Since(start))
				g.record(r, path, x, start)
				panic(p)
			}
			if p != nil {
				g.log.LogAttrs(r.Context(), slog.LevelError, "panic in a handler",
					slog.String("req_id", id), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
				if sw.status != 0 {
					panic(http.ErrAbortHandler) // half an answer must not look whole
				}
				writePanic(sw)
			}
			g.access(r, id, path, sw, time.Since(start))
			g.record(r, path, x, start)
		}()
		if g.writeCORS(sw.Header(), r) && isPreflight(r) {
			g.answerPreflight(sw, r)
			return
		}
		if !g.admits(sw, r) {
			return
		}
		g.credentials(r, &x.credentials)
		ctx := context.WithValue(r.Context(), exchangeKey{}, x)
		next.ServeHTTP(sw, withoutAPIKeyParam(r.WithContext(ctx)))
	})
}

func (g *Gateway) access(r *http.Request, id, path string, w *statusWriter, d time.Duration) {
	level := slog.LevelInfo
	if w.status >= 500 {
		level = slog.LevelError
	}
	g.log.LogAttrs(r.Context(), level, "request",
		slog.String("req_id", id), slog.String("method", r.Method), slog.String("path", path),
		slog.Int("status", w.statusCode()), slog.Int64("bytes", w.bytes),
		slog.Float64("duration_ms", float64(d.Microseconds())/1000))
}

func writePanic(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = w.Write([]byte(`{"code":"XX000","details":null,"hint":null,"message":"Internal server error: the server's log has the cause under this X-Request-Id"}`))
}

// exchange is what the gateway knows of a request and its answer, in one piece.
type exchange struct {
	statusWriter
	id          string
	ids         [1]string // the value of the header
	credentials Credentials
	trace       *trace // nil where requests are not traced
}

type exchangeKey struct{}

// RequestID is the id of the request that ctx belongs to, "" outside one. It
// stands in the X-Request-Id header, the log and PostgreSQL's
// application_name.
func RequestID(ctx context.Context) string {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x.id
	}
	return ""
}

func newRequestID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

// apiKeyParam is the query parameter that carries the key where no header can
// be sent: links and websockets.
const apiKeyParam = "apikey"

// withoutAPIKeyParam removes the apikey parameter from the query, so that no
// dialect takes it for a filter and no log or setting holds it.
func withoutAPIKeyParam(r *http.Request) *http.Request {
	if !strings.Contains(r.URL.RawQuery, apiKeyParam+"=") {
		return r
	}
	var kept []string
	for _, p := range strings.Split(r.URL.RawQuery, "&") {
		if !strings.HasPrefix(p, apiKeyParam+"=") {
			kept = append(kept, p)
		}
	}
	u := new(url.URL)
	*u = *r.URL
	u.RawQuery = strings.Join(kept, "&")
	r.URL = u // r is already this gateway's own copy
	return r
}
