package migrations_test

import (
	"strings"
	"testing"

	"github.com/suparust/suparust/migrations"
)

// TestSchemaLog counts the rows that a server compares with the count its plans
// were made for.
func TestSchemaLog(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{StrictPostgresRole: true})
	pg := c.connect(t, "postgres")
	api := c.connect(t, "authenticator")
	count := func() string { return api.one("select count(*) from suparust.ddl_log") }
	if got := count(); got != "0" {
		t.Fatalf("%s rows in a new database", got)
	}
	for _, tt := range []struct {
		sql    string
		logged bool
	}{
		{"create table public.notes (id int primary key, author uuid, body text)", true},
		{"create temporary table scratch (id int)", false},
		{"alter table scratch add column x text; create index on scratch (x); create temporary view v as select 1 as one", false},
		{"drop view v; drop table scratch", false},
		{"create temporary table scratch on commit drop as select 1 as id", false},
		{"alter table public.notes add column title text", true},
		{"alter table public.notes drop column title", true},
		{"insert into public.notes values (1)", false},
		{"create view public.titles as select id from public.notes", true},
		{"create function public.f() returns int language sql return 1", true},
		{"comment on table public.notes is 'x'", true},
		{"create materialized view public.mv as select 1 as one", true},
		{"refresh materialized view public.mv", false},
		{"begin; create table public.a (); create table public.b (); drop table public.a; commit", true},
		{"begin; create table public.gone (); rollback", false},
		{"drop view public.titles", true},
		{"create extension citext with schema extensions", true},
		{"drop extension citext", true},
		{"truncate public.notes; vacuum public.notes; analyze public.notes", false},
		{"create schema app", true},
		{"drop schema app", true},
	} {
		before := count()
		for _, s := range strings.Split(tt.sql, "; ") { // one by one: VACUUM wants no transaction
			pg.exec(s)
		}
		if after := count(); (after != before) != tt.logged {
			t.Errorf("%s: the log went from %s rows to %s", tt.sql, before, after)
		}
	}
	if got := pg.one("select count(*) from suparust.ddl_log where xid is not null and at > now() - interval '1 hour'"); got == "0" {
		t.Error("the rows carry no transaction or no time")
	}
}

// TestSchemaLogTogether makes changes in two open transactions: neither waits for
// the other, and each shows with its commit.
func TestSchemaLogTogether(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{})
	one, two, api := c.connect(t, "postgres"), c.connect(t, "postgres"), c.connect(t, "authenticator")
	one.exec("begin; create table public.one ()")
	two.exec("set lock_timeout = '5s'; begin; create table public.two (); commit")
	if got := api.one("select count(*) from suparust.ddl_log"); got != "1" {
		t.Errorf("%s rows with one transaction committed", got)
	}
	one.exec("commit")
	if got := api.one("select count(*) from suparust.ddl_log"); got != "2" {
		t.Errorf("%s rows with both committed", got)
	}
}

// TestSchemaLogFolds makes one row of many while others change the schema and
// fold, too: the sum, which plans go by, tells of each change once.
func TestSchemaLogFolds(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{})
	one, two, api, other := c.connect(t, "postgres"), c.connect(t, "postgres"), c.connect(t, "authenticator"), c.connect(t, "authenticator")
	state := func() string { return api.one("select concat_ws(' in ', sum(n), count(*)) from suparust.ddl_log") }
	change := func(times int) {
		for range times {
			one.exec("create table public.some ()")
			one.exec("drop table public.some")
		}
	}
	change(10)
	api.exec("select suparust.fold_ddl_log()")
	if got := state(); got != "20 in 20" {
		t.Errorf("a short log became %s", got)
	}
	change(10)
	two.exec("begin; create table public.two ()")
	api.exec("begin; select suparust.fold_ddl_log()")
	if got := state(); got != "40 in 1" {
		t.Errorf("a long log became %s", got)
	}
	if got := other.one("select concat_ws(' in ', sum(n), count(*)) from suparust.ddl_log"); got != "40 in 40" {
		t.Errorf("before the commit others see %s", got)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		other.exec("select suparust.fold_ddl_log()") // waits for the first, and finds nothing left
	}()
	one.exec("create table public.late ()")
	api.exec("commit")
	<-done
	two.exec("commit")
	if got := api.one("select sum(n) from suparust.ddl_log"); got != "42" {
		t.Errorf("%s changes of 42 are left", got)
	}
}

// TestSchemaNotice listens as a server does.
func TestSchemaNotice(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{})
	listener, pg := c.connect(t, "authenticator"), c.connect(t, "postgres")
	listener.exec("listen pgrst")
	for _, sql := range []string{"create table public.t (id int)", "alter table public.t add x int", "drop table public.t", "notify pgrst, 'reload schema'"} {
		pg.exec(sql)
		n, err := listener.WaitForNotification(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n.Channel != "pgrst" || n.Payload != "reload schema" {
			t.Errorf("%s: got %+v", sql, n)
		}
	}
}

func TestGuards(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{})
	c.connect(t, "postgres").exec("create role of_a_project nologin; grant of_a_project to authenticator; create table public.t ()")
	api := c.connect(t, "authenticator")
	for _, role := range []string{"anon", "authenticated", "service_role", "of_a_project", "authenticator"} {
		api.exec("set role " + role)
		if got := api.one("select suparust.expect_rows(count(*), 1, 3) from generate_series(1, 3)"); got != "3" {
			t.Errorf("%s: got %s", role, got)
		}
		for _, sql := range []string{"select suparust.expect_rows(0, 1, 1)", "select suparust.expect_rows(7, 0, 6)"} {
			err := api.fails(sql)
			want := map[bool]string{true: "0", false: "7"}[strings.Contains(sql, "(0,")]
			if err.Code != "SRS02" || err.Detail != want {
				t.Errorf("%s %s: code %s, detail %q", role, sql, err.Code, err.Detail)
			}
		}
		if got := api.one("select case when (select count(*) from suparust.ddl_log) <> 1 then suparust.stale() end"); got != "∅" {
			t.Errorf("%s: got %q with the right count", role, got)
		}
		if err := api.fails("select case when (select count(*) from suparust.ddl_log) <> 2 then suparust.stale() end"); err.Code != "SRS01" {
			t.Errorf("%s: got %v with a wrong count", role, err)
		}
	}
	api.exec("reset role")
	for _, sql := range []string{
		"insert into suparust.ddl_log default values", "delete from suparust.ddl_log", "truncate suparust.ddl_log",
		"create table suparust.mine ()", "create function suparust.mine() returns int language sql return 1",
	} {
		if err := api.fails(sql); err.Code != "42501" {
			t.Errorf("%s: got %v", sql, err)
		}
	}
}

// BenchmarkDDL is one CREATE TABLE and one DROP TABLE with and without the
// event triggers.
func BenchmarkDDL(b *testing.B) {
	c := start(b, migrations.Options{})
	admin := c.connect(b, "supabase_admin")
	for _, bench := range []struct{ name, before string }{
		{"with triggers", "set session_replication_role = origin"},
		{"without", "alter event trigger suparust_ddl disable; alter event trigger suparust_drop disable; alter event trigger pgrst_ddl_watch disable; alter event trigger pgrst_drop_watch disable"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			admin.exec(bench.before)
			for b.Loop() {
				admin.exec("create table public.t (id int)")
				admin.exec("drop table public.t")
			}
		})
	}
}
