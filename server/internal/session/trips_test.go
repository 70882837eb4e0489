package session_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/session"
	"github.com/suparust/suparust/suparusttest"
)

// trips counts how often something was sent after something had been read.
type trips struct {
	net.Conn
	read *atomic.Bool
	n    *atomic.Int64
}

func (c trips) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.read.Store(true)
	}
	return n, err
}

func (c trips) Write(p []byte) (int, error) {
	if c.read.Swap(false) {
		c.n.Add(1)
	}
	return c.Conn.Write(p)
}

// counting is a pool of one connection that is open, and the number of round
// trips on it.
func counting(t *testing.T, srv *suparusttest.Server) (*session.DB, *atomic.Int64) {
	t.Helper()
	cfg, err := pgx.ParseConfig(srv.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	cfg.User = "authenticator"
	n, dial := new(atomic.Int64), cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		return trips{c, new(atomic.Bool), n}, err
	}
	db := session.New(session.Config{ConnConfig: cfg, MaxConns: 1})
	t.Cleanup(db.Close)
	one(t, db, nil, "select 1")
	return db, n
}
