package pgnet_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/pgnet"
	"github.com/suparust/suparust/suparusttest"
)

// TestErrors writes down what went wrong: nobody answers, or not in time.
func TestErrors(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	w := &world{answer: func(r *http.Request) *http.Response {
		if r.URL.Host == closed {
			return nil // goes out to the network
		}
		<-r.Context().Done()
		return suparusttest.Answer(http.StatusOK, nil)
	}}
	srv := start(t, w.option())
	srv.Exec(t, "select net.http_get('http://"+closed+"')")
	if got := row(t, srv, "1"); got != `{"content": null, "headers": null, "error_msg": "Could not connect to server", "timed_out": false, "status_code": null, "content_type": null}` {
		t.Errorf("refused: %s", got)
	}
	srv.Exec(t, "select net.http_delete('http://slow.test', timeout_milliseconds => 30)")
	if got := row(t, srv, "2"); !strings.Contains(got, `"error_msg": "Timeout of 30 ms reached. Total time: `) || !strings.Contains(got, `"timed_out": true, "status_code": null`) {
		t.Errorf("timeout: %s", got)
	}
	if got := value(t, srv, "select (net._http_collect_response(2)).status::text"); got != "ERROR" {
		t.Error(got)
	}
}

// TestMany sends more requests than may be under way at once, of one
// transaction, each of them once.
func TestMany(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	most, now := 0, 0
	w := &world{answer: func(*http.Request) *http.Response {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		defer func() { mu.Lock(); now--; mu.Unlock() }()
		return suparusttest.Answer(http.StatusOK, "x")
	}}
	srv := start(t, w.option())
	srv.Exec(t, "select net.http_get('http://x.test/' || i) from generate_series(1, 500) i")
	eventually(t, "all have a response", func() bool {
		return value(t, srv, "select count(distinct id)::text || ' ' || count(*) from net._http_response where content = 'x'") == "500 500"
	})
	urls := map[string]bool{}
	for _, r := range w.requests() {
		urls[r.url] = true
	}
	if len(urls) != 500 || len(w.requests()) != 500 || most > 64 {
		t.Errorf("%d requests to %d addresses, %d at once", len(w.requests()), len(urls), most)
	}
}

// TestSettings reads the settings of the original.
func TestSettings(t *testing.T) {
	t.Parallel()
	w := &world{}
	srv := start(t, w.option())
	srv.Exec(t, `insert into net._http_response (id, created) values (-1, now() - interval '5 hours'), (-2, now() - interval '7 hours');
		select net.http_get('http://x.test')`)
	row(t, srv, "1")
	if got := value(t, srv, "select string_agg(id::text, ' ' order by id) from net._http_response"); got != "-1 1" {
		t.Errorf("after 6 hours: %s", got)
	}
	srv.Exec(t, "alter database postgres set pg_net.ttl = '1 hour'")
	srv.Exec(t, "select net.worker_restart(), net.http_get('http://x.test')")
	row(t, srv, "2")
	eventually(t, "what is older than an hour is gone", func() bool { // the session before may have sent the request
		return value(t, srv, "select string_agg(id::text, ' ' order by id) from net._http_response") == "1 2"
	})
	// none at a time is a pause; headers that make no sense do not stop the rest
	before := value(t, srv, "select coalesce(max(pid), 0)::text from pg_stat_activity where application_name like 'pg_net %'")
	srv.Exec(t, "alter database postgres set pg_net.batch_size = 0; select net.worker_restart()")
	eventually(t, "there is a new session, which listens", func() bool {
		return value(t, srv, `select count(*)::text from pg_stat_activity where application_name like 'pg_net %' and pid <> `+before+`
			and (query like 'delete from net._http_response%' or query like '%for update skip locked%')`) == "1"
	})
	srv.Exec(t, `insert into net.http_request_queue (method, url, headers, timeout_milliseconds) values ('GET', 'http://x.test', '7', 1000);
		select net.http_get('http://x.test')`)
	srv.Exec(t, "alter database postgres set pg_net.batch_size = 1; select net.worker_restart()")
	row(t, srv, "3")
	row(t, srv, "4")
}

// TestReset: what is under way belongs to the database that was, and what waits
// in a snapshot is sent when it is restored.
func TestReset(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	w := &world{answer: func(r *http.Request) *http.Response {
		if r.URL.Path == "/old" {
			<-release
		}
		return suparusttest.Answer(http.StatusOK, r.URL.Path)
	}}
	srv := start(t, w.option())
	srv.Exec(t, "select net.http_get('http://x.test/old')")
	eventually(t, "it is under way", func() bool { return len(w.requests()) == 1 })
	srv.Reset(t)
	close(release)
	srv.Exec(t, "select net.http_get('http://x.test/new')")
	if got := row(t, srv, "1"); !strings.Contains(got, `"content": "/new"`) {
		t.Errorf("after Reset: %s", got)
	}
	if got := value(t, srv, "select count(*)::text from net._http_response"); got != "1" {
		t.Errorf("%s responses", got)
	}

	srv = start(t, w.option())                                                                                                       // its worker has not been called
	srv.Exec(t, `insert into net.http_request_queue (method, url, timeout_milliseconds) values ('GET', 'http://x.test/kept', 1000)`) // without a call
	n := srv.Snapshot(t)
	srv.Exec(t, "select net.wake()")
	row(t, srv, "1")
	srv.Restore(t, n)
	if got := row(t, srv, "1"); !strings.Contains(got, `"content": "/kept"`) {
		t.Errorf("after Restore: %s", got)
	}
	if len(w.requests()) != 4 {
		t.Errorf("%d requests were sent, want 4", len(w.requests()))
	}
}

// TestDisconnect: a connection that is lost loses no response.
func TestDisconnect(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	w := &world{answer: func(*http.Request) *http.Response {
		<-release
		return suparusttest.Answer(http.StatusOK, "late")
	}}
	srv := start(t, w.option())
	for i := range 2 {
		srv.Exec(t, "select net.http_get('http://x.test')")
		eventually(t, "it is under way", func() bool { return len(w.requests()) == i+1 })
		srv.Disconnect(t)
		srv.Pool(t).Reset() // the test's own connections are gone, too
		if i == 0 {
			close(release)
		}
		if got := row(t, srv, fmt.Sprint(i+1)); !strings.Contains(got, `"content": "late"`) {
			t.Errorf("got %s", got)
		}
	}
}

// TestTwoServers share a database: each request is sent by one of them.
func TestTwoServers(t *testing.T) {
	t.Parallel()
	one, two := &world{}, &world{}
	first := start(t, one.option())
	second := start(t, two.option(), suparusttest.WithDatabaseURL(first.DatabaseURL))
	const workers = "select count(*)::text from pg_stat_activity where application_name like 'pg_net %'"
	eventually(t, "the second server listens", func() bool { return value(t, second, workers) == "1" })
	for range 20 {
		first.Exec(t, "select net.http_get('http://x.test/' || i) from generate_series(1, 20) i")
	}
	eventually(t, "all have a response", func() bool {
		return value(t, first, "select count(distinct id)::text || ' ' || count(*) from net._http_response where status_code = 200") == "400 400"
	})
	if a, b := len(one.requests()), len(two.requests()); a+b != 400 {
		t.Errorf("%d and %d requests were sent, want 400 together", a, b)
	}
}

// TestOriginal leaves the queue of the original alone.
func TestOriginal(t *testing.T) {
	t.Parallel()
	srv := start(t)
	conn, err := srv.Pool(t).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, c := range []struct {
		sql  string
		ours bool
	}{
		{"select 1", true},
		{"drop extension pg_net", false},
		{`create schema net; create table net.http_request_queue (id int);
			create function net.wake() returns uuid language c as '$libdir/uuid-ossp', 'uuid_nil'`, false},
	} {
		if _, err := conn.Exec(t.Context(), c.sql); err != nil {
			t.Fatal(err)
		}
		if queue, err := pgnet.Begin(t.Context(), conn.Conn()); queue != 0 != c.ours || err != nil {
			t.Errorf("after %s: %v %v", c.sql, queue, err)
		}
	}
}

// TestPanic: a function that panics fails its request, and the next ones are
// answered.
func TestPanic(t *testing.T) {
	t.Parallel()
	w := &world{answer: func(r *http.Request) *http.Response {
		if r.URL.Path == "/panic" {
			panic("on purpose")
		}
		return suparusttest.Answer(http.StatusOK, nil)
	}}
	srv := start(t, w.option())
	began := time.Now()
	srv.Exec(t, "select net.http_get('http://x.test/panic'), net.http_get('http://x.test/next')")
	if got := row(t, srv, "1"); !strings.Contains(got, "Failure when receiving data") {
		t.Errorf("got %s", got)
	}
	row(t, srv, "2")
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
}

// TestTriggersOnResponses run with the settings of the role that a project's
// SQL belongs to, so that they find what its migrations create. One that fails
// costs the response it is about.
func TestTriggersOnResponses(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	w := &world{answer: func(r *http.Request) *http.Response {
		if r.URL.Path == "/late" {
			<-release
		}
		return suparusttest.Answer(http.StatusOK, r.URL.Path)
	}}
	srv := start(t, w.option(), suparusttest.WithSQL(`
		create table answers (id bigint, status int);
		create function answered() returns trigger language plpgsql as $$
		begin
			if new.content = '/bad' then
				insert into there_is_none values (1);
			end if;
			insert into answers values (new.id, new.status_code);
			return new;
		end $$;
		do $$ begin
			if to_regclass('net._http_response') is not null then
				create trigger answered after insert on net._http_response for each row execute function answered();
			end if;
		end $$`))
	srv.Exec(t, "select net.http_get('http://x.test/late'), net.http_get('http://x.test/bad'), net.http_get('http://x.test/good')")
	row(t, srv, "3")
	close(release)
	row(t, srv, "1")
	if got := value(t, srv, "select string_agg(id || ' ' || status, ', ' order by id) from answers"); got != "1 200, 3 200" {
		t.Errorf("the trigger has written %s", got)
	}
}

// TestExpired: all responses whose time is over are deleted, however small the
// batch. Settings that make no sense stop nothing.
func TestExpired(t *testing.T) {
	t.Parallel()
	w := &world{}
	srv := start(t, w.option())
	srv.Exec(t, `insert into net._http_response (id, created) select -n, now() - interval '7 hours' from generate_series(1, 50) n;
		alter database postgres set pg_net.batch_size = 7`)
	srv.Exec(t, "select net.http_get('http://x.test')")
	row(t, srv, "1")
	eventually(t, "all are gone", func() bool { return value(t, srv, "select count(*)::text from net._http_response") == "1" })

	srv.Exec(t, `alter database postgres set pg_net.batch_size = 'many'; alter database postgres set pg_net.ttl = 'long'`)
	srv.Exec(t, "select net.http_get('http://x.test')")
	row(t, srv, "2")
	row(t, srv, "1") // 6 hours
}
