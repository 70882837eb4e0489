package migrations_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suparust/suparust/migrations"
)

// builtins is everything that the catalogs say of PostgreSQL's own functions of
// the time, but for where in which text a definition was read, which PostgreSQL
// 15 and 16 keep.
const builtins = `
	select regexp_replace(p.*::text, ':(location|stmt_len) -?[0-9]+', ':\1', 'g') || coalesce(pg_get_functiondef(p.oid), '') || coalesce(obj_description(p.oid, 'pg_proc'), '')
	from pg_proc p where pronamespace = 'pg_catalog'::regnamespace
		and proname in ('now', 'transaction_timestamp', 'statement_timestamp', 'clock_timestamp', 'age') order by p.oid`

// TestSQLClockComesAndGoes: without the option nothing is left of what the
// option has done, and what a dump has brought of it goes as well.
func TestSQLClockComesAndGoes(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{})
	admin := c.connect(t, "supabase_admin")
	before, own := admin.lines(builtins), admin.lines(snapshot)
	hour := func(want string) {
		t.Helper()
		if got := admin.one("select now() - current_timestamp, statement_timestamp() - now() < '1 minute', clock_timestamp() - now() < '1 minute'"); got != want+" | t | t" {
			t.Errorf("now() is ahead by %s, want %s", got, want)
		}
	}
	for range 2 { // a second time nothing moves
		c.apply(t, migrations.Options{SQLClock: true})
		admin.exec("select setval('suparust.clock', 3600000000) where (select last_value from suparust.clock) = 0")
		hour("01:00:00")
	}
	if cmp.Equal(before, admin.lines(builtins)) {
		t.Error("no function was replaced")
	}
	c.apply(t, migrations.Options{})
	hour("00:00:00")
	if diff := cmp.Diff(before, admin.lines(builtins)); diff != "" {
		t.Errorf("PostgreSQL's functions (-before +after)\n%s", diff)
	}
	if diff := cmp.Diff(own, admin.lines(snapshot)); diff != "" {
		t.Errorf("the platform's objects (-before +after)\n%s", diff)
	}

	c.apply(t, migrations.Options{SQLClock: true})
	for _, f := range []string{"now() returns timestamptz stable as 'now'", "transaction_timestamp() returns timestamptz stable as 'now'",
		"statement_timestamp() returns timestamptz stable as 'statement_timestamp'", "clock_timestamp() returns timestamptz volatile as 'clock_timestamp'"} {
		admin.exec("create or replace function pg_catalog." + f + " language internal strict parallel safe") // as in a dump
	}
	row := admin.one("select xmin from pg_proc where oid = 'now()'::regprocedure")
	c.apply(t, migrations.Options{})
	if diff := cmp.Diff(own, admin.lines(snapshot)); diff != "" {
		t.Errorf("what a dump has brought (-before +after)\n%s", diff)
	}
	if got := admin.one("select xmin from pg_proc where oid = 'now()'::regprocedure"); got != row {
		t.Error("a function was written that was PostgreSQL's own")
	}
}
