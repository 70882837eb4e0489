// Package control answers what only tests ask of a server: to move its clock,
// to forget every user, to open a session without a password. Whoever may call
// it can be anyone, so that it stands behind the service key, on loopback, and
// only where it is switched on.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/suparust/suparust/server/internal/httpx"
)

// Clock is the clock that is moved.
type Clock interface {
	Now() time.Time
	Advance(d time.Duration)
	Set(t time.Time)
}

// Config of a Handler; all of it is required.
type Config struct {
	Clock Clock
	// Admin lets requests with an admin's token pass, of any time.
	Admin func(http.Handler) http.Handler
	// Reset forgets every user and message.
	Reset func(ctx context.Context) error
	// Session answers with the tokens of a new session, for the user that the
	// body names.
	Session http.Handler
}

// Handler serves the control API below its prefix.
type Handler struct {
	cfg   Config
	inner http.Handler
}

// New makes a Handler. It does no I/O.
func New(c Config) *Handler {
	h := &Handler{cfg: c}
	mux := http.NewServeMux()
	mux.Handle("GET /clock", httpx.Handle(h.clock, refuse))
	mux.Handle("POST /clock", httpx.Handle(h.moveClock, refuse))
	mux.Handle("POST /auth/reset", httpx.Handle(h.reset, refuse))
	mux.Handle("POST /auth/session", c.Session)
	h.inner = fromHere(c.Admin(mux))
	return h
}

// fromHere refuses what a page of the web makes the browser of this machine
// ask, by a name that leads to loopback or from an origin of its own: the key
// may be a public one.
func fromHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if u, err := url.Parse(origin); !httpx.Here(r.Host) || origin != "" && (err != nil || !httpx.Here(u.Host)) {
			const status = http.StatusForbidden
			_ = httpx.WriteJSON(w, status, map[string]any{"code": status, // plain values always encode
				"message": "the control API is for this machine alone: ask http://127.0.0.1 or http://localhost, not from a page of another host"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.inner.ServeHTTP(w, r) }

const maxBody = 64 << 10

// fault is a request that cannot be carried out as it stands.
type fault struct{ message string }

func (f fault) Error() string { return f.message }

func refuse(w http.ResponseWriter, _ *http.Request, err error) {
	status := http.StatusInternalServerError
	var f fault
	if errors.As(err, &f) {
		status = http.StatusBadRequest
	}
	_ = httpx.WriteJSON(w, status, map[string]any{"code": status, "message": err.Error()}) // plain values always encode
}

func (h *Handler) clock(w http.ResponseWriter, _ *http.Request) error {
	return httpx.WriteJSON(w, http.StatusOK, map[string]time.Time{"now": h.cfg.Clock.Now().UTC()})
}

// moveClock is POST /clock: {"advance": "1h30m"} or {"set": "2030-01-31T12:00:00Z"}.
func (h *Handler) moveClock(w http.ResponseWriter, r *http.Request) error {
	body, err := httpx.ReadBody(w, r, maxBody)
	if err != nil {
		return err
	}
	var p struct {
		Advance string    `json:"advance"`
		Set     time.Time `json:"set"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return fault{`the body is not what it has to be: {"advance": "1h30m"} or {"set": "2030-01-31T12:00:00Z"}`}
	}
	switch {
	case p.Advance != "" && p.Set.IsZero():
		d, err := time.ParseDuration(p.Advance)
		if err != nil {
			return fault{fmt.Sprintf("%q is no duration such as 90s or 1h30m", p.Advance)}
		}
		h.cfg.Clock.Advance(d)
	case p.Advance == "" && !p.Set.IsZero():
		h.cfg.Clock.Set(p.Set)
	default:
		return fault{"give either advance or set"}
	}
	return h.clock(w, r)
}

func (h *Handler) reset(w http.ResponseWriter, r *http.Request) error {
	if err := h.cfg.Reset(r.Context()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
