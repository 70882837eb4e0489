package pgnet_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// TestTrigger sends what a trigger asks for, whichever API caused it, with the
// transaction of the request and not before.
func TestTrigger(t *testing.T) {
	t.Parallel()
	w := &world{answer: func(*http.Request) *http.Response {
		return suparusttest.Answer(http.StatusCreated, map[string]string{"got": "it"})
	}}
	srv := start(t, w.option(), suparusttest.WithSQL(`
		create table orders (id int primary key, note text check (note <> 'bad'));
		create function tell() returns trigger language plpgsql as $$
		begin
			perform net.http_post('https://shop.test/orders', to_jsonb(new), '{"v": "1 2"}', '{"X-Order": "yes", "X-Empty": "", "X-Null": null, "X-Number": 5}');
			return new;
		end $$;
		create trigger tell before insert on orders for each row execute function tell();
		create function welcome() returns trigger language plpgsql security definer as $$
		begin
			perform net.http_get('https://shop.test/welcome', jsonb_build_object('email', new.email));
			return new;
		end $$;
		create trigger welcome after insert on auth.users for each row execute function welcome();
		grant all on orders to anon, authenticated`))

	// Auth, before any request of REST
	srv.CreateUser(t, "ann@example.com")
	if got := row(t, srv, "1"); got != `{"content": "{\"got\":\"it\"}", "headers": {"Content-Type": "application/json"}, "error_msg": null, "timed_out": false, "status_code": 201, "content_type": "application/json"}` {
		t.Errorf("the response: %s", got)
	}
	if got := w.requests()[0]; got.method != "GET" || got.url != "https://shop.test/welcome?email=ann%40example.com" || got.body != "" || got.header.Get("User-Agent") != "pg_net/0.20.4" || got.header.Get("Accept") != "*/*" {
		t.Errorf("got %+v", got)
	}

	// REST: what is refused sends nothing
	api := srv.Client()
	api.Post(t, "/rest/v1/orders", `[{"id": 1, "note": "good"}, {"id": 2, "note": "bad"}]`).WantStatus(t, http.StatusBadRequest)
	api.Post(t, "/rest/v1/orders", `{"id": 4, "note": "good"}`).WantStatus(t, http.StatusCreated)
	eventually(t, "the order is told", func() bool { return len(w.requests()) > 1 })
	got := w.requests()[1]
	var order struct{ ID int }
	if err := json.Unmarshal([]byte(got.body), &order); err != nil || order.ID != 4 || got.method != "POST" || got.url != "https://shop.test/orders?v=1%202" {
		t.Errorf("got %+v", got)
	}
	for name, want := range map[string]string{"Content-Type": "application/json", "X-Order": "yes", "X-Number": "5", "X-Empty": "", "X-Null": ""} {
		if v := got.header.Get(name); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	if _, there := got.header["X-Empty"]; there {
		t.Error("a header without a value was sent")
	}

	// SQL: a transaction that takes its time, and one that is rolled back
	tx, err := srv.Pool(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "insert into orders values (5)"); err != nil {
		t.Fatal(err)
	}
	srv.Exec(t, "insert into orders values (6)")
	eventually(t, "the second transaction's order is told", func() bool { return len(w.requests()) > 2 })
	if body := w.requests()[2].body; !strings.Contains(body, `"id": 6`) {
		t.Errorf("told of %s", body)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first transaction's order is told", func() bool { return len(w.requests()) > 3 })
	if body := w.requests()[3].body; !strings.Contains(body, `"id": 5`) {
		t.Errorf("told of %s", body)
	}
	if n := len(w.requests()); n != 4 {
		t.Errorf("%d requests were sent, want 4", n)
	}
}

// TestWebhook fires the trigger of a database webhook, which needs nothing to be
// created.
func TestWebhook(t *testing.T) {
	t.Parallel()
	w := &world{}
	srv := start(t, w.option(), suparusttest.WithSQL(`
		create table notes (id int primary key);
		create trigger hook after insert on notes for each row
			execute function supabase_functions.http_request('http://hooks.test/note', 'POST', '{"Content-Type": "application/json", "X-Key": "k"}', '{}', '1000');
		grant all on notes to anon`))
	srv.Client().Post(t, "/rest/v1/notes", `{"id": 7}`).WantStatus(t, http.StatusCreated)
	row(t, srv, "1")
	got := w.requests()[0]
	if got.url != "http://hooks.test/note" || got.header.Get("X-Key") != "k" ||
		got.body != `{"type": "INSERT", "table": "notes", "record": {"id": 7}, "schema": "public", "old_record": null}` {
		t.Errorf("got %+v", got)
	}
	if n := value(t, srv, "select request_id::text from supabase_functions.hooks"); n != "1" {
		t.Errorf("the hook's request is %s", n)
	}
}

// TestNoConnection: who does not use pg_net has no connection for it.
func TestNoConnection(t *testing.T) {
	t.Parallel()
	w := &world{}
	srv := start(t, w.option())
	srv.Exec(t, "create table t (id int); create extension if not exists pg_net with schema extensions")
	srv.Client().Get(t, "/rest/v1/").WantStatus(t, http.StatusOK)
	const workers = "select count(*)::text from pg_stat_activity where application_name like 'pg_net %'"
	if n := value(t, srv, workers); n != "0" {
		t.Errorf("%s connections of pg_net's worker", n)
	}
	srv.Exec(t, "select net.check_worker_is_up(); select net.wait_until_running()")
	srv.Exec(t, "select net.http_get('http://x.test')")
	row(t, srv, "1")
	if n := value(t, srv, workers); n != "1" {
		t.Errorf("%s connections of pg_net's worker after a request", n)
	}
}

// TestStrict: the role postgres need not be a superuser, here as on the platform.
func TestStrict(t *testing.T) {
	t.Parallel()
	w := &world{}
	srv := start(t, w.option(), suparusttest.WithConfig(func(c *server.Config) { c.Database.StrictPostgresRole = true }))
	srv.Exec(t, `create table answers (id bigint);
		create function answered() returns trigger language plpgsql as $$ begin insert into answers values (new.id); return new; end $$;
		create trigger answered after insert on net._http_response for each row execute function answered();
		insert into net._http_response (id, created) values (-1, now() - interval '7 hours')`)
	srv.Exec(t, "select net.http_post('http://x.test/1'), net.http_delete('http://x.test/2')")
	row(t, srv, "1")
	row(t, srv, "2")
	if got := value(t, srv, "select string_agg(id::text, ' ' order by id) from answers"); got != "-1 1 2" {
		t.Errorf("the trigger has written %s", got)
	}
	eventually(t, "what is old is gone", func() bool { return value(t, srv, "select count(*)::text from net._http_response") == "2" })
	srv.Exec(t, "drop extension pg_net; create extension pg_net; select net.http_get('http://x.test/3')")
	row(t, srv, "1")
	srv.Exec(t, "select net.worker_restart(), net.http_get('http://x.test/4')")
	row(t, srv, "2")
}

// TestDropped drops the extension while its worker is there and creates it anew.
func TestDropped(t *testing.T) {
	t.Parallel()
	w := &world{}
	srv := start(t, w.option())
	srv.Exec(t, "select net.http_get('http://x.test/1')")
	row(t, srv, "1")
	for range 2 {
		srv.Exec(t, "drop extension pg_net")
		srv.Exec(t, `create extension "pg_net" with schema extensions; select net.http_get('http://x.test/2')`)
		row(t, srv, "1")
		srv.Exec(t, "select net.worker_restart(); select net.http_get('http://x.test/3')")
		row(t, srv, "2")
	}
	if n := len(w.requests()); n != 5 {
		t.Errorf("%d requests were sent, want 5", n)
	}
}
