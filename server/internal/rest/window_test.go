package rest_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

const windowSchema = `
create table teams(id int primary key, name text);
insert into teams values (1, 'red'), (2, 'blue team'), (3, 'a+b'), (4, 'grün');
create table people(id int primary key, team_id int references teams(id), age int);
insert into people select i, (i - 1) % 2 + 1, 20 + i from generate_series(1, 10) i;
create function everybody() returns setof people stable language sql as 'select * from people order by id'`

// How the query string is read: decoding, repetition, windows at every level.
//
//covers:rest 20 21 22 23 24 25 27 28 29 32
func TestWindows(t *testing.T) {
	t.Parallel()
	f := start(t, windowSchema)
	c := f.as(t, "service_role", nil)
	const hugeOffset = "99999999999"
	for _, q := range []struct {
		path, header string
		status       int
		want         string // body, or code of the error
		window       string // Content-Range, where it matters
	}{
		// decoding
		{"/teams?select=id&name=eq.blue+team", "", 200, `[{"id":2}]`, ""},
		{"/teams?select=id&name=eq.blue%20team", "", 200, `[{"id":2}]`, ""},
		{"/teams?select=id&name=eq.a%2Bb", "", 200, `[{"id":3}]`, ""},
		{"/teams?select=id&n%61me=eq.gr%C3%BCn", "", 200, `[{"id":4}]`, ""},
		{"/teams?name=eq.%FF", "", 400, "PGRST100", ""},
		// repetition and what has no value
		{"/people?select=id&age=gte.23&age=lte.25&order=id", "", 200, `[{"id":3},{"id":4},{"id":5}]`, ""},
		{"/people?select=id&id=eq.1&id=eq.2", "", 200, `[]`, "*/*"},
		{"/teams?select=id&id&id=eq.1", "", 200, `[{"id":1}]`, ""},
		{"/teams?id=", "", 400, "PGRST100", ""},
		{"/people?select=id&order=id.desc&order=id.asc&limit=1", "", 200, `[{"id":10}]`, ""},
		{"/people?select=id&order=id&limit=5&limit=1&offset=3&offset=2", "", 200, `[{"id":3}]`, "2-2/*"},
		// windows of the root
		{"/people?select=id&order=id&limit=2&offset=3", "", 200, `[{"id":4},{"id":5}]`, "3-4/*"},
		{"/people?limit=0", "", 200, `[]`, "*/*"},
		{"/people?limit=0", "Prefer: count=exact", 206, `[]`, "*/10"},
		{"/people?offset=" + hugeOffset, "", 200, `[]`, "*/*"},
		{"/people?offset=" + hugeOffset, "Prefer: count=exact", 416, "PGRST103", "*/10"},
		{"/people?select=id&order=id&limit=1&offset=-4", "", 200, `[{"id":1}]`, "0-0/*"},
		{"/people?limit=-1", "", 416, "PGRST103", ""},
		{"/people?select=id&order=id&limit=x&offset=y&id=lt.3", "", 200, `[{"id":1},{"id":2}]`, "0-1/*"},
		// windows of embeds
		{"/teams?select=id,people(id)&people.order=id.desc&people.limit=2&people.offset=1&id=lt.3&order=id", "", 200,
			`[{"id":1,"people":[{"id":7},{"id":5}]},{"id":2,"people":[{"id":8},{"id":6}]}]`, ""},
		{"/teams?select=id,people(id,teams(people(id)))&id=eq.1&people.limit=1&people.order=id&people.teams.people.limit=1&people.teams.people.order=id.desc", "", 200,
			`[{"id":1,"people":[{"id":1,"teams":{"people":[{"id":9}]}}]}]`, ""},
		{"/teams?select=id,people(id)&people.limit=-1", "", 416, "PGRST103", ""},
		// the Range header
		{"/people?select=id&order=id", "Range: 2-3", 200, `[{"id":3},{"id":4}]`, "2-3/*"},
		{"/people?select=id&order=id", "Range: 8-", 200, `[{"id":9},{"id":10}]`, "8-9/*"},
		{"/people?select=id&order=id&offset=1&limit=4", "Range: 2-8", 200, `[{"id":3},{"id":4},{"id":5}]`, "2-4/*"},
		{"/people?select=id&order=id&limit=2", "Range: a-b", 200, `[{"id":1},{"id":2}]`, "0-1/*"},
		{"/people", "Range: 3-2", 416, "PGRST103", ""},
		// anything else is a filter on a column
		{"/people?nonsense=eq.1", "", 400, "42703", ""},
		{"/people?nonsense=1", "", 400, "PGRST100", ""},
	} {
		header := []string{}
		if q.header != "" {
			header = append(header, q.header)
		}
		r := c.get(t, q.path, header...)
		if q.status >= 400 {
			r.wantCode(t, q.status, q.want)
		} else {
			r.want(t, q.status, q.want)
		}
		if got := r.header.Get("Content-Range"); q.window != "" && got != q.window {
			t.Errorf("%s %s: Content-Range %s, want %s", q.path, q.header, got, q.window)
		}
		if t.Failed() {
			t.Fatal(q.path, q.header)
		}
	}
	if r := c.send(t, http.MethodHead, "/people", "", "Range: 2-3"); r.header.Get("Content-Range") != "0-9/*" {
		t.Errorf("HEAD has a range: %s", r.header.Get("Content-Range"))
	}
	c.post(t, "/rpc/everybody?select=id", "{}", "Range: 3-2").wantStatus(t, 200)
}

// The cap on rows holds at every level of reads and calls, and for no write.
//
//covers:rest 30
func TestMaxRows(t *testing.T) {
	t.Parallel()
	f := start(t, windowSchema)
	c := f.as(t, "service_role", nil)
	f.configure(t, "db_max_rows", "2")
	c.get(t, "/people?select=id&order=id").want(t, 200, `[{"id":1},{"id":2}]`)
	c.get(t, "/people?select=id&order=id&limit=5").want(t, 200, `[{"id":1},{"id":2}]`)
	c.get(t, "/people?select=id&order=id&limit=1").want(t, 200, `[{"id":1}]`)
	c.get(t, "/rpc/everybody?select=id").want(t, 200, `[{"id":1},{"id":2}]`)
	c.get(t, "/teams?select=id,people(id)&people.order=id&order=id").want(t, 200, `[{"id":1,"people":[{"id":1},{"id":3}]},{"id":2,"people":[{"id":2},{"id":4}]}]`)
	if r := c.get(t, "/people", "Prefer: count=exact"); r.status != 206 || r.header.Get("Content-Range") != "0-1/10" {
		t.Errorf("%d %s", r.status, r.header.Get("Content-Range"))
	}
	c.send(t, http.MethodPatch, "/people?id=lt.5&select=id&order=id", `{"age":1}`, "Prefer: return=representation").
		want(t, 200, `[{"id":1},{"id":2},{"id":3},{"id":4}]`)
	c.post(t, "/teams?select=id", `[{"id":11},{"id":12},{"id":13}]`, "Prefer: return=representation").want(t, 201, `[{"id":11},{"id":12},{"id":13}]`)
	c.send(t, http.MethodDelete, "/people?id=gt.0", "").want(t, 204, "")
	if n := f.count(t, "select 1 from people"); n != 0 {
		t.Errorf("%d rows were not deleted", n)
	}
}

// The role that logs in can do nothing but become another.
//
//covers:rest 257
func TestLoginRole(t *testing.T) {
	t.Parallel()
	f := start(t, "create function who() returns text stable language sql as $$ select session_user || ' ' || current_user $$")
	f.as(t, "anon", nil).get(t, "/rpc/who").want(t, 200, `"authenticator anon"`)
	got := f.value(t, "select rolsuper::text || rolinherit || rolcreaterole || rolcreatedb || rolbypassrls || rolreplication from pg_roles where rolname = 'authenticator'")
	if got != "falsefalsefalsefalsefalsefalse" {
		t.Errorf("superuser, inherit, createrole, createdb, bypassrls, replication: %s", got)
	}
	if n := f.count(t, "select 1 from pg_stat_activity where usename = 'authenticator' and backend_type = 'client backend'"); n == 0 {
		t.Error("the API does not log in as authenticator")
	}
	c := f.as(t, "supabase_admin", nil)
	c.get(t, "/rpc/who").wantCode(t, 403, "42501")
}

// lockedBuffer is written by several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// The log has neither tokens nor bodies, whatever goes wrong.
//
//covers:rest 260
func TestLogsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	srv := suparusttest.Start(t, suparusttest.WithoutProject(),
		suparusttest.WithSQL("create table t(id int primary key, s text); create function fails() returns int language plpgsql as 'begin raise sqlstate ''XX001''; end'"),
		suparusttest.WithConfig(func(c *server.Config) {
			c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		}))
	f := &fixture{URL: srv.URL + "/rest/v1", srv: srv}
	c := f.as(t, "service_role", map[string]any{"sub": "subject-of-claims"})
	const secret = "a-secret-of-the-client"
	headers := []string{"Cookie: session=" + secret, "X-Private: " + secret, "apikey: " + srv.ServiceKey}
	c.post(t, "/t", `{"id":1,"s":"`+secret+`"}`, headers...).wantStatus(t, 201)
	c.post(t, "/t", `{"id":1,"s":"`+secret+`"}`, headers...).wantStatus(t, 409)
	c.post(t, "/t", `{"id":"`+secret+`"}`, headers...).wantStatus(t, 400)
	c.post(t, "/rpc/fails", `{}`, headers...).wantStatus(t, 500)
	bad := &client{url: f.URL, token: c.token[:len(c.token)-4] + "AAAA"}
	bad.get(t, "/t?apikey="+srv.AnonKey).wantStatus(t, 401)
	(&client{url: f.URL}).get(t, "/t?apikey="+srv.AnonKey).wantStatus(t, 200)
	text := log.String()
	if !strings.Contains(text, "/rest/v1/rpc/fails") || !strings.Contains(text, "XX001") {
		t.Errorf("the log does not tell of the requests:\n%s", text)
	}
	for name, value := range map[string]string{"body, cookie or header": secret, "token": c.token, "payload of the token": strings.Split(c.token, ".")[1],
		"signature": strings.Split(c.token, ".")[2], "service key": srv.ServiceKey, "anon key": srv.AnonKey, "claims": "subject-of-claims", "secret": srv.JWTSecret} {
		if strings.Contains(text, value) {
			t.Errorf("the log holds the %s", name)
		}
	}
}
