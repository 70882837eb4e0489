package rest_test

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/server/pg"
	"github.com/suparust/suparust/suparusttest"
)

// foreignSQL makes a database that knows nothing of the platform, and a login
// role that may not do more than become web_anon.
const foreignSQL = `
create role web_anon nologin;
create role "App_Login" login noinherit password 'app';
grant web_anon to "App_Login";
revoke create on schema public from public;
grant usage on schema public to web_anon;
alter default privileges in schema public grant all on tables to web_anon;
create table things (id int primary key, name text not null unique);
insert into things values (1, 'one'), (2, 'two'), (3, 'three');
create function touch_all() returns setof things language sql volatile as $$ update things set name = name || '!' returning * $$;
create view many as select g as n from generate_series(1, 1200) g;
grant select on many to web_anon;`

// foreign is such a database.
type foreign struct {
	cluster *pg.Cluster
	config  pg.Config
}

// startForeign runs one whose data outlives its process, so that it can be stopped and come back.
func startForeign(t *testing.T) *foreign {
	t.Helper()
	major, _ := strconv.Atoi(os.Getenv("SUPARUST_PG_VERSION")) // 0 is the default
	bin, err := pg.Resolve(t.Context(), pg.ResolveOptions{Major: major, BinDir: os.Getenv("SUPARUST_PG_BIN")})
	if err != nil {
		t.Fatal(err)
	}
	template, err := pg.LoadTemplate(t.Context(), pg.TemplateSpec{
		Binaries: bin,
		Key:      foreignSQL,
		Build: func(ctx context.Context, dsn func(user, db string) string) error {
			conn, err := pgx.Connect(ctx, dsn("supabase_admin", "postgres"))
			if err != nil {
				return err
			}
			defer conn.Close(ctx)
			_, err = conn.PgConn().Exec(ctx, foreignSQL).ReadAll()
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := &foreign{config: pg.Config{Template: template, Binaries: bin, DataDir: t.TempDir() + "/data", FirstUser: "supabase_admin"}}
	f.start(t)
	f.config.Port = f.cluster.Port()
	t.Cleanup(func() { f.stop(t) })
	return f
}

func (f *foreign) start(t *testing.T) {
	t.Helper()
	var err error
	if f.cluster, err = pg.Start(context.WithoutCancel(t.Context()), f.config); err != nil {
		t.Fatal(err)
	}
}

func (f *foreign) stop(t *testing.T) {
	t.Helper()
	if err := f.cluster.Stop(); err != nil {
		t.Error(err)
	}
}

// exec runs SQL as the database's superuser.
func (f *foreign) exec(t *testing.T, sql string) {
	t.Helper()
	conn := f.superuser(t)
	defer conn.Close(t.Context())
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatal(err)
	}
}

// text asks for one text.
func (f *foreign) text(t *testing.T, sql string) string {
	t.Helper()
	conn := f.superuser(t)
	defer conn.Close(t.Context())
	var v string
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func (f *foreign) superuser(t *testing.T) *pgx.Conn {
	t.Helper()
	cfg, err := f.cluster.ConnConfig("supabase_admin", "postgres")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// serve puts a server in front of it, as the login role alone.
func (f *foreign) serve(t *testing.T, configure func(*server.Config)) *fixture {
	t.Helper()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithDatabaseURL(f.cluster.URL("App_Login", "app", "postgres")),
		suparusttest.WithConfig(func(c *server.Config) {
			c.Plain()
			c.REST.AnonRole = "web_anon"
			if configure != nil {
				configure(c)
			}
		}))
	return &fixture{URL: srv.URL, srv: srv}
}

const allThings = `[{"id":1,"name":"one"},{"id":2,"name":"two"},{"id":3,"name":"three"}]`

func TestForeignDatabase(t *testing.T) {
	t.Parallel()
	db := startForeign(t)
	f := db.serve(t, func(c *server.Config) { c.REST.Plans = true })
	c := f.anonymous()
	c.get(t, "/things?order=id").want(t, 200, allThings)
	c.get(t, "/rest/v1/things?order=id").want(t, 200, allThings)

	t.Run("nothing is made there", func(t *testing.T) {
		got := db.text(t, `select concat_ws('|',
			(select string_agg(nspname, ',') from pg_namespace where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')),
			(select string_agg(rolname, ',') from pg_roles where oid >= 16384 and rolname not in ('web_anon', 'App_Login')),
			(select string_agg(evtname, ',') from pg_event_trigger))`)
		if got != "" {
			t.Errorf("the database has %s", got)
		}
	})

	t.Run("Auth and Storage say what is missing", func(t *testing.T) {
		for path, table := range map[string]string{"/auth/v1/settings": "auth.users", "/storage/v1/bucket": "storage.objects"} {
			res := c.get(t, path)
			res.wantStatus(t, 404)
			for _, part := range []string{table, "SUPARUST_DB_BOOTSTRAP=true"} {
				if !strings.Contains(string(res.body), part) {
					t.Errorf("%s does not name %s: %s", path, part, res.body)
				}
			}
		}
	})

	t.Run("wrong numbers of rows undo the write", func(t *testing.T) {
		object := "Accept: application/vnd.pgrst.object+json"
		c.send(t, "PATCH", "/things?id=eq.9", `{"name":"x"}`, object).wantCode(t, 406, "PGRST116")
		c.send(t, "DELETE", "/things", "", object, "Prefer: return=representation").wantCode(t, 406, "PGRST116")
		c.post(t, "/things", `[{"id":8,"name":"a"},{"id":9,"name":"b"}]`, object, "Prefer: return=representation").wantCode(t, 406, "PGRST116")
		c.send(t, "PUT", "/things?id=eq.7", `{"id":8,"name":"x"}`).wantCode(t, 400, "PGRST115")
		c.send(t, "DELETE", "/things?id=gt.0", "", "Prefer: handling=strict, max-affected=2").wantCode(t, 400, "PGRST124")
		c.post(t, "/rpc/touch_all", "", "Prefer: handling=strict, max-affected=2").wantCode(t, 400, "PGRST124")
		c.post(t, "/rpc/touch_all", "", object).wantCode(t, 406, "PGRST116")
		c.get(t, "/things?order=id").want(t, 200, allThings)
	})

	t.Run("right ones keep it", func(t *testing.T) {
		object := "Accept: application/vnd.pgrst.object+json"
		c.post(t, "/things?select=id", `{"id":4,"name":"four"}`, object, "Prefer: return=representation").want(t, 201, `{"id":4}`)
		c.send(t, "PUT", "/things?id=eq.5", `{"id":5,"name":"five"}`, "Prefer: return=representation").want(t, 201, `[{"id":5,"name":"five"}]`)
		c.send(t, "DELETE", "/things?id=gt.3", "", "Prefer: handling=strict, max-affected=2").want(t, 204, "")
		c.send(t, "PATCH", "/things?id=eq.1", `{"name":"two"}`, object).wantCode(t, 409, "23505")
		c.get(t, "/things?order=id").want(t, 200, allThings)
	})

	t.Run("writes without a filter are allowed", func(t *testing.T) {
		db.exec(t, "create table spare as select 1 as n")
		c.send(t, "PATCH", "/spare", `{"n":2}`, "Prefer: return=representation").want(t, 200, `[{"n":2}]`)
		c.send(t, "DELETE", "/spare", "").want(t, 204, "")
		c.get(t, "/spare").want(t, 200, "[]")
	})

	t.Run("embeds are printed as PostgREST prints them", func(t *testing.T) {
		db.exec(t, "create table parts (id int primary key, thing int references things, b int, aa int); insert into parts values (1, 1, 2, 3)")
		if got, want := string(c.get(t, "/parts?select=id,things(name,id)").body), `[{"id":1,"things":{"id": 1, "name": "one"}}]`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})

	t.Run("CORS headers are PostgREST's own at the root", func(t *testing.T) {
		res := c.send(t, "OPTIONS", "/things", "", "Origin: http://example.com", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: Foo,Bar")
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin":  "*",
			"Access-Control-Allow-Methods": "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD",
			"Access-Control-Allow-Headers": "Authorization, Foo, Bar, Accept, Accept-Language, Content-Language",
		} {
			if got := res.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if got := c.get(t, "/things").header.Get("Access-Control-Expose-Headers"); strings.Contains(got, "Tus-") {
			t.Errorf("exposed: %s", got)
		}
		if got := c.get(t, "/rest/v1/things").header.Get("Access-Control-Expose-Headers"); !strings.Contains(got, "Tus-") {
			t.Errorf("exposed to the platform's clients: %s", got)
		}
	})

	t.Run("plans show the body where PostgREST's do", func(t *testing.T) {
		verbose := "Accept: application/vnd.pgrst.plan+json; options=verbose"
		for at, res := range map[int]*result{
			2: c.get(t, "/things", verbose),
			3: c.send(t, "PATCH", "/things?id=eq.99", `{"name":"x"}`, verbose, "Prefer: return=representation"),
		} {
			var plans []struct{ Plan struct{ Output []string } }
			if err := json.Unmarshal(res.body, &plans); err != nil || len(plans) != 1 || len(plans[0].Plan.Output) < 4 {
				t.Errorf("no plan: %s", res.body)
			} else if got := plans[0].Plan.Output[at]; !strings.Contains(got, "json_agg") {
				t.Errorf("output %d is %s", at, got)
			}
		}
	})

	t.Run("estimates without a row limit", func(t *testing.T) {
		for _, want := range []string{"planned", "estimated"} {
			if got := c.get(t, "/many?limit=2", "Prefer: count="+want).header.Get("Content-Range"); got != "0-1/1200" && got != "0-1/1000" {
				t.Errorf("count=%s: %s", want, got)
			}
		}
	})
}

// What was not found is looked for again when the catalog has changed, and
// notifications bring the rest.
func TestForeignDatabaseChanges(t *testing.T) {
	t.Parallel()
	db := startForeign(t)
	c := db.serve(t, nil)
	a := c.anonymous()
	a.get(t, "/news").wantCode(t, 404, "PGRST205")
	db.exec(t, "create table news (id int primary key)")
	a.get(t, "/news").want(t, 200, "[]")
	a.post(t, "/news", `{"id":1,"title":"a"}`).wantCode(t, 400, "PGRST204")
	db.exec(t, "alter table news add title text")
	a.post(t, "/news", `{"id":1,"title":"a"}`).want(t, 201, "")
	a.get(t, "/news?select=id,things(name)").wantCode(t, 400, "PGRST200")
	db.exec(t, "alter table news add thing_id int references things default 2")
	a.get(t, "/news?select=id,things(name)").want(t, 200, `[{"id":1,"things":{"name":"two"}}]`)
	db.exec(t, "create function later() returns int language sql as 'select 5'")
	a.get(t, "/rpc/later").want(t, 200, "5")
	db.exec(t, "drop table news")
	a.get(t, "/news").wantCode(t, 404, "PGRST205")
	a.send(t, "OPTIONS", "/news", "").wantCode(t, 404, "PGRST205")

	db.exec(t, `alter role "App_Login" set pgrst.db_max_rows = '1'; notify pgrst, 'reload config'`)
	c.eventually(t, func() bool { return string(a.get(t, "/things?order=id").body) == `[{"id":1,"name":"one"}]` })
}

// The role of anonymous requests has no default before a foreign database.
func TestForeignDatabaseWithoutAnonymousRole(t *testing.T) {
	t.Parallel()
	db := startForeign(t)
	f := db.serve(t, func(c *server.Config) { c.REST.AnonRole = "" })
	f.anonymous().get(t, "/things").wantCode(t, 401, "PGRST302")
	f.as(t, "web_anon", nil).get(t, "/things?order=id").want(t, 200, allThings)
	f.as(t, "service_role", nil).get(t, "/things").wantCode(t, 401, "22023")
	if u, err := url.Parse(f.srv.DatabaseURL); err != nil || u.User.Username() != "App_Login" {
		t.Errorf("the database's URL is another: %v", err)
	}
}

// Without a JWT secret a foreign database is served to everybody alike.
func TestForeignDatabaseWithoutSecret(t *testing.T) {
	t.Parallel()
	db := startForeign(t)
	f := db.serve(t, func(c *server.Config) { c.Keys = server.Keys{} })
	a := f.anonymous()
	a.get(t, "/things?order=id").want(t, 200, allThings)
	(&client{url: f.URL, token: "a.b.c"}).get(t, "/things").wantCode(t, 500, "PGRST300")
}

// A database that goes away costs its time, and what has changed meanwhile is
// seen when it is back.
func TestForeignDatabaseComesBack(t *testing.T) {
	t.Parallel()
	db := startForeign(t)
	f := db.serve(t, nil)
	a := f.anonymous()
	a.get(t, "/things?order=id").want(t, 200, allThings)
	db.stop(t)
	for range 3 {
		res := a.get(t, "/things")
		res.wantStatus(t, 503)
		if res.header.Get("Retry-After") == "" {
			t.Errorf("no Retry-After: %s", res.body)
		}
	}
	auth := a.get(t, "/auth/v1/settings")
	auth.wantStatus(t, 503)
	db.start(t)
	f.eventually(t, func() bool { return a.get(t, "/things?order=id").status == 200 })
	a.get(t, "/things?order=id").want(t, 200, allThings)
	db.exec(t, "create table fresh(id int); notify pgrst")
	a.get(t, "/fresh").want(t, 200, "[]")
	a.get(t, "/auth/v1/settings").wantStatus(t, 404)
}
