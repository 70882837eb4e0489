package migrations_test

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/migrations"
)

// snapshot is every fact of the catalogs that Apply writes, as text.
const snapshot = `
	select fact from (
		select 'role ' || a::text fact from (select rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolpassword from pg_authid) a
		union all select 'member ' || a::text from (select roleid::regrole, member::regrole, grantor::regrole, admin_option from pg_auth_members) a
		union all select 'setting ' || a::text from (select setdatabase, setrole::regrole, setconfig from pg_db_role_setting) a
		union all select 'database ' || a::text from (select datname, datdba::regrole, datacl from pg_database) a
		union all select 'schema ' || a::text from (select nspname, nspowner::regrole, nspacl from pg_namespace) a
		union all select 'defaults ' || a::text from (select defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl from pg_default_acl) a
		union all select 'relation ' || a::text from (select oid, oid::regclass, relkind, relowner::regrole, relacl, relrowsecurity, relforcerowsecurity from pg_class where oid >= 16384) a
		union all select 'column ' || a::text from (select attrelid::regclass, attnum, attname, atttypid::regtype, atttypmod, attnotnull, pg_get_expr(adbin, adrelid) from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum where attrelid >= 16384) a
		union all select 'constraint ' || a::text from (select conrelid::regclass, conname, pg_get_constraintdef(oid) from pg_constraint where conrelid >= 16384) a
		union all select 'function ' || a::text from (select oid, proowner::regrole, proacl, prosrc, provolatile, prosecdef, proconfig from pg_proc where oid >= 16384) a
		union all select 'trigger ' || a::text from (select tgrelid::regclass, tgname, tgenabled, pg_get_triggerdef(oid) from pg_trigger) a
		union all select 'event trigger ' || a::text from (select evtname, evtfoid::regproc, evtenabled from pg_event_trigger) a
		union all select 'policy ' || a::text from (select polrelid::regclass, polname from pg_policy) a
		union all select 'type ' || a::text from (select oid, typname, typowner::regrole from pg_type where oid >= 16384) a
		union all select 'extension ' || a::text from (select extname, extversion, extnamespace::regnamespace from pg_extension) a
		union all select 'publication ' || a::text from (select pubname, pubowner::regrole from pg_publication) a
		union all select 'step ' || a::text from (select * from auth.schema_migrations) a
		union all select 'step ' || a::text from (select * from storage.migrations) a
		union all select 'file ' || a::text from (select * from suparust.migrations) a
	) facts order by fact collate "C"`

func TestApplyTwice(t *testing.T) {
	t.Parallel()
	o := migrations.Options{Password: "pässword's \\", JWTSecret: "it's a \"secret\" \\ of 32 characters", JWTExpiry: 1800}
	c := start(t, o)
	admin := c.connect(t, "supabase_admin")
	before := admin.lines(snapshot)
	if len(before) < 1000 {
		t.Fatalf("the snapshot has %d facts only", len(before))
	}
	c.apply(t, o)
	if diff := cmp.Diff(before, admin.lines(snapshot)); diff != "" {
		t.Errorf("the second run changed (-before +after)\n%s", diff)
	}
}

// TestApplyAgainWritesFiles lets every file run a second time, as after an update
// that changed them all, on a database that a project has worked in.
func TestApplyAgainWritesFiles(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{})
	admin := c.connect(t, "supabase_admin")
	c.connect(t, "postgres").exec(`
		alter default privileges in schema public revoke all on tables from anon;
		revoke usage on schema public from anon;
		create policy mine on storage.objects for select using (true);
		create table public.notes (id int primary key, author uuid references auth.users);
		alter role anon set statement_timeout = '42s';
		create function public.frozen() returns event_trigger language plpgsql as $$ begin raise 'frozen'; end $$;`)
	admin.exec(`
		drop function storage.search_v2;
		drop trigger protect_objects_delete on storage.objects;
		drop table auth.webauthn_challenges;
		drop index auth.users_instance_id_idx;
		drop event trigger suparust_ddl;
		delete from auth.schema_migrations where version > '2025';
		insert into auth.users (id) values ('11111111-1111-1111-1111-111111111111');
		update suparust.migrations set checksum = 'of an older release';
		delete from suparust.ddl_log;
		create event trigger frozen on ddl_command_end execute function public.frozen();`)
	c.apply(t, migrations.Options{})
	admin.exec("drop event trigger frozen")

	if got := admin.one(`select to_regprocedure('storage.search_v2(text,text,int,int,text,text,text,text)') is not null,
		(select count(*) from pg_trigger where tgname = 'protect_objects_delete'),
		to_regclass('auth.webauthn_challenges') is not null,
		to_regclass('auth.users_instance_id_idx') is not null,
		(select count(*) from pg_event_trigger where evtname = 'suparust_ddl'),
		(select count(*) from auth.schema_migrations)`); got != "t | 1 | t | t | 1 | 70" {
		t.Errorf("what was missing did not come back: %s", got)
	}
	if got := admin.one(`select has_schema_privilege('anon', 'public', 'usage'),
		(select count(*) from pg_policy where polname = 'mine'),
		(select count(*) from auth.users),
		(select setconfig::text from pg_db_role_setting where setrole = 'anon'::regrole)`); got != "t | 1 | 1 | {statement_timeout=42s}" {
		t.Errorf("what the project did was lost: %s", got)
	}
	// USAGE for anon is still there through PUBLIC; its own grant has to stay away.
	if got := admin.one(`select count(*) from pg_namespace, aclexplode(nspacl) where nspname = 'public' and grantee = 'anon'::regrole`); got != "0" {
		t.Error("the revoked grant on schema public came back")
	}
	c.connect(t, "postgres").exec("create table public.after_update (id int)")
	if got := admin.one(`select has_table_privilege('anon', 'public.after_update', 'select')`); got != "f" {
		t.Error("the revoked default privileges came back")
	}
	if got := admin.one("select count(*) from suparust.migrations where checksum = 'of an older release' and name not like '%.once.sql'"); got != "0" {
		t.Errorf("%s files keep their old checksum", got)
	}
	if got := admin.one("select count(*) > 0 from suparust.ddl_log"); got != "t" {
		t.Error("a server that runs on this database would not notice the update")
	}
}

// TestApplyTogether starts several runs at once, on one new database and on
// databases of one cluster, which share their roles.
func TestApplyTogether(t *testing.T) {
	t.Parallel()
	for _, databases := range [][]string{
		{"postgres", "postgres", "postgres"},
		{"postgres", "one", "two"},
	} {
		t.Run(strings.Join(databases, "+"), func(t *testing.T) {
			t.Parallel()
			c := startFrom(t, several)
			var wg sync.WaitGroup
			errs := make([]error, len(databases))
			ready := make(chan struct{})
			for i, d := range databases {
				conn := c.connectTo(t, "supabase_admin", d)
				wg.Go(func() {
					<-ready
					errs[i] = migrations.Apply(t.Context(), conn.Conn, migrations.Options{JWTSecret: "secret", StrictPostgresRole: true})
				})
			}
			close(ready)
			wg.Wait()
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			for _, d := range databases {
				if got := c.connectTo(t, "supabase_admin", d).one(`select count(*) = count(distinct name), count(*) > 20,
					(select count(*) from auth.schema_migrations) from suparust.migrations`); got != "t | t | 70" {
					t.Errorf("database %s: %s", d, got)
				}
			}
		})
	}
}

func TestApplyOptions(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{JWTSecret: "first", JWTExpiry: 3600})
	login := func(user, password string) error {
		conn, err := pgx.Connect(t.Context(), c.URL(user, password, "postgres"))
		if err != nil {
			return err
		}
		return conn.Close(t.Context())
	}
	settings := func() string {
		return c.connect(t, "authenticator").one(
			"select current_setting('app.settings.jwt_secret'), current_setting('app.settings.jwt_exp')")
	}
	users := []string{"postgres", "authenticator", "supabase_auth_admin", "supabase_storage_admin", "supabase_admin", "supabase_read_only_user", "pgbouncer"}
	for _, u := range users {
		if err := login(u, "postgres"); err != nil {
			t.Errorf("%s with the default password: %v", u, err)
		}
	}
	if err := login("postgres", "wrong"); err == nil {
		t.Error("a wrong password was taken")
	}
	if got := settings(); got != "first | 3600" {
		t.Errorf("settings: %s", got)
	}

	// Quotes, a backslash, and a letter that is written in two ways.
	quoted := `q'u"o\te ` + "e\u0301"
	c.apply(t, migrations.Options{Password: quoted, JWTSecret: `se'cr"et\`, JWTExpiry: 60})
	for _, u := range users {
		if err := login(u, quoted); err != nil {
			t.Errorf("%s with the new password: %v", u, err)
		}
		if err := login(u, "postgres"); err == nil {
			t.Errorf("%s still takes the old password", u)
		}
	}
	if got := settings(); got != `se'cr"et\ | 60` {
		t.Errorf("settings: %s", got)
	}

	c.apply(t, migrations.Options{})
	if got := settings(); got != `se'cr"et\ | 60` {
		t.Errorf("settings without options: %s", got)
	}
	if strings.Contains(c.LogTail(10_000), "se'cr") {
		t.Error("the secret is in the server's log")
	}
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	c := startBare(t)
	admin := c.connect(t, "supabase_admin")
	admin.exec("create role somebody login; create role postgres login superuser")
	for _, tt := range []struct {
		user string
		o    migrations.Options
		want string
	}{
		{"somebody", migrations.Options{}, "not a superuser"},
		{"postgres", migrations.Options{StrictPostgresRole: true}, "use supabase_admin"},
	} {
		err := migrations.Apply(t.Context(), c.connect(t, tt.user).Conn, tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("as %s: got %v, want %q", tt.user, err, tt.want)
		}
	}
	if got := admin.one("select to_regnamespace('suparust') is null, to_regrole('anon') is null"); got != "t | t" {
		t.Errorf("a refused run left something: %s", got)
	}

	// Another superuser than supabase_admin may do the work, and owns nothing of it.
	if err := migrations.Apply(t.Context(), c.connect(t, "postgres").Conn, migrations.Options{}); err != nil {
		t.Fatal(err)
	}
	if got := admin.one(`select nspowner::regrole, (select relowner::regrole from pg_class where oid = 'auth.users'::regclass),
		(select evtowner::regrole from pg_event_trigger where evtname = 'suparust_ddl') from pg_namespace where nspname = 'auth'`); got != "supabase_admin | supabase_auth_admin | supabase_admin" {
		t.Errorf("owners: %s", got)
	}
}

// TestApplyStopped ends the context while Apply waits for another transaction:
// nothing of the run may remain.
func TestApplyStopped(t *testing.T) {
	t.Parallel()
	c := startBare(t)
	admin := c.connect(t, "supabase_admin")
	admin.exec("begin; lock table pg_authid in share row exclusive mode")
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	conn := c.connect(t, "supabase_admin")
	go func() { failed <- migrations.Apply(ctx, conn.Conn, migrations.Options{}) }()
	for admin.one("select count(*) from pg_locks where not granted") == "0" {
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	admin.exec("commit")
	if got := admin.one("select to_regnamespace('suparust') is null, to_regrole('anon') is null"); got != "t | t" {
		t.Errorf("the stopped run left something: %s", got)
	}
	c.apply(t, migrations.Options{})
}

func TestVersion(t *testing.T) {
	t.Parallel()
	v := migrations.Version()
	if b, err := hex.DecodeString(v); err != nil || len(b) != 32 {
		t.Errorf("%q is not a checksum", v)
	}
	if v != migrations.Version() {
		t.Error("two calls give two versions")
	}
}

func BenchmarkApplyFresh(b *testing.B) {
	clusters := make([]*conn, b.N)
	for i := range clusters {
		clusters[i] = startBare(b).connect(b, "supabase_admin")
	}
	for i := 0; b.Loop(); i++ {
		if i == len(clusters) {
			b.StopTimer()
			clusters = append(clusters, startBare(b).connect(b, "supabase_admin"))
			b.StartTimer()
		}
		if err := migrations.Apply(b.Context(), clusters[i].Conn, migrations.Options{JWTSecret: "secret", JWTExpiry: 3600}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApplyAgain(b *testing.B) {
	conn := start(b, migrations.Options{}).connect(b, "supabase_admin")
	for b.Loop() {
		if err := migrations.Apply(b.Context(), conn.Conn, migrations.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestRoles: the list is what a fresh database has.
func TestRoles(t *testing.T) {
	t.Parallel()
	names := migrations.Roles()
	for _, name := range []string{"supabase_admin", "postgres", "anon", "pgbouncer"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is missing in %q", name, names)
		}
	}
	if len(names) != 16 {
		t.Errorf("%d roles: %q", len(names), names)
	}
}
