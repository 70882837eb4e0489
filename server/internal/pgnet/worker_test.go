package pgnet_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/pgnet"
	"github.com/suparust/suparust/suparusttest"
)

// queue asks for something past the functions, so that no server hears of it.
const queue = "insert into net.http_request_queue (method, url, timeout_milliseconds) values ('GET', $1, 10000)"

// own is a worker of the test's own, whose connections connected may touch
// before they are used.
func own(t *testing.T, srv *suparusttest.Server, w *world, connected func(context.Context, *pgx.Conn) error) *pgnet.Worker {
	t.Helper()
	worker := pgnet.New(pgnet.Config{Transport: w, Connect: func(ctx context.Context) (*pgx.Conn, error) {
		conn, err := pgx.Connect(ctx, srv.DatabaseURL)
		if err == nil {
			err = connected(ctx, conn)
		}
		return conn, err
	}})
	return worker
}

// TestSettingsWhileConnecting: what is changed after a session has connected,
// and before it listens, holds for it.
func TestSettingsWhileConnecting(t *testing.T) {
	t.Parallel()
	w := &world{}
	srv := start(t)
	for i, c := range []struct{ before, meanwhile string }{
		{"alter database postgres set pg_net.batch_size = 0", "alter database postgres set pg_net.batch_size = 10"},
		{"alter database postgres set pg_net.batch_size = 0", "alter database postgres reset pg_net.batch_size"},
		{"alter database postgres set pg_net.batch_size = 0", "alter role postgres set pg_net.batch_size = 10"},
		{"alter role all set pg_net.batch_size = 0", "alter role postgres in database postgres set pg_net.batch_size = 10"},
	} {
		srv.Exec(t, "alter role all reset all; alter role postgres reset pg_net.batch_size; alter role postgres in database postgres reset all")
		srv.Exec(t, c.before)
		srv.Exec(t, queue, "http://x.test")
		first := true
		worker := own(t, srv, w, func(ctx context.Context, _ *pgx.Conn) error {
			if first {
				first = false
				srv.Exec(t, c.meanwhile)
				srv.Exec(t, "notify pg_net, 'restart'")
			}
			return nil
		})
		worker.Call()
		worker.Start()
		eventually(t, "it is sent after "+c.meanwhile, func() bool { return len(w.requests()) == i+1 })
		worker.Close()
	}
}

// TestSettingsOfTheServer are those of alter system.
func TestSettingsOfTheServer(t *testing.T) {
	t.Parallel()
	w := &world{}
	srv := start(t, w.option())
	for i, ttl := range []string{"1 hour", "10 minutes"} {
		srv.Exec(t, fmt.Sprintf("insert into net._http_response (id, created) values (-1, now() - interval '5 minutes' - interval '%s')", ttl))
		srv.Exec(t, fmt.Sprintf("alter system set pg_net.ttl = '%s'", ttl))
		srv.Exec(t, "select net.worker_restart(), net.http_get('http://x.test')")
		row(t, srv, fmt.Sprint(i+1))
		eventually(t, "what is older than "+ttl+" is gone", func() bool { return value(t, srv, "select min(id)::text from net._http_response") == "1" })
	}
}

// TestSettingsAtOnce: a change holds for the next request, without a restart of
// the worker.
func TestSettingsAtOnce(t *testing.T) {
	t.Parallel()
	w := &world{}
	srv := start(t, w.option())
	srv.Exec(t, "select net.http_get('http://x.test')")
	row(t, srv, "1")
	srv.Exec(t, "alter database postgres set pg_net.batch_size = 0; select net.worker_restart()")
	srv.Exec(t, "select net.http_get('http://x.test')")
	srv.Exec(t, "alter database postgres reset pg_net.batch_size; select net.http_get('http://x.test')")
	row(t, srv, "2")
	row(t, srv, "3")
}

// commitBefore commits something right before a query.
type commitBefore struct {
	query  string
	commit func()
}

func (c *commitBefore) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	if strings.Contains(d.SQL, c.query) {
		c.commit()
	}
	return ctx
}

func (c *commitBefore) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestCommitAtTheEnd: what is committed when a session is about to end, because
// there was nothing to do, is sent by it.
func TestCommitAtTheEnd(t *testing.T) {
	t.Parallel()
	w := &world{}
	srv := start(t)
	tx, err := srv.Pool(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), queue, "http://x.test"); err != nil {
		t.Fatal(err)
	}
	cfg, err := pgx.ParseConfig(srv.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Tracer = &commitBefore{"pg_catalog.pg_locks", func() { _ = tx.Commit(t.Context()) }} // once
	worker := pgnet.New(pgnet.Config{Transport: w, Connect: func(ctx context.Context) (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, cfg) }})
	worker.SetIdle(20 * time.Millisecond)
	worker.Call()
	worker.Start()
	defer worker.Close()
	eventually(t, "it is sent", func() bool { return len(w.requests()) == 1 })
}

// TestOfAnother: a database whose pg_net is another's is looked at once.
func TestOfAnother(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.Exec(t, `drop extension pg_net; create schema net; create table net.http_request_queue (id int);
		create function net.wake() returns uuid language c as '$libdir/uuid-ossp', 'uuid_nil'`)
	var connects atomic.Int32
	worker := pgnet.New(pgnet.Config{Stays: true, Connect: func(ctx context.Context) (*pgx.Conn, error) {
		connects.Add(1)
		return pgx.Connect(ctx, srv.DatabaseURL+"?application_name=looks")
	}})
	worker.Start()
	defer worker.Close()
	eventually(t, "it has looked and gone", func() bool {
		return connects.Load() > 0 && value(t, srv, "select count(*)::text from pg_stat_activity where application_name = 'looks' or application_name like 'pg_net %'") == "0"
	})
	if n := connects.Load(); n != 1 {
		t.Errorf("it has connected %d times", n)
	}
}

// TestCloseWithoutSession: what is under way when there is no connection goes
// back into the queue when the worker ends.
func TestCloseWithoutSession(t *testing.T) {
	t.Parallel()
	w := &world{answer: func(r *http.Request) *http.Response {
		if r.URL.Path == "/answered" {
			return suparusttest.Answer(http.StatusOK, "yes")
		}
		<-r.Context().Done()
		return nil
	}}
	srv := start(t)
	srv.Exec(t, queue, "http://x.test/waits")
	var down, tried atomic.Bool
	worker := own(t, srv, w, func(ctx context.Context, conn *pgx.Conn) error {
		if down.Load() {
			tried.Store(true)
			return errors.Join(errors.New("down"), conn.Close(ctx))
		}
		return nil
	})
	worker.Call()
	worker.Start()
	eventually(t, "it is under way", func() bool { return len(w.requests()) == 1 })
	down.Store(true)
	srv.Disconnect(t)
	srv.Pool(t).Reset()
	eventually(t, "the worker connects again", tried.Load)
	down.Store(false)
	worker.Close()
	if got := value(t, srv, "select string_agg(url, ' ') from net.http_request_queue"); got != "http://x.test/waits" {
		t.Errorf("the queue has %s", got)
	}
}
