package catalog_test

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/internal/leaktest"
	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/suparusttest"
)

func TestMain(m *testing.M) {
	os.Exit(leaktest.Main(func() int { return suparusttest.Main(m) }))
}

// patience bounds what a test waits for.
const patience = 20 * time.Second

// watched is a cache with its watcher on a database.
type watched struct {
	srv       *suparusttest.Server
	cache     *catalog.Cache
	loads     chan *catalog.Snapshot // what was read, when it is in use or about to be
	hold      chan struct{}          // when not nil, what is given to who waits is held back until it is closed
	listening chan struct{}
	asked     chan uint32 // the process of a listener that has asked whether the schema is still the same
	restarted chan struct{}
}

func newWatched(t *testing.T, srv *suparusttest.Server) *watched {
	t.Helper()
	w := &watched{srv: srv, loads: make(chan *catalog.Snapshot, 100), listening: make(chan struct{}, 100), asked: make(chan uint32, 100), restarted: make(chan struct{}, 1)}
	w.cache = catalog.NewCache(func(ctx context.Context) (*catalog.Snapshot, error) {
		hold := w.hold
		conn, err := pgx.Connect(ctx, srv.DatabaseURL)
		if err != nil {
			return nil, err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		s, err := catalog.Load(ctx, conn, catalog.Options{Schemas: []string{"public"}})
		if err != nil {
			return nil, err
		}
		w.loads <- s
		if hold != nil {
			<-hold
		}
		return s, nil
	})
	return w
}

// TraceQueryStart is there for pgx.QueryTracer.
func (w *watched) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	return context.WithValue(ctx, w, q.SQL)
}

// TraceQueryEnd tells of a listener that listens, or has asked.
func (w *watched) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, _ pgx.TraceQueryEndData) {
	if sql, ok := ctx.Value(w).(string); ok && strings.HasPrefix(sql, "listen ") {
		w.listening <- struct{}{}
	} else {
		w.asked <- conn.PgConn().PID()
	}
}

// run runs the watcher as long as the test.
func (w *watched) run(t *testing.T) {
	t.Helper()
	cfg, err := pgx.ParseConfig(w.srv.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Tracer = w
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	watcher := &catalog.Watcher{Cache: w.cache, Logger: slog.New(slog.DiscardHandler), Retry: time.Millisecond, Restarted: w.restarted,
		Connect: func(ctx context.Context) (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, cfg) }}
	go func() { defer close(ended); watcher.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
}

func await[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("%s: waited %s", what, patience)
	}
	return v
}

func (w *watched) get(t *testing.T) *catalog.Snapshot {
	t.Helper()
	s, err := w.cache.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// first reads the schema for the first time.
func (w *watched) first(t *testing.T) {
	t.Helper()
	w.get(t)
	await(t, "the first load", w.loads)
}

// once fails when a load was made but for the one that a notification asks for.
func (w *watched) once(t *testing.T) {
	t.Helper()
	w.srv.Exec(t, "notify pgrst, 'reload schema'")
	await(t, "the load of the notification", w.loads)
	if n := len(w.loads); n != 0 {
		t.Errorf("the schema was read %d times more than it had to be", n)
	}
}

// TestListeningBegins: the schema that the first request has read is not read
// again when the listener has connected, and nothing that has changed between
// the two is missed.
//
//covers:rest 237
func TestListeningBegins(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQL("create table t (id int)"))
	const setting = "alter role authenticator set pgrst.db_max_rows = "
	t.Run("nothing has changed", func(t *testing.T) {
		w := newWatched(t, srv)
		w.first(t)
		w.run(t)
		await(t, "the listener", w.asked)
		w.once(t)
	})
	t.Run("nothing was read", func(t *testing.T) {
		w := newWatched(t, srv)
		w.run(t)
		w.first(t)
		if _, err := w.cache.Settled(t.Context()); err != nil || len(w.loads) != 0 {
			t.Errorf("%d loads, %v", len(w.loads), err)
		}
	})
	for what, sql := range map[string]string{"a table": "create table later (id int)", "a setting": setting + "'7'"} {
		t.Run(what+" has changed before", func(t *testing.T) {
			w := newWatched(t, srv)
			w.first(t)
			srv.Exec(t, sql)
			w.run(t)
			await(t, "the load", w.loads)
		})
	}
	t.Run("while it was read", func(t *testing.T) {
		w := newWatched(t, srv)
		w.hold = make(chan struct{})
		go func() { _, _ = w.cache.Get(context.WithoutCancel(t.Context())) }() // what it gets is looked at below
		old := await(t, "the first load", w.loads)
		srv.Exec(t, "create table meanwhile (id int); "+setting+"'8'")
		w.run(t)
		await(t, "the listener", w.listening)
		close(w.hold)
		s := await(t, "the second load", w.loads)
		if name := (catalog.Name{Schema: "public", Name: "meanwhile"}); old.Relation(name) != nil || s.Relation(name) == nil {
			t.Error("the second load does not know more than the first")
		}
	})
	t.Run("the connection is lost", func(t *testing.T) {
		w := newWatched(t, srv)
		w.first(t)
		w.run(t)
		pid := await(t, "the listener", w.asked)
		srv.Exec(t, "select pg_terminate_backend($1)", pid)
		await(t, "the load after", w.loads) // notifications are lost, too
	})
	t.Run("the database was started anew", func(t *testing.T) {
		w := newWatched(t, srv)
		w.first(t)
		w.restarted <- struct{}{} // of another connection
		w.run(t)
		pid := await(t, "the listener", w.asked)
		w.restarted <- struct{}{}
		srv.Exec(t, "select pg_terminate_backend($1)", pid)
		if again := await(t, "the next listener", w.asked); again == pid {
			t.Fatal("the connection has not ended")
		}
		w.once(t)
	})
}
