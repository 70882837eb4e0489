package suparusttest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/suparust/suparust/server"
)

const (
	// poolSize is how many connections a pool has at most: PostgreSQL has 30, and
	// the server takes some.
	poolSize = 8
	// poolPatience is how long is waited for one of them.
	poolPatience = 10 * time.Second
)

// usedUp says why no connection of the pool could be had.
func usedUp(ctx context.Context, pool *pgxpool.Pool, err error) error {
	if s := pool.Stat(); errors.Is(ctx.Err(), context.DeadlineExceeded) && s.AcquiredConns() >= s.MaxConns() {
		return fmt.Errorf("no connection of the pool was free within %s: all %d are taken, by AsRole until the end of its test or its Rollback, or by rows and connections that were not closed", poolPatience, s.MaxConns())
	}
	return err
}

// Pool returns a pool of connections to the test's database as the role
// postgres, of which there are eight. It is the same at every call and is closed
// when the test ends.
func (s *Server) Pool(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	outside(tb, "Pool")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool != nil {
		return s.pool
	}
	cfg, err := pgxpool.ParseConfig(s.DatabaseURL)
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	cfg.MaxConns = poolSize
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
	ctx, cancel := context.WithTimeout(tb.Context(), poolPatience)
	defer cancel()
	pool := s.Pool(tb)
	conn, err := pool.Acquire(ctx)
	if err != nil {
		tb.Fatalf("suparusttest: %v", usedUp(ctx, pool, err))
	}
	defer conn.Release()
	if _, err := conn.Exec(tb.Context(), sql, args...); err != nil {
		tb.Fatalf("suparusttest: %v\nin: %s", err, sql)
	}
}

// Environ is the environment that clients of other languages find the server
// with, as NAME=value. Where there is a control API, its address and token are
// in it.
func (s *Server) Environ() []string {
	env := server.ClientEnviron(s.URL, s.DatabaseURL, server.Keys{
		JWTSecret: s.JWTSecret, AnonKey: s.AnonKey, ServiceRoleKey: s.ServiceKey,
		PublishableKey: s.PublishableKey, SecretKey: s.SecretKey,
	})
	if api := s.powers.access(); api != nil {
		env = append(env, api.Environ()...)
	}
	return env
}
