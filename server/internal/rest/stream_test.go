package rest_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/rest"
	"github.com/suparust/suparust/server/internal/session"
)

// streamSchema has tables whose answers are streamed when no limit is asked
// for, and made in one piece with a limit.
const streamSchema = `
create table lists(id int primary key, name text);
insert into lists select i, 'list ' || i from generate_series(1, 20) i;
create table items(id int primary key, list_id int references lists(id), name text, note text, data jsonb, raw json, tags text[], n numeric, w timestamptz);
insert into items select i, nullif(i % 21, 0), case when i % 7 = 0 then null else 'ä "q" \ ' || i || E'\n\t' end, repeat('n, ', i % 40),
  jsonb_build_object('a', i, 'b', null, 'c', array[i, i + 1]), '{"z": 1,  "a":[null , {"x": null}]}', array['x', null, 'y z'], i / 7.0, '2024-01-01'::timestamptz + i * interval '1 hour'
  from generate_series(1, 900) i;
create table empty(id int, name text);
create view wide as select i as id, repeat(chr(97 + i % 26), 1000) as fill from generate_series(1, 9000) i;
create function shout(items) returns text stable language sql as 'select upper($1.name)';
create function all_items() returns setof items stable language sql as 'select * from items order by id';
create function some_rows() returns table(a int, b text) stable language sql as $$ select i, 'row ' || i from generate_series(1, 500) i $$;
create function numbers() returns setof int stable language sql as 'select generate_series(1, 3000)';
create function told(wide) returns int language sql as $$ select case when $1.id = 9000 then length(
  set_config('response.headers', '[{"X-Late": "yes"}]', true) || set_config('response.status', '207', true)) end $$;
create function early() returns void language plpgsql as $$ begin
  perform set_config('response.headers', '[{"X-Early": "yes"}]', true); end $$;
create function fails_late(wide) returns int language sql stable as 'select 1 / (9000 - $1.id)';
create type fate as enum ('good', 'fails', 'sleeps');
create function fate_json(fate) returns json language plpgsql stable as $$ begin
  case $1 when 'fails' then raise exception 'late'; when 'sleeps' then perform pg_sleep(60); else null; end case;
  return to_json($1::text); end $$;
create cast (fate as json) with function fate_json(fate);
create view late as select id, case id when 6000 then 'fails' else 'good' end::fate as fate, fill from wide;
create view slow as select id, case id when 6000 then 'sleeps' else 'good' end::fate as fate, fill from wide;
grant all on all tables in schema public to anon, authenticated, service_role;
`

// Streamed answers are those made in one piece, byte for byte.
//
//covers:rest 192 195 196 198
func TestStreamedAnswersAreTheSame(t *testing.T) {
	t.Parallel()
	f := start(t, streamSchema)
	f.configure(t, "db_max_rows", "0")
	f.configure(t, "db_aggregates_enabled", "true")
	c := f.as(t, "service_role", nil)
	headers := []string{"Content-Range", "Content-Type", "Content-Location", "Content-Profile", "Preference-Applied", "Content-Length", "X-Early"}
	same := func(t *testing.T, path string, header ...string) {
		t.Helper()
		sep := "&"
		if !strings.Contains(path, "?") {
			sep = "?"
		}
		streamed, whole := c.get(t, path, header...), c.get(t, path+sep+"limit=1000", header...)
		if streamed.status != whole.status || !bytes.Equal(streamed.body, whole.body) {
			t.Errorf("%s %q: %d, %d bytes, want %d, %d bytes\n%.300s\n%.300s", path, header, streamed.status, len(streamed.body),
				whole.status, len(whole.body), streamed.body, whole.body)
		}
		whole.header.Set("Content-Location", strings.NewReplacer("?limit=1000&", "?", "?limit=1000", "", "&limit=1000", "").Replace(whole.header.Get("Content-Location")))
		for _, name := range headers {
			if got, want := streamed.header.Get(name), whole.header.Get(name); got != want {
				t.Errorf("%s %q: %s is %q, want %q", path, header, name, got, want)
			}
		}
	}
	all := func(t *testing.T) {
		for _, header := range [][]string{
			{"Accept: application/json"}, {"Accept: text/csv"}, {"Accept: application/vnd.pgrst.array+json;nulls=stripped"},
			{"Prefer: count=exact"}, {"Prefer: count=planned"}, {"Prefer: count=estimated"}, {"Accept: application/vnd.pgrst.object+json"},
			{"Prefer: timezone=Asia/Tokyo"}, {"Prefer: handling=strict, nonsense"}, {"Range: 5-"}, {"Accept: application/geo+json"},
		} {
			for _, path := range []string{
				"/items?order=id", "/items?select=id,lists(name)&order=id", "/lists?select=name,items(id,raw)&order=id&items.order=id", "/empty", "/items?select=name,shout&order=id.desc",
				"/items?id=gt.500&order=id&offset=20", "/items?offset=5000", "/items?select=id,nope", "/items?id=eq.x",
				"/items?select=lists()&lists=not.is.null", "/items?select=raw->a,data->>b&order=id", "/items?id=eq.3&select=*", "/lists?select=...items(id)&order=id&items.order=id",
				"/rpc/all_items", "/rpc/all_items?select=id,lists!inner(name)&id=lt.100", "/rpc/some_rows?order=a.desc",
			} {
				same(t, path, header...)
			}
		}
	}
	all(t)
	same(t, "/items?select=list_id,id.sum()&order=list_id") // the total would be the number of groups or of rows
	f.configure(t, "db_pre_request", "public.early")
	same(t, "/items?order=id", "Prefer: count=estimated")
	if r := c.get(t, "/items"); r.header.Get("X-Early") != "yes" {
		t.Error("the header of the pre-request function is missing")
	}
}

// What is too large for one piece is what PostgreSQL makes of it in one piece,
// with the headers it would have.
//
//covers:rest 171 192 193 194
func TestStreamedAnswersAreWhole(t *testing.T) {
	t.Parallel()
	f := start(t, streamSchema+"alter role service_role set statement_timeout = '60s'")
	f.configure(t, "db_max_rows", "0")
	c := f.as(t, "service_role", nil)
	want := f.value(t, "select json_agg(r)::text from (select * from wide order by id) r")
	for prefer, window := range map[string]string{"": "0-8999/*", "count=exact": "0-8999/9000"} {
		r := c.get(t, "/wide?order=id", "Prefer: "+prefer)
		if r.status != 200 || string(r.body) != want {
			t.Errorf("%d, %d bytes, want %d bytes", r.status, len(r.body), len(want))
		}
		if r.header.Get("Content-Range") != window || r.header.Get("Content-Length") != "" || r.header.Get("Preference-Applied") != prefer {
			t.Errorf("%v", r.header)
		}
	}
	r := c.get(t, "/wide?order=id&offset=1000&limit=7000", "Prefer: count=exact")
	want = f.value(t, "select json_agg(r)::text from (select * from wide order by id offset 1000 limit 7000) r")
	if r.status != 206 || r.header.Get("Content-Range") != "1000-7999/9000" || string(r.body) != want {
		t.Errorf("%d, %d bytes %v", r.status, len(r.body), r.header)
	}
	want = "id,fill\n" + f.value(t, "select string_agg(id || ',' || fill, E'\\n' order by id) from wide")
	if r := c.get(t, "/wide?order=id", "Accept: text/csv"); string(r.body) != want || r.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("%d, %d bytes, want %d: %v", r.status, len(r.body), len(want), r.header)
	}
	// what the last row sets is in the head of the answer
	if r := c.get(t, "/wide?select=id,fill,told&order=id"); r.status != 207 || r.header.Get("X-Late") != "yes" || len(r.body) < 9_000_000 {
		t.Errorf("%d, %d bytes %v", r.status, len(r.body), r.header)
	}
	// and an error of the last row is answered as one
	c.get(t, "/wide?select=id,fill,fails_late").wantCode(t, 400, "22012")
	// the body of a HEAD request is not even made
	if r := c.send(t, http.MethodHead, "/late", ""); r.status != 200 || r.header.Get("Content-Range") != "0-8999/*" {
		t.Errorf("%d %v", r.status, r.header)
	}
}

// An error in the middle of the body cuts the connection, and the next request
// is served.
func TestStreamedErrors(t *testing.T) {
	t.Parallel()
	f := start(t, streamSchema+"alter role authenticated set statement_timeout = '2s'")
	f.configure(t, "db_max_rows", "0")
	for path, role := range map[string]string{"/late?order=id": "service_role", "/slow?order=id": "authenticated"} {
		c := f.as(t, role, nil)
		req, err := http.NewRequest(http.MethodGet, f.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+c.token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != 200 || !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(body, []byte(`[{"id":1,`)) || len(body) < 1<<20 {
			t.Errorf("%s: %d, %d bytes, %v", path, res.StatusCode, len(body), err)
		}
		c.get(t, "/lists?select=id&id=eq.1").want(t, 200, `[{"id":1}]`)
	}
	if n := f.count(t, activeAPI); n != 0 {
		t.Errorf("%d statements are still running", n)
	}
}

// activeAPI are the connections of the API that are not between transactions.
const activeAPI = `select 1 from pg_stat_activity where usename = 'authenticator' and state <> 'idle'`

// A client that does not read its answer holds no connection, of which there
// is one here; one that goes away ends its statement.
//
//covers:rest 256 259
func TestStalledReaderHoldsNoConnection(t *testing.T) {
	t.Parallel()
	f := start(t, streamSchema+"alter role anon set statement_timeout = '60s'")
	api, c := f.direct(t, session.Config{MaxConns: 1}, rest.Config{})
	for name, path := range map[string]string{"streamed": "/wide?select=id,fill,a:fill,b:fill,c:fill", "in one piece": "/wide?limit=1000&offset=1&select=id,fill,a:fill,b:fill,c:fill,d:fill,e:fill,f:fill,g:fill,h:fill"} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, api, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n")
			first := make([]byte, 100)
			if _, err := io.ReadFull(conn, first); err != nil || !bytes.HasPrefix(first, []byte("HTTP/1.1 200 OK")) {
				t.Fatal(err, string(first))
			}
			f.eventually(t, func() bool { return f.count(t, activeAPI) == 0 })
			c.get(t, "/lists?select=id&id=eq.1").want(t, 200, `[{"id":1}]`)
			res, err := http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(first), conn)), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			if err != nil || len(body) < 9_000_000 || body[len(body)-1] != ']' {
				t.Errorf("%d bytes, %v", len(body), err)
			}
		})
	}
	t.Run("gone", func(t *testing.T) {
		conn := dial(t, api, "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
		if _, err := io.ReadFull(conn, make([]byte, 4<<20)); err != nil {
			t.Fatal(err)
		}
		if n := f.count(t, activeAPI); n != 1 {
			t.Errorf("%d statements are running, want 1", n)
		}
		conn.Close()
		f.eventually(t, func() bool { return f.count(t, activeAPI) == 0 })
		c.get(t, "/lists?select=id&id=eq.1").want(t, 200, `[{"id":1}]`)
	})
}

// A body that comes slowly holds no connection either.
//
//covers:rest 256
func TestSlowBodyHoldsNoConnection(t *testing.T) {
	t.Parallel()
	f := start(t, streamSchema)
	api, c := f.direct(t, session.Config{MaxConns: 1}, rest.Config{})
	const body = `{"id":1,"name":"x"}`
	conn := dial(t, api, fmt.Sprintf("POST /empty HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:9]))
	for range 20 {
		c.get(t, "/lists?select=id&id=eq.1").want(t, 200, `[{"id":1}]`)
	}
	if _, err := io.WriteString(conn, body[9:]); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != 201 {
		t.Fatal(res, err)
	}
}

// An answer beyond the limit is an error while nothing was sent, and is cut off
// afterwards.
//
//covers:rest 258
func TestStreamedAnswersAreBounded(t *testing.T) {
	t.Parallel()
	f := start(t, streamSchema)
	_, c := f.direct(t, session.Config{}, rest.Config{Limits: rest.Limits{MaxResponse: 100 << 10}})
	c.get(t, "/wide").wantCode(t, 500, "PGRSTX00")
	if r := c.get(t, "/wide?id=lt.90"); r.status != 200 || len(r.body) < 90_000 {
		t.Errorf("%d, %d bytes", r.status, len(r.body))
	}
	api, c := f.direct(t, session.Config{}, rest.Config{Limits: rest.Limits{MaxResponse: 1 << 20}})
	res, err := http.Get(api + "/wide")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(body) > 1<<20 {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	c.get(t, "/lists?select=id&id=eq.1").want(t, 200, `[{"id":1}]`)
}

// direct serves the fixture's database with other settings, without the
// gateway; requests run as the role anon.
func (f *fixture) direct(t testing.TB, sc session.Config, rc rest.Config) (api string, c *client) {
	t.Helper()
	sc.ConnConfig = f.connConfig(t, "authenticator")
	db := session.New(sc)
	rc.DB, rc.AnonRole = db, "anon"
	h, err := rest.New(rc)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		srv.Close()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		db.Close()
	})
	return srv.URL, &client{url: srv.URL}
}

// dial sends a request whose answer is read, or not, by hand.
func dial(t testing.TB, api, request string) net.Conn {
	t.Helper()
	u, err := url.Parse(api)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}
