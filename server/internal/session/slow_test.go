package session_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

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

// endedConn ends, when it is told to, with an error in the place of an answer.
type endedConn struct {
	net.Conn
	end  *atomic.Bool
	last io.Reader // what is read then
}

func (c *endedConn) Write(p []byte) (int, error) {
	if c.end.Swap(false) {
		msg, err := (&pgproto3.ErrorResponse{Severity: "ERROR", Code: "26000", Message: "no such statement"}).Encode(nil)
		if err != nil {
			return 0, err
		}
		c.last = bytes.NewReader(msg)
	}
	if c.last != nil {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *endedConn) Read(p []byte) (int, error) {
	if c.last != nil {
		return c.last.Read(p)
	}
	return c.Conn.Read(p)
}

// A connection that ends behind a refused statement is not asked again.
func TestEndedConnection(t *testing.T) {
	t.Parallel()
	_, srv := open(t, 1)
	cfg, err := pgx.ParseConfig(srv.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	cfg.User = "authenticator"
	var end atomic.Bool
	dial := cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		return &endedConn{Conn: c, end: &end}, err
	}
	db := session.New(session.Config{ConnConfig: cfg, MaxConns: 1})
	t.Cleanup(db.Close)
	st := []session.Statement{{SQL: "select 1"}}
	for name, do := range map[string]func() error{
		"Do": func() error { _, err := db.Do(t.Context(), nil, session.Options{}, st...); return err },
		"Stream": func() error {
			return db.Stream(t.Context(), nil, session.Options{}, st, func([][]byte, []session.Result) error { return nil })
		},
	} {
		before := one(t, db, nil, "select pg_backend_pid()")
		end.Store(true)
		if err := do(); code(err) != "26000" {
			t.Errorf("%s: %v", name, err)
		}
		if after := one(t, db, nil, "select pg_backend_pid()"); after == before {
			t.Errorf("%s: still backend %s", name, after)
		}
	}
}

// Nothing of a transaction whose context is over before it is sent reaches the
// next one on the connection.
func TestEndedContext(t *testing.T) {
	t.Parallel()
	db, _ := open(t, 1)
	before := one(t, db, as("service_role", "earlier"), "select pg_backend_pid()")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, sql := range []string{"select 1 as never", large} {
		if _, err := db.Do(over, as("authenticated", "ended"), session.Options{}, session.Statement{SQL: sql}); !errors.Is(err, context.Canceled) {
			t.Errorf("%.17s: %v", sql, err)
		}
		if got, want := one(t, db, as("service_role", "later"), "select pg_backend_pid() || ' ' || current_user || ' ' || current_setting('request.jwt.claim.sub')"), before+" service_role later"; got != want {
			t.Errorf("after %.17s: %s, want %s", sql, got, want)
		}
	}
	if n := one(t, db, nil, "select count(*) from pg_prepared_statements where statement like '%as never'"); n != "0" {
		t.Errorf("%s statements were prepared", n)
	}
}
