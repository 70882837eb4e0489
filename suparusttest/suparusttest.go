package suparusttest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/suparust/suparust/fixtures"
	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/server/pg"
)

// shutdownTimeout is how long requests under way may take at the end.
const shutdownTimeout = 5 * time.Second

// Server is a running server with a database of its own. Everything of it ends
// with the test that started it.
type Server struct {
	// URL is the base of the APIs, what supabase-js calls supabaseUrl.
	URL string
	// AnonKey and ServiceKey are the API keys of the roles anon and
	// service_role.
	AnonKey, ServiceKey string
	// PublishableKey and SecretKey are the same in the newer, opaque form.
	PublishableKey, SecretKey string
	// JWTSecret is what tokens are signed with (HS256).
	JWTSecret string
	// Clock is what tokens, codes, sessions and limits are judged by. The database
	// has a clock of its own, unless WithSQLClock lets it follow.
	Clock *Clock
	// DatabaseURL connects as the role postgres.
	DatabaseURL string
	// Mail holds every message the server has sent.
	Mail *Mailbox

	powers powers
	srv    *server.Server // nil when it runs elsewhere
	log    *logTail
	once   sync.Once
	mu     sync.Mutex
	pool   *pgxpool.Pool
	http   *http.Transport // of every client, closed at the end
	// loaded are the rows of the fixtures that were loaded
	loaded *fixtures.Loaded
	clock  func() time.Time // WithClock's, for a server whose own cannot be asked
	drop   func() error     // its database; nil without WithSharedCluster
}

// Start starts a server for tb and returns when it answers. It never returns
// nil: when it cannot start, it fails tb and says why. The server stops when
// tb and its subtests have ended.
//
// tb may be a test, a benchmark or a fuzz target: one server before the loop of
// a benchmark, and one before F.Fuzz, which every worker of go test -fuzz then
// has for itself. Any number of tests may run in parallel; PostgreSQL starts for
// a few of them at once, the others wait their turn.
//
// Inside of a testing/synctest bubble Start fails, and so do requests of a
// Client and connections of Pool: a bubble's clock stands still as long as
// anything waits for the network, and it does not end before every connection.
// The server's own time is moved with Clock.
func Start(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	if inBubble() {
		tb.Fatalf("suparusttest: Start does not work inside of a testing/synctest bubble, whose clock stands still as long as anything waits for the network: call it in a test without one, and move the time of tokens, codes and limits with Server.Clock")
	}
	o := newOptions(slices.Concat(defaults, opts)...)
	log := newLogTail()
	s, err := start(tb.Context(), o, log)
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	s.begin(tb, o)
	return s
}

// begin makes the parts of a handle that act by its powers, and does what the
// options ask for.
func (s *Server) begin(tb testing.TB, o *options) {
	tb.Helper()
	s.Clock, s.Mail = &Clock{s.powers, tb}, &Mailbox{s.powers, tb}
	tb.Cleanup(func() { s.stop(tb) })
	s.prepare(tb, o)
}

func start(ctx context.Context, o *options, log *logTail) (*Server, error) {
	cfg, err := o.config(log.logger(o.level))
	if err != nil {
		return nil, err
	}
	last := &server.RecentRequests{}
	cfg.Trace = traced(last, cfg.Trace)
	var drop func() error
	if o.shared {
		if drop, err = takeDatabase(ctx, &cfg); err != nil {
			return nil, err
		}
	} else if pooled(cfg) {
		var refill func()
		if cfg.Cluster, refill, err = takeCluster(ctx, cfg); err != nil {
			return nil, err
		}
		defer refill()
	}
	srv, err := server.New(cfg)
	if err != nil {
		return nil, joinStop(err, cfg.Cluster, drop)
	}
	if err := srv.Start(ctx); err != nil {
		return nil, joinStop(err, nil, drop) // the server has stopped its cluster
	}
	keys := srv.Keys()
	return &Server{
		URL: srv.URL(), AnonKey: keys.AnonKey, ServiceKey: keys.ServiceRoleKey, JWTSecret: keys.JWTSecret,
		PublishableKey: keys.PublishableKey, SecretKey: keys.SecretKey,
		DatabaseURL: srv.DatabaseURL(), powers: here{srv, last, drop != nil}, srv: srv, log: log,
		http: &http.Transport{MaxIdleConnsPerHost: 64}, drop: drop,
	}, nil
}

func joinStop(err error, c *pg.Cluster, drop func() error) error {
	if c != nil {
		if stopErr := c.Stop(); stopErr != nil {
			err = fmt.Errorf("%w (and PostgreSQL did not stop: %w)", err, stopErr)
		}
	}
	if drop != nil {
		err = errors.Join(err, drop())
	}
	return err
}

// stop ends the server; a failed test gets the evidence first.
func (s *Server) stop(tb testing.TB) {
	s.once.Do(func() {
		if *serve {
			s.waitForInterrupt(tb, "has ended and its server is kept up")
		}
		if tb.Failed() {
			s.report(tb)
		}
		if !s.closePool(shutdownTimeout) {
			tb.Errorf("suparusttest: connections of Pool were taken and not given back: call Release, or Close of the rows")
		}
		s.http.CloseIdleConnections()
		if s.srv == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		if err := s.srv.Shutdown(ctx); err != nil {
			tb.Errorf("suparusttest: stop the server: %v", err)
		}
		if s.drop != nil {
			if err := s.drop(); err != nil {
				tb.Errorf("suparusttest: %v", err)
			}
		}
	})
}
