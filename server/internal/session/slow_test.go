package session_test

import (
	"context"
	"net"
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
		for range 3 {
			if _, err := db.Do(context.Background(), nil, session.Options{}, session.Statement{SQL: "select 1"}); err != nil {
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
