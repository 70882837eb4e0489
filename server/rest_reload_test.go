package server_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// Another configuration is in force when Reconfigure returns: options of REST,
// keys of tokens, API keys. One with an error changes nothing.
//
//covers:rest 224
func TestReconfigure(t *testing.T) {
	t.Parallel()
	c := server.DefaultConfig()
	c.Ephemeral()
	c.Keys.JWTSecret = "the first secret, as long as it has to be"
	s, stop := serve(t, c)
	defer stop()
	execSQL(t, s, "create table t(id int); insert into t select generate_series(1, 9); grant select on t to anon, authenticated")
	a := &restAPI{&suparusttest.Server{URL: s.URL()}}
	first := bearer(t, jwt.SigningMethodHS256, []byte(c.Keys.JWTSecret), "", jwt.MapClaims{"role": "authenticated"})
	rows := func(headers ...string) int {
		return strings.Count(string(a.get(t, "/t?select=id", headers...).WantStatus(t, 200).Body), "id")
	}
	for range 2 { // the second time it is remembered
		if n := rows(first); n != 9 {
			t.Fatalf("%d rows", n)
		}
	}
	before := s.Keys()
	next := c
	next.REST.MaxRows = 4
	next.Keys.JWTSecret = "the second secret, as long as it has to be"
	wrong := next
	wrong.REST.RoleClaim = "no path"
	if err := s.Reconfigure(t.Context(), wrong); err == nil || !strings.Contains(err.Error(), "role claim") {
		t.Errorf("a path that is none: %v", err)
	}
	wrong = next
	wrong.Keys.JWTSecret = "short"
	if err := s.Reconfigure(t.Context(), wrong); err == nil {
		t.Error("a short secret is taken")
	}
	if n := rows(first); n != 9 || s.Keys() != before {
		t.Errorf("%d rows, and keys %v, after an error", n, s.Keys() == before)
	}
	if err := s.Reconfigure(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	wantError(t, a.get(t, "/t", first), 401, "PGRST301", "No suitable key or wrong key type")
	wantError(t, a.get(t, "/t", "Apikey: "+before.AnonKey), 401, "PGRST301", "")
	second := bearer(t, jwt.SigningMethodHS256, []byte(next.Keys.JWTSecret), "", jwt.MapClaims{"role": "authenticated"})
	if n := rows(second); n != 4 {
		t.Errorf("%d rows with the new limit", n)
	}
	if n := rows("Apikey: " + s.Keys().PublishableKey); n != 4 {
		t.Errorf("%d rows with the new key", n)
	}
	// Auth signs with the new key
	res, err := http.Post(s.URL()+"/auth/v1/signup", "application/json", strings.NewReader(`{"email":"ann@example.com","password":"correct-horse"}`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	_, token, ok := strings.Cut(string(body), `"access_token":"`)
	token, _, _ = strings.Cut(token, `"`)
	if err != nil || !ok {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	if n := rows("Authorization: Bearer " + token); n != 4 {
		t.Errorf("%d rows for a user", n)
	}
	// the schema by the server's own word
	execSQL(t, s, "alter role authenticator set pgrst.db_max_rows = '2'")
	if err := s.ReloadSchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := rows(second); n != 2 {
		t.Errorf("%d rows after the reload", n)
	}
	stop()
	if s.ReloadSchema(context.Background()) == nil || s.Reconfigure(context.Background(), next) == nil {
		t.Error("a server that has ended takes a configuration")
	}
}

func freeTCPPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// The admin port tells whether the server lives and is ready, what it knows of
// the schema, and its numbers.
//
//covers:rest 250 251
func TestAdminPort(t *testing.T) {
	t.Parallel()
	c := server.DefaultConfig()
	c.Ephemeral()
	c.AdminPort, c.REST.Schemas = freeTCPPort(t), []string{"public"}
	s, stop := serve(t, c)
	defer stop()
	execSQL(t, s, "create table things(id int primary key, name text not null); create view seen as select * from things; create function add(a int, b int default 1) returns int language sql as 'select a + b'")
	admin := &suparusttest.Client{HTTP: http.DefaultClient, URL: "http://127.0.0.1:" + strconv.Itoa(c.AdminPort)}
	for _, path := range []string{"/live", "/ready"} {
		admin.Get(t, path).WantStatus(t, 200)
	}
	admin.Get(t, "/").WantStatus(t, 404)
	var schema struct {
		Tables []struct {
			Schema  string   `json:"tableSchema"`
			Name    string   `json:"tableName"`
			IsView  bool     `json:"tableIsView"`
			Key     []string `json:"tablePKCols"`
			Columns []struct {
				Name string `json:"colName"`
			} `json:"tableColumns"`
		} `json:"dbTables"`
		Routines []struct {
			Name string `json:"pdName"`
		} `json:"dbRoutines"`
	}
	admin.Get(t, "/schema_cache").WantStatus(t, 200).JSON(t, &schema)
	if len(schema.Tables) != 2 || schema.Tables[0].Name != "seen" || !schema.Tables[0].IsView || schema.Tables[1].Key[0] != "id" || len(schema.Tables[1].Columns) != 2 ||
		len(schema.Routines) != 1 || schema.Routines[0].Name != "add" {
		t.Errorf("%+v", schema)
	}
	a := &suparusttest.Client{HTTP: http.DefaultClient, URL: s.URL(), Header: http.Header{"Apikey": {s.Keys().ServiceRoleKey}}}
	for range 3 {
		a.Get(t, "/rest/v1/things").WantStatus(t, 200)
	}
	metrics := admin.Get(t, "/metrics").WantStatus(t, 200)
	if got := metrics.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/plain") {
		t.Error(got)
	}
	for _, line := range []string{"pgrst_db_pool_timeouts_total 0", "pgrst_db_pool_waiting 0", "pgrst_db_pool_max 8", `pgrst_schema_cache_loads_total{status="FAIL"} 0`,
		"pgrst_jwt_cache_requests_total 3", "pgrst_jwt_cache_hits_total 2", "# TYPE pgrst_db_pool_available gauge"} {
		if !strings.Contains(string(metrics.Body), line+"\n") {
			t.Errorf("%s is not in\n%s", line, metrics.Body)
		}
	}
	stop()
	if _, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(c.AdminPort)); err == nil {
		t.Error("the admin port outlives the server")
	}
	c.Port = c.AdminPort
	if _, err := server.New(c); err == nil || !strings.Contains(err.Error(), "SUPARUST_ADMIN_PORT") {
		t.Errorf("both on one port: %v", err)
	}
}

// Without a free connection a request is given up, without a database refused;
// both say so, and the probe too.
//
//covers:rest 231 242
func TestUnavailable(t *testing.T) {
	t.Parallel()
	const sql = "create table t(id int); grant select on t to anon; create function wait(s float) returns text volatile language sql as 'select pg_sleep(s)::text'"
	a := restServer(t, sql, func(c *server.Config) {
		c.Database.MaxConns, c.Database.AcquireTimeout, c.Database.NoChannel = 1, 50*time.Millisecond, true
	})
	a.get(t, "/t").WantStatus(t, 200)
	done := make(chan *suparusttest.Response, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL+"/rest/v1/rpc/wait", strings.NewReader(`{"s":20}`))
		if err != nil {
			t.Error(err)
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
		}
		close(done)
	}()
	eventually(t, "the slow call", func() bool {
		return count(t, a, "select count(*) from pg_stat_activity where query like '%\"wait\"%' and state = 'active' and pid <> pg_backend_pid()") == 1
	})
	wantError(t, a.get(t, "/t"), 504, "PGRST003", "Timed out acquiring connection from connection pool.")
	cancel()
	<-done
	eventually(t, "the connection", func() bool { return a.get(t, "/t").Status == 200 })

	// no connection can be opened
	a.Exec(t, "alter role authenticator nologin")
	a.Exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'")
	var r *suparusttest.Response
	eventually(t, "the refusal", func() bool { r = a.get(t, "/t"); return r.Status == 503 })
	eventually(t, "the refusal of a connection", func() bool {
		r = a.get(t, "/t")
		return strings.Contains(string(r.Body), "PGRST000")
	})
	wantError(t, r, 503, "PGRST000", "Database connection error.")
	if got := r.Header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After is %q", got)
	}
	probe := &suparusttest.Client{HTTP: http.DefaultClient, URL: a.URL}
	probe.Get(t, "/rest-admin/v1/ready").WantStatus(t, 503)
	// a schema that cannot be read leaves the old one
	a.Exec(t, "alter role authenticator login")
	a.get(t, "/t").WantStatus(t, 200)
	probe.Get(t, "/rest-admin/v1/ready").WantStatus(t, 200)
}

// A server that could never read the schema says so.
func TestNoSchema(t *testing.T) {
	t.Parallel()
	a := restServer(t, "create table t(id int); grant select on t to anon; alter role authenticator nologin", nil)
	a.Exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'")
	var r *suparusttest.Response
	eventually(t, "the refusal", func() bool { r = a.get(t, "/t"); return r.Status == 503 })
	wantError(t, r, 503, "PGRST002", "Could not query the database for the schema cache. Retrying.")
	if got := r.Header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After is %q", got)
	}
	a.Exec(t, "alter role authenticator login")
	a.get(t, "/t").WantStatus(t, 200)
}

// Without prepared statements none is there after many requests, and Storage works.
func TestUnprepared(t *testing.T) {
	t.Parallel()
	const sql = "create table t(id int); insert into t values (1); grant select on t to anon; create function prepared() returns bigint stable language sql as 'select count(*) from pg_prepared_statements';" +
		"insert into storage.buckets (id, name) values ('b', 'b')"
	for _, off := range []bool{false, true} {
		a := restServer(t, sql, func(c *server.Config) { c.Database.MaxConns, c.REST.Unprepared = 1, off })
		for range 3 {
			a.get(t, "/t").WantStatus(t, 200)
			a.send(t, "GET", "/t?id=eq.1").WantStatus(t, 200)
			a.ServiceClient().Get(t, "/storage/v1/bucket/b").WantStatus(t, 200)
		}
		n, err := strconv.Atoi(string(a.get(t, "/rpc/prepared").WantStatus(t, 200).Body))
		if err != nil || off != (n == 0) {
			t.Errorf("prepared statements off: %t, and there are %d (%v)", off, n, err)
		}
	}
}

// Connections end when they have stood or lived for too long.
func TestConnectionLives(t *testing.T) {
	t.Parallel()
	const sql = "create table t(id int); grant select on t to anon; create function pid() returns int volatile language sql as 'select pg_backend_pid()'"
	idle := restServer(t, sql, func(c *server.Config) { c.Database.MaxIdle, c.Database.NoChannel = 100*time.Millisecond, true })
	idle.get(t, "/t").WantStatus(t, 200)
	const theirs = "select count(*) from pg_stat_activity where usename = 'authenticator'"
	eventually(t, "the idle connection's end", func() bool { return count(t, idle, theirs) == 0 })
	idle.get(t, "/t").WantStatus(t, 200)

	old := restServer(t, sql, func(c *server.Config) { c.Database.MaxLifetime, c.Database.NoChannel = 300*time.Millisecond, true })
	first := string(old.send(t, "POST", "/rpc/pid").WantStatus(t, 200).Body)
	eventually(t, "another connection", func() bool { return string(old.send(t, "POST", "/rpc/pid").Body) != first })
}

// The first request reads the schema, and nobody reads it a second time: there
// is the request's connection and that of the listener, which asks whether
// anything has changed before it listened.
//
//covers:rest 237
func TestFirstRequest(t *testing.T) {
	t.Parallel()
	port := freeTCPPort(t)
	a := restServer(t, "create table t(id int); grant select on t to anon", func(c *server.Config) { c.AdminPort = port })
	a.get(t, "/t").WantStatus(t, 200)
	eventually(t, "the listener", func() bool {
		return count(t, a, "select count(*) from pg_stat_activity where application_name = 'suparust schema listener' and state = 'idle' and query like 'select %'") == 1
	})
	if n := count(t, a, "select count(*) from pg_stat_activity where usename = 'authenticator'"); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
	admin := &suparusttest.Client{HTTP: http.DefaultClient, URL: "http://127.0.0.1:" + strconv.Itoa(port)}
	loads := func() string {
		_, after, _ := strings.Cut(string(admin.Get(t, "/metrics").WantStatus(t, 200).Body), `pgrst_schema_cache_loads_total{status="SUCCESS"} `)
		n, _, _ := strings.Cut(after, "\n")
		return n
	}
	a.Exec(t, "notify pgrst, 'reload schema'")
	eventually(t, "the reload that was asked for", func() bool { return loads() != "1" })
	if n := loads(); n != "2" {
		t.Errorf("%s loads, want the first request's and the one that was asked for", n)
	}
}
