package server_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/suparust/suparust/server"
)

// Every setting that may stand in the database, first without it and then with.
//
//covers:rest 201 208 212 213 240 244
func TestSettingsInDatabase(t *testing.T) {
	t.Parallel()
	a := restServer(t, `create table t(id int primary key, n int); insert into t select i, i from generate_series(1, 5) i;
		create schema api; grant usage on schema api to anon, authenticated, service_role; create table api.other(id int); grant select on api.other to service_role;
		create schema tools; grant usage on schema tools to public; create function tools.answer() returns int stable language sql as 'select 42';
		create function find() returns int stable language plpgsql as 'begin return answer(); end';
		create function setting(name text) returns text stable language sql as $$ select current_setting(name, true) $$;
		create function slow() returns int volatile language sql set statement_timeout = '50ms' as $$ select 1 from pg_sleep(0.3) $$;
		alter role service_role set statement_timeout = '9s';
		create function before() returns void language plpgsql as $$ begin
		  if current_setting('request.headers')::json->>'x-stop' is not null then raise sqlstate 'PT418' using message = 'stopped'; end if;
		  perform set_config('response.headers', '[{"X-Before":"yes"}]', true);
		  if current_setting('request.headers')::json->>'x-rise' is not null then set local role service_role; end if; end $$;
		create function whoami() returns text stable language sql as 'select current_user::text';
		create function root() returns json stable language sql as $$ select '{"hello":"root"}'::json $$;`,
		func(c *server.Config) {
			c.REST.Schemas, c.REST.AnonRole, c.REST.MaxRows = []string{"public"}, "service_role", 4
			if err := c.REST.SetApp("flavour", "vanilla"); err != nil {
				t.Error(err)
			}
		})
	says := func(body string) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			wantBody(t, a.get(t, "/rpc/setting?name=app.settings.flavour"), 200, body)
		}
	}
	says(`"vanilla"`)(t)
	wantBody(t, a.get(t, "/rpc/setting?name=APP.Settings.Flavour"), 200, `"vanilla"`)
	for _, c := range []struct {
		name, value string
		path        string
		headers     []string
		before      func(t *testing.T)
		after       func(t *testing.T)
	}{
		{name: "db_schemas", value: "public, api", before: func(t *testing.T) {
			wantError(t, a.get(t, "/other", "Accept-Profile: api"), 406, "PGRST106", "Invalid schema: api")
		}, after: func(t *testing.T) {
			wantBody(t, a.get(t, "/other?select=id", "Accept-Profile: api"), 200, `[]`)
		}},
		{name: "db_anon_role", value: "anon", before: func(t *testing.T) { wantBody(t, a.get(t, "/rpc/whoami"), 200, `"service_role"`) },
			after: func(t *testing.T) { wantBody(t, a.get(t, "/rpc/whoami"), 200, `"anon"`) }},
		{name: "db_max_rows", value: "2", before: func(t *testing.T) {
			wantBody(t, a.get(t, "/t?select=id"), 200, "[{\"id\":1}, \n {\"id\":2}, \n {\"id\":3}, \n {\"id\":4}]")
		},
			after: func(t *testing.T) { wantBody(t, a.get(t, "/t?select=id"), 200, "[{\"id\":1}, \n {\"id\":2}]") }},
		{name: "db_extra_search_path", value: "tools", before: func(t *testing.T) { wantError(t, a.get(t, "/rpc/find"), 404, "42883", "") },
			after: func(t *testing.T) { wantBody(t, a.get(t, "/rpc/find"), 200, "42") }},
		{name: "db_aggregates_enabled", value: "2", before: func(t *testing.T) { wantError(t, a.get(t, "/t?select=n.max()"), 400, "PGRST123", "") },
			after: func(t *testing.T) { wantBody(t, a.get(t, "/t?select=n.max()"), 200, `[{"max":5}]`) }},
		{name: "db_plan_enabled", value: "TRUE", before: func(t *testing.T) {
			wantError(t, a.get(t, "/t", "Accept: application/vnd.pgrst.plan"), 406, "PGRST107", "")
		}, after: func(t *testing.T) { a.get(t, "/t", "Accept: application/vnd.pgrst.plan").WantStatus(t, 200) }},
		{name: "db_tx_end", value: "rollback-allow-override", before: func(t *testing.T) {
			r := a.send(t, "DELETE", "/t?id=eq.5", "Prefer: tx=rollback, count=exact")
			if r.Header.Get("Preference-Applied") != "count=exact" || r.Header.Get("Content-Range") != "*/1" {
				t.Errorf("%v", r.Header)
			}
		}, after: func(t *testing.T) {
			for _, prefer := range []string{"count=exact", "count=exact, tx=rollback"} {
				if r := a.send(t, "DELETE", "/t?id=eq.4", "Prefer: "+prefer); r.Header.Get("Content-Range") != "*/1" || r.Header.Get("Preference-Applied") != prefer {
					t.Errorf("%s: %v", prefer, r.Header)
				}
			}
			a.send(t, "DELETE", "/t?id=eq.4", "Prefer: tx=commit")
			if r := a.send(t, "DELETE", "/t?id=eq.4", "Prefer: count=exact"); r.Header.Get("Content-Range") != "*/0" {
				t.Errorf("%v", r.Header)
			}
		}},
		{name: "db_pre_request", value: "public.before", before: func(t *testing.T) {
			if h := a.get(t, "/t").Header; h.Get("X-Before") != "" {
				t.Errorf("%v", h)
			}
		}, after: func(t *testing.T) {
			if h := a.get(t, "/t").WantStatus(t, 200).Header; h.Get("X-Before") != "yes" {
				t.Errorf("%v", h)
			}
			wantError(t, a.get(t, "/t", "X-Stop: 1"), 418, "PT418", "stopped")
			wantBody(t, a.get(t, "/rpc/whoami", "X-Rise: 1", a.as(t, jwt.MapClaims{"role": "anon"})), 200, `"service_role"`)
		}},
		{name: "db_root_spec", value: "root", before: func(t *testing.T) {
			if r := a.get(t, "/"); r.Header.Get("Content-Type") != "application/openapi+json; charset=utf-8" {
				t.Errorf("%v", r.Header)
			}
		}, after: func(t *testing.T) { wantBody(t, a.get(t, "/"), 200, `{"hello":"root"}`) }},
		{name: "db_hoisted_tx_settings", value: "^work_m.m=", before: func(t *testing.T) {
			wantError(t, a.send(t, "POST", "/rpc/slow"), 500, "57014", "canceling statement due to statement timeout")
		}, after: func(t *testing.T) { wantBody(t, a.send(t, "POST", "/rpc/slow"), 200, "1") }},
		{name: "openapi_mode", value: "disabled", before: func(t *testing.T) { a.get(t, "/").WantStatus(t, 200) },
			after: func(t *testing.T) { wantError(t, a.get(t, "/"), 404, "PGRST126", "Root endpoint metadata is disabled") }},
		{name: "server_trace_header", value: "x-trace-id", before: func(t *testing.T) {
			if got := a.get(t, "/t", "X-Trace-Id: a1").Header.Get("X-Trace-Id"); got != "" {
				t.Error(got)
			}
		}, after: func(t *testing.T) {
			if got := a.get(t, "/t", "X-Trace-Id: a1").Header.Get("X-Trace-Id"); got != "a1" {
				t.Error(got)
			}
		}},
		{name: "server_timing_enabled", value: "on", before: func(t *testing.T) {
			if got := a.get(t, "/t").Header.Get("Server-Timing"); got != "" {
				t.Error(got)
			}
		}, after: func(t *testing.T) {
			if got := a.get(t, "/t").Header.Get("Server-Timing"); got == "" {
				t.Error("no times")
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.before(t)
			a.inDatabase(t, c.name, c.value)
			c.after(t)
			a.notInDatabase(t, c.name)
			if c.name != "db_tx_end" {
				c.before(t)
			}
		})
	}
	// what stands for this database wins over what stands for all; what cannot be is not used
	a.Exec(t, "alter role authenticator in database postgres set pgrst.db_max_rows = '1'; alter role authenticator set pgrst.db_max_rows = '3'")
	a.inDatabase(t, "db_tx_end", "whenever")
	wantBody(t, a.get(t, "/t?select=id"), 200, `[{"id":1}]`)

	for _, say := range []string{"notify pgrst, 'reload config'", "notify pgrst, 'reload schema'", "notify pgrst"} {
		rows := map[string]string{"notify pgrst, 'reload config'": "3", "notify pgrst, 'reload schema'": "2", "notify pgrst": "1"}[say]
		a.Exec(t, "alter role authenticator in database postgres set pgrst.db_max_rows = '"+rows+"'; alter role service_role set work_mem = '"+rows+"MB'")
		a.Exec(t, say)
		eventually(t, say, func() bool {
			return strings.Count(string(a.get(t, "/t?select=id").Body), "id") == int(rows[0]-'0') &&
				string(a.get(t, "/rpc/setting?name=work_mem").Body) == `"`+rows+`MB"`
		})
	}
}

// A function may make settings; those of the login role win over it.
func TestPreConfig(t *testing.T) {
	t.Parallel()
	sql := `create table t(id int); insert into t select generate_series(1, 9); grant select on t to anon;
		create schema conf; grant usage on schema conf to authenticator;
		create function conf."pre config"() returns void language sql as $$
		  select set_config('pgrst.db_max_rows', '2', false), set_config('pgrst.db_aggregates_enabled', 'true', true) $$;
		alter role authenticator set pgrst.db_max_rows = '3'`
	a := restServer(t, sql, func(c *server.Config) { c.Database.PreConfig = "conf.pre config" })
	wantBody(t, a.get(t, "/t?select=id"), 200, "[{\"id\":1}, \n {\"id\":2}, \n {\"id\":3}]")
	wantBody(t, a.get(t, "/t?select=id.max()"), 200, `[{"max":9}]`)
	a.Exec(t, "alter role authenticator reset pgrst.db_max_rows")
	a.reload(t)
	wantBody(t, a.get(t, "/t?select=id"), 200, "[{\"id\":1}, \n {\"id\":2}]")

	off := restServer(t, sql, func(c *server.Config) { c.Database.NoSettings = true })
	if n := strings.Count(string(off.get(t, "/t?select=id").Body), "id"); n != 9 {
		t.Errorf("%d rows: the settings of the database were read", n)
	}
}

// Another channel, and none.
func TestChannel(t *testing.T) {
	t.Parallel()
	sql := "create table t(id int); insert into t select generate_series(1, 9); grant select on t to anon"
	listening := "select count(*) from pg_stat_activity where application_name = 'suparust schema listener'"
	a := restServer(t, sql, func(c *server.Config) { c.Database.Channel = `odd "Channel` })
	a.get(t, "/t").WantStatus(t, 200)
	eventually(t, "the listener", func() bool { return count(t, a, listening) == 1 })
	a.Exec(t, `alter role authenticator set pgrst.db_max_rows = '2'; notify "odd ""Channel", 'reload config'`)
	eventually(t, "the reload", func() bool { return strings.Count(string(a.get(t, "/t?select=id").Body), "id") == 2 })

	off := restServer(t, sql, func(c *server.Config) { c.Database.NoChannel = true })
	off.get(t, "/t").WantStatus(t, 200)
	off.get(t, "/t").WantStatus(t, 200)
	if n := count(t, off, listening); n != 0 {
		t.Errorf("%d connections listen", n)
	}
}

func count(t *testing.T, a *restAPI, sql string) (n int) {
	t.Helper()
	if err := a.Pool(t).QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// The times of a request, the trace header on errors too, and what caches are told.
//
//covers:rest 230 232 233
func TestAnswerHeaders(t *testing.T) {
	t.Parallel()
	a := restServer(t, "create table t(id int); grant select on t to anon; create function vary() returns int language plpgsql stable as $$ begin "+
		"perform set_config('response.headers', '[{\"Vary\":\"Cookie\"}]', true); return 1; end $$;",
		func(c *server.Config) { c.REST.ServerTiming, c.REST.TraceHeader = true, "X-Trace" })
	times := regexp.MustCompile(`^jwt;dur=(\d+\.\d), parse;dur=\d+\.\d, plan;dur=\d+\.\d, transaction;dur=\d+\.\d, response;dur=\d+\.\d$`)
	for _, path := range []string{"/t", "/", "/rpc/vary"} {
		r := a.get(t, path, "X-Trace: one")
		if got := r.Header.Get("Server-Timing"); !times.MatchString(got) {
			t.Errorf("%s: Server-Timing is %q", path, got)
		}
		if got := r.Header.Values("X-Trace"); !slices.Equal(got, []string{"one"}) {
			t.Errorf("%s: the trace header is %q", path, got)
		}
		want := "Accept, Prefer, Range"
		if path == "/rpc/vary" {
			want = "Cookie"
		}
		if got := r.Header.Values("Vary"); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: Vary is %q", path, got)
		}
	}
	for _, r := range []struct{ path, code string }{{"/a/b", "PGRST125"}, {"/none", "PGRST205"}, {"/t?id=x", "PGRST100"}, {"/t?no=eq.1", "42703"}} {
		got := a.get(t, r.path, "X-Trace: two")
		if got.Header.Get("X-Trace") != "two" || got.Header.Get("Proxy-Status") != "PostgREST; error="+r.code {
			t.Errorf("%s: %v", r.path, got.Header)
		}
		head := a.send(t, http.MethodHead, r.path)
		if head.Header.Get("Proxy-Status") != "PostgREST; error="+r.code || len(head.Body) != 0 {
			t.Errorf("HEAD %s: %v", r.path, head.Header)
		}
	}
}

// Where origins are listed, pages of others may not read answers.
//
//covers:rest 234
func TestAllowedOrigins(t *testing.T) {
	t.Parallel()
	a := restServer(t, "create table t(id int); grant select on t to anon", nil)
	preflight := []string{"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: X-Mine, content-type"}
	for _, path := range []string{"/t", "/none"} {
		r := a.get(t, path, "Origin: https://app.example.com")
		if h := r.Header; h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != "" || !strings.Contains(h.Get("Access-Control-Expose-Headers"), "Content-Range") {
			t.Errorf("%v", h)
		}
	}
	r := a.send(t, http.MethodOptions, "/t", append(preflight, "Origin: https://app.example.com")...).WantStatus(t, 200)
	if h := r.Header; len(r.Body) != 0 || h.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "x-mine") ||
		!strings.Contains(h.Get("Access-Control-Allow-Methods"), "PATCH") || h.Get("Access-Control-Max-Age") != "86400" {
		t.Errorf("%v", h)
	}
	a.inDatabase(t, "server_cors_allowed_origins", "https://app.example.com, http://localhost:5173")
	r = a.get(t, "/t", "Origin: http://localhost:5173").WantStatus(t, 200)
	if h := r.Header; h.Get("Access-Control-Allow-Origin") != "http://localhost:5173" || h.Get("Access-Control-Allow-Credentials") != "true" ||
		!slices.Equal(h.Values("Vary"), []string{"Origin", "Accept, Prefer, Range"}) {
		t.Errorf("%v", h)
	}
	r = a.get(t, "/t", "Origin: https://evil.example.com").WantStatus(t, 200)
	if h := r.Header; h.Get("Access-Control-Allow-Origin") != "" || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%v", h)
	}
	r = a.send(t, http.MethodOptions, "/t", append(preflight, "Origin: https://app.example.com")...).WantStatus(t, 200)
	if h := r.Header; h.Get("Access-Control-Allow-Origin") != "https://app.example.com" || h.Get("Access-Control-Allow-Methods") == "" {
		t.Errorf("%v", h)
	}
	r = a.send(t, http.MethodOptions, "/t", append(preflight, "Origin: https://evil.example.com")...).WantStatus(t, 200)
	if h := r.Header; h.Get("Access-Control-Allow-Origin") != "" || h.Get("Access-Control-Allow-Methods") != "" || h.Get("Allow") == "" {
		t.Errorf("%v", h)
	}
	a.inDatabase(t, "server_cors_allowed_origins", "*")
	if h := a.get(t, "/t", "Origin: https://evil.example.com").Header; h.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v", h)
	}
}

// The OpenAPI document: whom it shows what, and where it says the API is.
//
//covers:rest 246 248 249
func TestOpenAPISettings(t *testing.T) {
	t.Parallel()
	a := restServer(t, `create table open(id int primary key); create table closed(id int); revoke all on closed from anon, authenticated; grant select on open to anon;
		create function root() returns json language sql stable as $$ select json_build_object('root', current_user) $$;`, nil)
	type document struct {
		Host, BasePath      string
		Schemes             []string
		Security            []map[string][]string
		SecurityDefinitions map[string]map[string]string
		Paths               map[string]any
	}
	read := func(headers ...string) (d document) {
		t.Helper()
		a.get(t, "/", headers...).WantStatus(t, 200).JSON(t, &d)
		return d
	}
	d := read()
	if _, ok := d.Paths["/closed"]; ok || d.Paths["/open"] == nil || d.Security != nil || d.SecurityDefinitions != nil {
		t.Errorf("%+v", d)
	}
	if d = read("Authorization: Bearer " + a.ServiceKey); d.Paths["/closed"] == nil {
		t.Error("who may see all does not")
	}
	if d.Host != strings.TrimPrefix(a.URL, "http://") || d.BasePath != "/rest/v1" {
		t.Errorf("%s %s", d.Host, d.BasePath)
	}
	a.inDatabase(t, "openapi_mode", "ignore-privileges")
	if d = read(); d.Paths["/closed"] == nil {
		t.Error("privileges are followed")
	}
	a.inDatabase(t, "openapi_security_active", "true")
	a.inDatabase(t, "openapi_server_proxy_uri", "https://api.example.com:8443/base")
	d = read()
	if d.Host != "api.example.com:8443" || d.BasePath != "/base" || !slices.Equal(d.Schemes, []string{"https"}) {
		t.Errorf("%+v", d)
	}
	if s := d.SecurityDefinitions["JWT"]; len(d.Security) != 1 || d.Security[0]["JWT"] == nil || s["type"] != "apiKey" || s["in"] != "header" || s["name"] != "Authorization" {
		t.Errorf("%+v %+v", d.Security, d.SecurityDefinitions)
	}
	a.inDatabase(t, "openapi_server_proxy_uri", "ftp://api.example.com")
	if d = read(); d.Host == "api.example.com" {
		t.Error("an address that cannot be is used")
	}
	a.inDatabase(t, "db_root_spec", "public.root")
	var root map[string]string
	if err := json.Unmarshal(a.get(t, "/").WantStatus(t, 200).Body, &root); err != nil || root["root"] != "anon" {
		t.Errorf("%v, %v", root, err)
	}
}
