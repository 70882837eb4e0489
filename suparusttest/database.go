package suparusttest

import (
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/suparust/suparust/server"
)

type fixtureSet struct {
	fsys  fs.FS
	names []string
}

// Pool returns a pool of connections to the test's database as the role
// postgres. It is the same at every call and is closed when the test ends.
func (s *Server) Pool(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool != nil {
		return s.pool
	}
	cfg, err := pgxpool.ParseConfig(s.DatabaseURL)
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	cfg.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(tb.Context(), cfg)
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	s.pool = pool
	return pool
}

// closePool closes the pool and tells whether every connection had come back
// in time. Those that had not end with the database.
func (s *Server) closePool(limit time.Duration) bool {
	s.mu.Lock()
	pool := s.pool
	s.mu.Unlock()
	if pool == nil {
		return true
	}
	closed := make(chan struct{})
	go func() {
		pool.Close() // waits for them
		close(closed)
	}()
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-closed:
		return true
	case <-late.C:
		return false
	}
}

// Exec runs SQL as the role postgres. Without args it may hold several
// statements, which are then one transaction.
func (s *Server) Exec(tb testing.TB, sql string, args ...any) {
	tb.Helper()
	if len(args) == 0 {
		args = []any{pgx.QueryExecModeSimpleProtocol}
	}
	if _, err := s.Pool(tb).Exec(tb.Context(), sql, args...); err != nil {
		tb.Fatalf("suparusttest: %v\nin: %s", err, sql)
	}
}

// Load loads the named fixture sets of fsys, as WithFixtures does.
func (s *Server) Load(tb testing.TB, fsys fs.FS, names ...string) {
	tb.Helper()
	s.load(tb, []fixtureSet{{fsys, names}})
}

func (s *Server) load(tb testing.TB, sets []fixtureSet) {
	tb.Helper()
	for _, set := range sets {
		names := set.names
		if len(names) == 0 {
			names = folders(tb, set.fsys)
		}
		for _, name := range names {
			s.loadSet(tb, set.fsys, name)
		}
	}
}

func (s *Server) loadSet(tb testing.TB, fsys fs.FS, name string) {
	tb.Helper()
	files, err := fs.Glob(fsys, name+"/*.sql")
	if err != nil {
		tb.Fatalf("suparusttest: fixture %q: %v", name, err)
	}
	if len(files) == 0 {
		tb.Fatalf("suparusttest: there is no fixture %q with .sql files; there are: %q", name, folders(tb, fsys))
	}
	slices.Sort(files)
	for _, f := range files {
		sql, err := fs.ReadFile(fsys, f)
		if err != nil {
			tb.Fatalf("suparusttest: fixture %s: %v", f, err)
		}
		if _, err := s.Pool(tb).Exec(tb.Context(), string(sql), pgx.QueryExecModeSimpleProtocol); err != nil {
			tb.Fatalf("suparusttest: fixture %s: %v", f, err)
		}
	}
}

func folders(tb testing.TB, fsys fs.FS) []string {
	tb.Helper()
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		tb.Fatalf("suparusttest: read the fixtures: %v", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// Environ is the environment that clients of other languages find the server
// with, as NAME=value.
func (s *Server) Environ() []string {
	return server.ClientEnviron(s.URL, s.DatabaseURL, server.Keys{
		JWTSecret: s.JWTSecret, AnonKey: s.AnonKey, ServiceRoleKey: s.ServiceKey,
		PublishableKey: s.PublishableKey, SecretKey: s.SecretKey,
	})
}
