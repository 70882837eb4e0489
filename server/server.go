// Package server is suparust as a library: Supabase's REST, Auth and Storage
// APIs on an embedded or external PostgreSQL, in one process.
//
//	cfg := server.DefaultConfig()
//	cfg.Keys.JWTSecret = os.Getenv("JWT_SECRET")
//	srv, err := server.New(cfg)
//	…
//	err = srv.Start(ctx) // serves when it returns
//	defer srv.Shutdown(ctx)
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/control"
	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/httpx"
	"github.com/suparust/suparust/server/internal/mail"
	"github.com/suparust/suparust/server/internal/pgcron"
	"github.com/suparust/suparust/server/internal/rest"
	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
	"github.com/suparust/suparust/server/pg"
)

// Server serves the APIs. Make it with New.
type Server struct {
	cfg      Config
	secret   gateway.KeySet // that Config.Keys.JWTSecret holds
	ring     *keyring
	gateway  *gateway.Gateway
	admin    *http.Server
	url      string
	dataURL  string
	mailbox  *mailService
	listener net.Listener
	http     *http.Server
	db       *database
	rest     *rest.Handler
	auth     *auth.Handler
	storage  *storage.Handler
	clock    *Clock
	cron     *pgcron.Scheduler // of the jobs of pg_cron; nil where the database is served as it is found
	faults   control.Faults
	net      netRequests      // of pg_net
	control  *control.Handler // nil where it is off, and what follows too
	branches *branches

	recent   control.Recent
	outgoing *control.Outgoing
	given    struct { // of Config, behind what the control API puts there
		http  http.RoundTripper
		trace func(RequestRecord)
	}
	snapshots   *snapshots
	controlHTTP *http.Server // nil where it is on the APIs' port
	controlURL  string
	cleanup     func()
	serving     sync.WaitGroup
	failed      chan error
	patience    time.Duration // with clients; see clientPatience

	keysMu sync.Mutex
	keys   Keys

	// what lets the database be replaced by another state of it; see snapshot.go
	gate     gate
	disk     *blob.Disk         // nil when the files are elsewhere
	restarts sync.Mutex         // held while the database is copied or replaced
	ending   context.Context    // over when Shutdown has waited for requests
	cutOff   context.CancelFunc // ends it
	settling sync.WaitGroup     // what a replacement has left to do

	baseMu        sync.Mutex
	baseline      *Snapshot // the files that Reset goes back to
	baselineAhead time.Duration

	mu      sync.Mutex
	started bool
	stopped bool
	end     sync.Once // what Shutdown does; a second caller waits for the first
	stopErr error
}

// New checks c and makes a server. It does no I/O.
func New(c Config) (*Server, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	secret, err := c.secretKeys()
	if err != nil {
		return nil, err
	}
	keys, err := c.CompleteKeys()
	if err != nil {
		return nil, err
	}
	c.Keys = keys
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	clock := newClock(c.Now)
	c.Now = clock.Now
	if c.Mailbox == nil {
		c.Mailbox = mail.NewBox(0)
	}
	box := &mailService{box: c.Mailbox, log: c.Logger.With("target", "mail")}
	s := &Server{clock: clock, secret: secret, keys: keys, mailbox: box, failed: make(chan error, 1), patience: clientPatience}
	s.ending, s.cutOff = context.WithCancel(context.Background())
	s.observe(&c)
	s.cfg = c
	return s, nil
}

// Start binds the port, starts PostgreSQL and returns when requests are
// answered. After an error nothing is left running.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.started:
		return errors.New("the server was started before: make a new one")
	case s.stopped:
		return errors.New("the server was shut down before it was started: make a new one")
	}
	s.started = true
	if err := s.start(ctx); err != nil {
		s.stopped = true
		s.end.Do(func() { s.stopErr = s.stop(ctx) })
		return err
	}
	return nil
}

func (s *Server) start(ctx context.Context) error {
	var err error
	if s.listener, err = listen(ctx, &s.cfg); err != nil {
		return err
	}
	if err := s.startMail(ctx); err != nil {
		return err
	}
	s.url = s.cfg.PublicURL
	if s.url == "" {
		s.url = "http://" + reachable(s.listener.Addr().(*net.TCPAddr))
	}
	if s.cfg.From == nil && s.cfg.Snapshot != "" {
		if s.cfg.From, err = OpenSnapshot(s.cfg, s.cfg.Snapshot); err != nil {
			return err
		}
	}
	if s.db, err = openDatabase(ctx, &s.cfg); err != nil {
		return err
	}
	s.dataURL = s.db.url
	if err := s.followClock(ctx); err != nil {
		return err
	}
	s.makeCron()
	s.net.start(&s.cfg, s.db)
	handler, err := s.routes(ctx)
	if err != nil {
		return err
	}
	if err := s.serveControl(ctx); err != nil { // there before who waits for the APIs asks it
		return err
	}
	s.http = &http.Server{
		Handler:           httpx.Patient(handler, s.patience),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       61 * time.Second,
		MaxHeaderBytes:    128 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
	httpx.CloseUnused(s.http)
	s.serving.Go(func() {
		if err := s.http.Serve(httpx.AnswerBadTargets(s.listener, badTarget)); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("serve the API: %w", err))
		}
	})
	if err := s.serveAdmin(ctx); err != nil {
		return err
	}
	s.startCron()
	if cl := s.db.cluster; cl != nil {
		s.serving.Go(func() { s.watch(cl) })
	}
	return nil
}

// clientPatience is how long a client may stand still in the middle of a
// request's body or of its answer.
const clientPatience = time.Minute

// listen binds the API's port before anything else is started, so that a taken
// one costs nothing.
func listen(ctx context.Context, c *Config) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", c.addr())
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %d is in use: stop what listens there, or choose another port with SUPARUST_PORT or --port", c.Port)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("port %d may not be opened by this user: choose one above 1023 with SUPARUST_PORT or --port", c.Port)
	case err != nil:
		return nil, fmt.Errorf("listen on %s: %w", c.addr(), err)
	}
	return l, nil
}

func reachable(a *net.TCPAddr) string {
	host := a.IP.String()
	if a.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(a.Port))
}

// watch tells Wait when PostgreSQL ends on its own.
func (s *Server) watch(cl *pg.Cluster) {
	<-cl.Exited()
	s.mu.Lock()
	stopped := s.stopped
	s.mu.Unlock()
	if !stopped {
		s.fail(fmt.Errorf("PostgreSQL has ended unexpectedly; the end of its log:\n%s", cl.LogTail(20)))
	}
}

func (s *Server) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// Wait blocks until ctx is done, and returns nil, or until the server fails.
func (s *Server) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return err
	}
}

// Shutdown stops taking requests, lets those under way end until ctx is done,
// and stops PostgreSQL. It is idempotent: every caller returns when the server
// has ended. A server that was not started yet can no longer be.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.end.Do(func() { s.stopErr = s.stop(ctx) })
	return s.stopErr
}

func (s *Server) stop(ctx context.Context) error {
	var errs []error
	if s.control != nil {
		s.control.Close()
	}
	if s.http != nil {
		if err := s.http.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("requests were still under way: %w", err))
			_ = s.http.Close() // cuts them
		}
	} else if s.listener != nil {
		_ = s.listener.Close() // nobody was told of it
	}
	if s.controlHTTP != nil {
		if err := s.controlHTTP.Shutdown(ctx); err != nil {
			_ = s.controlHTTP.Close() // cuts who still asks
		}
	}
	if s.branches != nil {
		errs = append(errs, s.branches.close(), s.snapshots.close())
	}
	s.stopCron()
	s.cutOff()
	s.settling.Wait()
	errs = append(errs, s.net.close(), s.mailbox.close(ctx))
	if s.admin != nil {
		_ = s.admin.Close() // what it answers is asked again
	}
	if s.rest != nil {
		errs = append(errs, s.rest.Close())
	}
	if s.auth != nil {
		errs = append(errs, s.auth.Close())
	}
	if s.storage != nil {
		errs = append(errs, s.storage.Close())
	}
	switch {
	case s.db != nil:
		s.db.close(s.cfg.logger("pg"))
	case s.cfg.Cluster != nil:
		errs = append(errs, s.cfg.Cluster.Stop())
	}
	if s.outgoing != nil {
		s.outgoing.CloseIdleConnections()
	}
	if s.cleanup != nil {
		s.cleanup()
	}
	s.serving.Wait()
	return errors.Join(errs...)
}

// Run serves until ctx is done or the server fails, then shuts down within
// ten seconds.
func Run(ctx context.Context, c Config) error {
	s, err := New(c)
	if err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	err = s.Wait(ctx)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, s.Shutdown(end))
}

// URL is the base of the APIs, such as http://127.0.0.1:3000.
func (s *Server) URL() string { return s.url }

// Port is the port of the APIs on this machine, 0 before Start. URL may name
// that of a proxy.
func (s *Server) Port() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return 0
	}
	return s.listener.Addr().(*net.TCPAddr).Port
}

// Keys are the server's keys, all of them filled in.
func (s *Server) Keys() Keys {
	s.keysMu.Lock()
	defer s.keysMu.Unlock()
	return s.keys
}

// DatabaseURL is a connection URL of the role postgres, for people and tools.
func (s *Server) DatabaseURL() string { return s.dataURL }

// Cluster is the server's own PostgreSQL, nil when it is external.
func (s *Server) Cluster() *pg.Cluster {
	if s.db == nil {
		return nil
	}
	return s.db.cluster
}
