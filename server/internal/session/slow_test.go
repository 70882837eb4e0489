package session_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/session"
)

// slowConn takes its time to come back from a write. The driver begins to read
// beside it, and goes on when the whole answer has come by then.
type slowConn struct{ net.Conn }

func (c slowConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	<-time.After(60 * time.Millisecond)
	return n, err
}

// SyscallConn implements syscall.Conn.
func (c slowConn) SyscallConn() (syscall.RawConn, error) { return c.Conn.(syscall.Conn).SyscallConn() }

// large is a statement that is not written at once.
var large = "select 1 -- " + strings.Repeat("x", 10<<10)

// A connection that the driver still reads from is used again.
func TestSlowConnection(t *testing.T) {
	t.Parallel()
	_, srv := open(t, 1)
	cfg, err := pgx.ParseConfig(srv.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	cfg.User = "authenticator"
	dial := cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		return slowConn{c}, err
	}
	db := session.New(session.Config{ConnConfig: cfg, MaxConns: 1})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, sql := range []string{"select 1", large, "select 1", large, large} {
			if _, err := db.Do(context.Background(), nil, session.Options{}, session.Statement{SQL: sql}); err != nil {
				t.Error(err)
			}
		}
		db.Close()
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the pool stands still")
	}
}

// cutConn ends in the middle of a write when it is told to.
type cutConn struct {
	net.Conn
	cut *atomic.Bool
}

func (c cutConn) Write(p []byte) (int, error) {
	if !c.cut.Swap(false) {
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p[:len(p)/2])
	if err != nil {
		return n, err
	}
	return n, syscall.EPIPE
}

// A connection that breaks while a transaction is sent tells so, and is not
// used again.
func TestCutConnection(t *testing.T) {
	t.Parallel()
	_, srv := open(t, 1)
	cfg, err := pgx.ParseConfig(srv.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	cfg.User = "authenticator"
	var cut atomic.Bool
	dial := cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		return cutConn{c, &cut}, err
	}
	db := session.New(session.Config{ConnConfig: cfg, MaxConns: 1})
	t.Cleanup(db.Close)
	for _, sql := range []string{"select 1", large} {
		before := one(t, db, nil, "select pg_backend_pid()")
		cut.Store(true)
		_, err := db.Do(t.Context(), nil, session.Options{}, session.Statement{SQL: sql})
		if !errors.Is(err, syscall.EPIPE) {
			t.Errorf("%.10s: %v", sql, err)
		}
		if after := one(t, db, nil, "select pg_backend_pid()"); after == before {
			t.Errorf("%.10s: still backend %s", sql, after)
		}
		if st := db.Stats(); st.Open != 1 || st.InUse != 0 {
			t.Errorf("%.10s: %+v", sql, st)
		}
	}
}
