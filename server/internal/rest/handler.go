// Package rest answers the REST dialect: it turns a request into one pipeline
// of settings and a statement, and the statement's row into the answer. Its
// subpackages do the parts that need no connection: request parses, plan
// decides, sqlast writes the SQL.
package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/httpx"
	"github.com/suparust/suparust/server/internal/rest/plan"
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/session"
)

// Handler serves the REST dialect. The path it sees has no prefix.
type Handler struct {
	cfg   Config
	db    *session.DB
	log   *slog.Logger
	now   func() time.Time
	cache *catalog.Cache
	http  http.Handler

	options atomic.Pointer[Options] // configured, before the database's
	inForce atomic.Pointer[config]
	zones   timezones
	memory  *memory
	spooled atomic.Int64 // bytes of answers in files, see spool
	secret  ownSecret
	loads   loads

	restarting atomic.Int64  // restarts of the database under way
	restarted  chan struct{} // wakes the schema listener

	background context.Context
	stop       context.CancelFunc
	watching   sync.Once
	done       sync.WaitGroup
}

// New makes a Handler. It opens no connection; the schema is read when the
// first request needs it.
func New(c Config) (*Handler, error) {
	if c.DB == nil {
		return nil, errors.New("rest: Config.DB is required")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Limits.complete()
	if c.Channel == "" {
		c.Channel = catalog.Channel
	}
	if c.RememberedTokens < 0 {
		c.RememberedTokens = 0
	}
	h := &Handler{cfg: c, db: c.DB, log: c.Logger, now: c.Now, memory: newMemory(c.MaxMemory), restarted: make(chan struct{}, 1)}
	if err := h.Reconfigure(c.Options); err != nil {
		return nil, err
	}
	h.cache = catalog.NewCache(h.loadSchema)
	h.http = httpx.Handle(h.serve, h.writeError)
	h.background, h.stop = context.WithCancel(context.Background())
	return h, nil
}

// Start is there for symmetry: the handler serves as soon as it was made.
func (h *Handler) Start(context.Context) error { return nil }

// Close stops the schema listener and waits for it.
func (h *Handler) Close() error {
	h.stop()
	h.watching.Do(func() {}) // from now on none is started
	h.done.Wait()
	return nil
}

// Reload reads the schema, and the settings of the database, anew and returns
// when they are in force.
func (h *Handler) Reload(ctx context.Context) error { return h.cache.Refresh(ctx) }

// KnownSchema is what is known of the schema, nil when nothing is.
func (h *Handler) KnownSchema() *catalog.Snapshot { return h.cache.Current() }

// Restarting says that the database is about to be started anew. When done is
// called it has been, and its schema is the one given, or has to be read anew
// when that is nil. No request may be answered in between.
func (h *Handler) Restarting() (done func(ctx context.Context, schema *catalog.Snapshot) error) {
	h.restarting.Add(1)
	return func(ctx context.Context, schema *catalog.Snapshot) error {
		err := h.cache.Replace(ctx, schema)
		h.restarting.Add(-1)
		select {
		case h.restarted <- struct{}{}:
		default:
		}
		return err
	}
}

// Reconfigure puts other options in force. Requests under way keep the old ones.
func (h *Handler) Reconfigure(o Options) error {
	if err := o.check(); err != nil {
		return fmt.Errorf("rest: %w", err)
	}
	if len(o.Schemas) == 0 {
		o.Schemas = []string{"public"}
	}
	h.options.Store(&o)
	return nil
}

// Configured are the options before those of the database.
func (h *Handler) Configured() *Options { return h.options.Load() }

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.http.ServeHTTP(w, r) }

// Watch starts the schema listener, which the first request does else: a server
// that serves no REST request needs no connection for it.
func (h *Handler) Watch() {
	if h.cfg.ListenConn == nil {
		return
	}
	h.watching.Do(func() {
		w := &catalog.Watcher{Cache: h.cache, Connect: h.cfg.ListenConn, Channel: h.cfg.Channel, Heard: h.cfg.Heard, Logger: h.log,
			Restarting: func() bool { return h.restarting.Load() > 0 }, Restarted: h.restarted, Always: h.cfg.PreConfig != ""}
		h.done.Go(func() { w.Run(h.background) })
	})
}

// config returns what is in force for a snapshot.
func (h *Handler) config(s *catalog.Snapshot) *config {
	options := h.options.Load()
	old := h.inForce.Load()
	if old != nil && old.snapshot == s && old.source == options {
		return old
	}
	c := h.effective(options, s)
	c.planner = plan.NewCache(s, request.Options{Schemas: c.schemas, AllowTx: c.allowTx, RootFunction: c.rootFn},
		plan.Options{Schemas: c.schemas, MaxRows: c.maxRows, Aggregates: c.aggregates, Plans: c.plans, SafeUpdate: c.safeUpdate,
			StreamAbove: streamAbove, Plain: h.cfg.Plain})
	if !h.inForce.CompareAndSwap(old, c) {
		return h.config(s)
	}
	h.db.Prepare(!c.unprepared)
	return c
}

// attempts bounds how often a request is planned anew because the schema
// changed under it.
const attempts = 20

// SQLSTATEs of the server's own guards.
const (
	stateStale = "SRS01"
	stateRows  = "SRS02"
)

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	h.Watch()
	if err := checkHeaders(r.Header); err != nil {
		return err
	}
	ctx := r.Context()
	snapshot, err := h.cache.Get(ctx)
	if err != nil {
		traceBack(w, r, h.options.Load().TraceHeader)
		return h.noSchema(err)
	}
	once := &bodyReader{w: w, r: r, limit: h.cfg.MaxBody, hold: hold{of: h.memory}}
	defer once.hold.release()
	for range attempts {
		cfg := h.config(snapshot)
		traceBack(w, r, cfg.trace)
		answer, authenticated, err := h.try(ctx, r, cfg, once)
		if err == nil && len(answer.body) > smallHold {
			err = once.hold.take(ctx, int64(len(answer.body)))
		}
		if err == nil {
			answer.write(w, r)
			return nil
		}
		if !h.isStale(ctx, err, snapshot) {
			return h.translate(err, authenticated)
		}
		if snapshot, err = h.cache.Reload(ctx, snapshot); err != nil {
			return h.noSchema(err)
		}
	}
	return &Error{Code: "PGRST002", Status: http.StatusServiceUnavailable, Message: "Could not query the database for the schema cache. Retrying.",
		Details: "The schema keeps changing faster than a request can be planned."}
}

// try answers the request by what is in force. Which role it ran under is told
// for the errors that depend on it.
func (h *Handler) try(ctx context.Context, r *http.Request, cfg *config, once *bodyReader) (a *answer, authenticated bool, err error) {
	clock := startClock(r, cfg)
	who, err := h.caller(r, cfg)
	if err != nil {
		return nil, false, err
	}
	clock.lap(phaseJWT)
	req, p, err := cfg.planner.Prepare(r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header, once.read)
	if err != nil {
		return nil, who.authenticated, err
	}
	clock.lap(phaseParse)
	a, err = h.answer(ctx, once.w, r, cfg, who, req, p, clock)
	return a, who.authenticated, err
}

// bodyReader reads a body when it is first needed and keeps it for a second try.
type bodyReader struct {
	w       http.ResponseWriter
	r       *http.Request
	limit   int64
	hold    hold
	payload *request.Payload
}

func (b *bodyReader) read(req *request.Request) error {
	if b.payload != nil {
		req.Payload = b.payload
		return nil
	}
	body := &heldBody{Reader: httpx.LimitBody(b.w, b.r, b.limit), ctx: b.r.Context(), hold: &b.hold}
	if err := req.ReadBody(body, b.r.ContentLength, b.limit); err != nil {
		return err
	}
	b.payload = req.Payload
	return nil
}

func (h *Handler) noSchema(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &Error{Code: "PGRST002", Status: http.StatusServiceUnavailable,
		Message: "Could not query the database for the schema cache. Retrying.", Cause: err}
}

// answer runs the planned request.
func (h *Handler) answer(ctx context.Context, w http.ResponseWriter, r *http.Request, cfg *config, who *caller, req *request.Request, p *plan.Plan, clock *stopwatch) (*answer, error) {
	if req.Method == http.MethodOptions {
		a, err := h.inspect(ctx, cfg, req)
		return clock.told(a, err)
	}
	if req.Resource == request.Root {
		a, err := h.describe(ctx, r, cfg, who, req, clock)
		return clock.told(a, err)
	}
	if err := h.checkTimezone(ctx, req); err != nil {
		return nil, err
	}
	settings := h.settings(r, cfg, who, req, p)
	options := session.Options{ReadOnly: p.ReadOnly, Isolation: isolation(cfg, who, p),
		Rollback: req.Prefs.Tx == request.TxRollback || req.Prefs.Tx == 0 && cfg.rollback}
	statements := make([]session.Statement, 0, 3)
	main := 0
	if cfg.preRequest != "" {
		statements = append(statements, session.Statement{SQL: "select " + functionName(cfg.preRequest) + "()"})
		main = 1
	}
	if p.Stream != nil {
		if p.Estimate.SQL != "" {
			statements = append(statements, session.Statement{SQL: p.Estimate.SQL, Params: p.Estimate.Params})
		}
		statements = append(statements, session.Statement{SQL: p.Main.SQL, Params: p.Main.Params})
		return h.stream(ctx, w, r, cfg, req, p, settings, options, statements, clock)
	}
	statements = append(statements, session.Statement{SQL: p.Main.SQL, Params: p.Main.Params, Formats: p.Formats()})
	if p.Estimate.SQL != "" {
		statements = append(statements, session.Statement{SQL: p.Estimate.SQL, Params: p.Estimate.Params})
	}
	if h.cfg.Plain && p.Rows != nil && p.Media.Explain == nil {
		options.Check = func(results []session.Result) error { return checkRows(results, main, p.Rows) }
	}
	clock.lap(phasePlan)
	results, err := h.db.Do(ctx, settings, options, statements...)
	if err != nil {
		return nil, rowsError(err, p)
	}
	clock.lap(phaseTransaction)
	if p.Media.Explain != nil {
		a, err := explained(req, p, results[main])
		return clock.told(a, err)
	}
	if len(results) != len(statements) || len(results[main].Rows) != 1 {
		return nil, errors.New("rest: the statement did not give its one row")
	}
	a, err := respond(req, p, cfg, results[main:])
	return clock.told(a, err)
}

// functionName quotes schema.name.
func functionName(name string) string {
	for i := range len(name) {
		if name[i] == '.' {
			return pgx.Identifier{name[:i], name[i+1:]}.Sanitize()
		}
	}
	return pgx.Identifier{name}.Sanitize()
}

func isolation(cfg *config, who *caller, p *plan.Plan) string {
	level := ""
	if role := cfg.snapshot.Roles[who.role]; role != nil {
		level = role.Isolation
	}
	if p.Isolation != "" && hoisted(cfg.hoisted, catalog.Setting{Name: isolationSetting, Value: p.Isolation}) {
		level = p.Isolation
	}
	switch level {
	case session.RepeatableRead, session.Serializable:
		return level
	}
	return ""
}

// isStale tells whether a request failed because its plan was made for an
// older schema: the guard in the settings says so, or something was not found
// that a newer schema may have.
func (h *Handler) isStale(ctx context.Context, err error, s *catalog.Snapshot) bool {
	var pe *pgconn.PgError
	var e *Error
	switch {
	case errors.As(err, &pe):
		switch pe.Code {
		case stateStale:
			return true
		case "42P01", "42703", "42883", "42804", "0A000", "42704", "42P10":
			return h.changed(ctx, s)
		}
	case errors.As(err, &e):
		switch e.Code {
		case "PGRST105", "PGRST106", "PGRST107", "PGRST118", "PGRST123", "PGRST200", "PGRST201", "PGRST202", "PGRST203", "PGRST204",
			"PGRST205", "PGRST302":
			return h.changed(ctx, s)
		case "PGRST303":
			return e.Message == otherAudience && h.changed(ctx, s)
		}
	}
	return false
}

// changed asks the database whether the snapshot is still its state.
func (h *Handler) changed(ctx context.Context, s *catalog.Snapshot) bool {
	results, err := h.db.Do(ctx, nil, session.Options{ReadOnly: true}, session.Statement{SQL: s.FingerprintSQL()})
	if err != nil || len(results) != 1 || len(results[0].Rows) != 1 {
		return false // the request's own error is the one to show
	}
	return !s.Is(results[0].Rows[0][0])
}

// inspect answers OPTIONS. No statement guards it, so the version is asked for
// where that costs little.
func (h *Handler) inspect(ctx context.Context, cfg *config, req *request.Request) (*answer, error) {
	if !h.cfg.Plain && h.changed(ctx, cfg.snapshot) {
		return nil, &pgconn.PgError{Code: stateStale}
	}
	info, err := plan.Inspect(req, cfg.snapshot)
	if err != nil {
		return nil, err
	}
	a := newAnswer(http.StatusOK)
	a.emptyLength = true
	for i, m := range info.Allow {
		if i > 0 {
			m = a.header.Get("Allow") + "," + m
		}
		a.header.Set("Allow", m)
	}
	return a, nil
}
