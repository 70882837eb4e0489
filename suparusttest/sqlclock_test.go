package suparusttest_test

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// offers has now() wherever SQL may have it.
const offers = `
	create table offers (
		id bigint generated always as identity, title text, made_at timestamptz default now(), expires_at timestamptz, changed_at timestamptz,
		constraint from_now_on check (expires_at >= now())
	);
	grant select, insert, update on offers to anon;
	alter table offers enable row level security;
	create policy "what is on" on offers for select using (expires_at > now());
	create policy "anybody's" on offers for insert with check (made_at <= now());
	create policy "changes" on offers for update using (true);
	create function touch() returns trigger language plpgsql as $$ begin new.changed_at := now(); return new; end $$;
	create trigger touch before update on offers for each row execute function touch();
	create view lately with (security_invoker) as select title from offers where made_at > now() - interval '1 hour';
	grant select on lately to anon;
	create function in_plpgsql() returns timestamptz language plpgsql stable as $$ declare t timestamptz := now(); begin return t; end $$;
	create function in_sql(at timestamptz default now()) returns timestamptz language sql security definer set search_path = '' as 'select at + (now() - now())';
	create function every_one() returns timestamptz[] language sql as $$
		select array[now(), transaction_timestamp(), statement_timestamp(), clock_timestamp(), (select n from now() n)] $$;
	create function real_ones() returns timestamptz[] language sql as $$ select array[current_timestamp, localtimestamp, 'now'::timestamptz] $$;`

// near fails when at is not within a minute of what the clock shows.
func near(t *testing.T, what string, clock time.Time, at ...time.Time) {
	t.Helper()
	for i, x := range at {
		if d := x.Sub(clock).Abs(); d > time.Minute {
			t.Errorf("%s: %s (%d), %s from the clock's %s", what, x, i, d, clock)
		}
	}
}

// sqlNow is what a connection's now() says.
func sqlNow(t *testing.T, c *pgx.Conn) (at time.Time) {
	t.Helper()
	if err := c.QueryRow(t.Context(), "select now()").Scan(&at); err != nil {
		t.Fatal(err)
	}
	return at
}

// TestSQLClock: SQL goes by the server's clock, wherever now() stands, in every
// connection, at once.
func TestSQLClock(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQLClock(), suparusttest.WithSQL(offers))
	client := srv.Client()
	call := func(function string) (at time.Time) {
		t.Helper()
		client.Post(t, "/rest/v1/rpc/"+function, `{}`).WantStatus(t, http.StatusOK).JSON(t, &at)
		return at
	}
	calls := func(function string) (at []time.Time) {
		t.Helper()
		client.Post(t, "/rest/v1/rpc/"+function, `{}`).WantStatus(t, http.StatusOK).JSON(t, &at)
		return at
	}
	titles := func(path, want string) {
		t.Helper()
		if got := rows(t, client, path+"?select=title"); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	offer := func(title string, until time.Time, want int) *suparusttest.Response {
		t.Helper()
		return client.Do(t, http.MethodPost, "/rest/v1/offers", map[string]any{"title": title, "expires_at": until}, http.Header{"Prefer": {"return=representation"}}).
			WantStatus(t, want)
	}
	pool, err := srv.Pool(t).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Release()
	kept := pool.Conn() // it has prepared its statement before the clock is moved
	near(t, "before", time.Now(), sqlNow(t, kept))
	near(t, "before", time.Now(), call("in_plpgsql"), call("in_sql"))
	offer("today's", time.Now().Add(24*time.Hour), http.StatusCreated)
	titles("/rest/v1/offers", `[{"title":"today's"}]`)
	titles("/rest/v1/lately", `[{"title":"today's"}]`)

	for _, move := range []func(){
		func() { srv.Clock.Advance(400*24*time.Hour + 123*time.Microsecond) },
		func() { srv.Clock.Set(time.Date(2031, 2, 28, 23, 59, 0, 0, time.UTC)) },
		func() { srv.Clock.Set(time.Date(2031, 2, 28, 23, 59, 0, 0, time.UTC)) }, // a minute has not passed
		func() { srv.Control(t).Post(t, "/clock", `{"advance":"72h"}`).WantStatus(t, http.StatusOK) },
	} {
		move()
		now := srv.Clock.Now()
		near(t, "a connection of before", now, sqlNow(t, kept))
		near(t, "in PL/pgSQL", now, call("in_plpgsql"))
		near(t, "as a parameter's default", now, call("in_sql"))
		near(t, "all of them", now, calls("every_one")...)
		near(t, "the language's own", time.Now(), calls("real_ones")...)
	}
	titles("/rest/v1/offers", `[]`)
	titles("/rest/v1/lately", `[]`)
	var made []struct {
		Made    time.Time `json:"made_at"`
		Changed time.Time `json:"changed_at"`
	}
	offer("of 2031", srv.Clock.Now().Add(time.Hour), http.StatusCreated).JSON(t, &made)
	near(t, "a default", srv.Clock.Now(), made[0].Made)
	titles("/rest/v1/offers", `[{"title":"of 2031"}]`)
	titles("/rest/v1/lately", `[{"title":"of 2031"}]`)
	offer("too late", srv.Clock.Now().Add(-time.Hour), http.StatusUnauthorized) // the policy
	late := map[string]any{"expires_at": srv.Clock.Now().Add(-time.Hour)}
	if r := srv.ServiceClient().Post(t, "/rest/v1/offers", late).WantStatus(t, http.StatusBadRequest); !strings.Contains(string(r.Body), "from_now_on") {
		t.Errorf("a check: %s", r.Body)
	}
	client.Do(t, http.MethodPatch, "/rest/v1/offers?title=eq.of%202031", `{"title":"changed"}`, http.Header{"Prefer": {"return=representation"}}).
		WantStatus(t, http.StatusOK).JSON(t, &made)
	near(t, "a trigger", srv.Clock.Now(), made[0].Changed)
	var years int
	if err := kept.QueryRow(t.Context(), "select extract(year from age($1::timestamptz))::int", srv.Clock.Now().AddDate(-3, 0, -2)).Scan(&years); err != nil || years != 3 {
		t.Errorf("age() says %d years, want 3; %v", years, err)
	}

	t.Run("the platform's tables", func(t *testing.T) {
		ann := srv.CreateUser(t, "ann@example.com")
		srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, http.StatusOK)
		srv.ServiceClient().Post(t, "/storage/v1/bucket", `{"name":"b"}`).WantStatus(t, http.StatusOK)
		var bucket struct {
			Created time.Time `json:"created_at"`
		}
		srv.ServiceClient().Get(t, "/storage/v1/bucket/b").WantStatus(t, http.StatusOK).JSON(t, &bucket)
		near(t, "a bucket", srv.Clock.Now(), bucket.Created)
	})
	t.Run("transactions", func(t *testing.T) {
		tx, err := kept.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.Serializable, AccessMode: pgx.ReadOnly})
		if err != nil {
			t.Fatal(err)
		}
		before := sqlNow(t, kept)
		srv.Clock.Advance(time.Hour)
		if d := sqlNow(t, kept).Sub(before); d != time.Hour {
			t.Errorf("within a transaction the clock went on by %s, want 1h0m0s", d)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		near(t, "after a rollback", srv.Clock.Now(), sqlNow(t, kept))
	})
	t.Run("whose it is", func(t *testing.T) {
		for _, role := range []string{"anon", "authenticated", "service_role", "authenticator"} {
			for _, sql := range []string{"select setval('suparust.clock', 0)", "select nextval('suparust.clock')"} {
				_, err := kept.Exec(t.Context(), "begin; set local role "+role+"; "+sql)
				var refused *pgconn.PgError
				if !errors.As(err, &refused) || refused.Code != "42501" {
					t.Errorf("%s may %s: %v", role, sql, err)
				}
				_, _ = kept.Exec(t.Context(), "rollback") // it is over either way
			}
			if _, err := kept.Exec(t.Context(), "begin; set local role "+role+"; select now(); commit"); err != nil {
				t.Errorf("%s cannot call now(): %v", role, err)
			}
		}
	})
	pool.Release()
	t.Run("connections that have ended", func(t *testing.T) {
		srv.Disconnect(t)
		srv.Clock.Advance(time.Hour)
		near(t, "after", srv.Clock.Now(), call("in_plpgsql"))
	})
	t.Run("another state of the database", func(t *testing.T) {
		saved := srv.Snapshot(t)
		srv.Clock.Advance(50 * 24 * time.Hour)
		srv.Restore(t, saved) // the clock stays
		near(t, "after Restore", srv.Clock.Now(), call("in_plpgsql"))
		srv.Reset(t) // the clock goes back
		near(t, "after Reset", time.Now(), srv.Clock.Now(), call("in_plpgsql"))
		srv.Clock.Advance(time.Hour)
		near(t, "after Reset", time.Now().Add(time.Hour), call("in_plpgsql"))
	})
	t.Run("a database that cannot be told", func(t *testing.T) {
		before := srv.Clock.Now()
		srv.Exec(t, "set role supabase_admin; revoke update on sequence suparust.clock from supabase_auth_admin")
		for name, err := range map[string]error{"Advance": suparusttest.ServerOf(srv).Clock().Advance(24 * time.Hour), "Set": suparusttest.ServerOf(srv).Clock().Set(time.Now().AddDate(1, 0, 0))} {
			if err == nil || !strings.Contains(err.Error(), "have now() of SQL follow the clock") {
				t.Errorf("%s says %v", name, err)
			}
		}
		access := srv.Control(t)
		said := fatal(t, func(tb testing.TB) {
			token := strings.TrimPrefix(access.Header.Get("Authorization"), "Bearer ")
			suparusttest.Attach(tb, "", "", server.Keys{}, suparusttest.WithControl(access.URL, token)).Clock.Advance(24 * time.Hour)
		})
		if !strings.Contains(said, "have now() of SQL follow the clock") {
			t.Errorf("the test fails with %q", said)
		}
		near(t, "both stay", before, srv.Clock.Now(), call("in_plpgsql"))
	})
}

// TestSQLClockStays: without the option SQL has PostgreSQL's own functions.
func TestSQLClockStays(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQL(offers))
	srv.Clock.Advance(400 * 24 * time.Hour)
	var at time.Time
	srv.Client().Post(t, "/rest/v1/rpc/in_plpgsql", `{}`).WantStatus(t, http.StatusOK).JSON(t, &at)
	near(t, "now()", time.Now(), at)
	if got := clockFunctions(t, srv); got != "internal internal internal internal, 0" {
		t.Errorf("the functions are %s", got)
	}
}

// clockFunctions tells the languages of the functions of the time, and whether
// there is what moves them.
func clockFunctions(t *testing.T, srv *suparusttest.Server) (s string) {
	t.Helper()
	err := srv.Pool(t).QueryRow(t.Context(), `select string_agg(lanname, ' ' order by proname) || ', ' || (select count(*) from pg_class where oid = to_regclass('suparust.clock'))
		from pg_proc p join pg_language l on l.oid = prolang
		where pronamespace = 'pg_catalog'::regnamespace and proname in ('now', 'transaction_timestamp', 'statement_timestamp', 'clock_timestamp')`).Scan(&s)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSQLClockOfSnapshots: a snapshot of a server with the option is brought to
// one without, and the other way around; a branch has a clock of its own.
func TestSQLClockOfSnapshots(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	here := suparusttest.WithConfig(func(c *server.Config) { c.SnapshotDir = dir })
	const real, moved = "internal internal internal internal, 0", "sql sql sql sql, 1"
	check := func(t *testing.T, srv *suparusttest.Server, functions string, now time.Time) {
		t.Helper()
		if got := clockFunctions(t, srv); got != functions {
			t.Errorf("the functions are %s, want %s", got, functions)
		}
		var at time.Time
		if err := srv.Pool(t).QueryRow(t.Context(), "select max(at) from (values (now()), (transaction_timestamp())) v (at)").Scan(&at); err != nil {
			t.Fatal(err)
		}
		near(t, "now()", now, at)
	}
	with := suparusttest.Start(t, suparusttest.WithoutProject(), here, suparusttest.WithSQLClock())
	with.Clock.Advance(1000 * time.Hour)
	with.SaveSnapshot(t, "ahead")
	plain := suparusttest.Start(t, suparusttest.WithoutProject(), here, suparusttest.WithSnapshot("ahead"))
	check(t, plain, real, time.Now())
	plain.SaveSnapshot(t, "plain")

	again := suparusttest.Start(t, suparusttest.WithoutProject(), here, suparusttest.WithSQLClock(), suparusttest.WithSnapshot("ahead"))
	check(t, again, moved, time.Now()) // its clock begins with the real time
	again.Clock.Advance(time.Hour)
	again.Reset(t)
	check(t, again, moved, time.Now())
	again.Clock.Advance(48 * time.Hour)
	again.Restore(t, again.NamedSnapshot(t, "plain"))
	check(t, again, moved, time.Now().Add(48*time.Hour))

	plain.Restore(t, plain.NamedSnapshot(t, "ahead"))
	check(t, plain, real, time.Now())

	for body, want := range map[string]string{`{}`: real, `{"sql_clock":true}`: moved, `{"sql_clock":true,"from":"current"}`: moved, `{"snapshot":"ahead","sql_clock":true}`: moved, `{"snapshot":"ahead"}`: real} {
		t.Run(body, func(t *testing.T) {
			var b branch
			plain.Control(t).Post(t, "/branches", body).WantStatus(t, http.StatusCreated).JSON(t, &b)
			s := b.attach(t, plain)
			check(t, s, want, time.Now())
			own := &suparusttest.Client{HTTP: plain.Control(t).HTTP, URL: b.ControlURL, Header: http.Header{"Authorization": {"Bearer " + b.ControlToken}}}
			own.Post(t, "/clock", `{"advance":"5h"}`).WantStatus(t, http.StatusOK)
			if want == moved {
				check(t, s, want, time.Now().Add(5*time.Hour))
			} else {
				check(t, s, want, time.Now())
			}
		})
	}
	var inherits branch
	with.Control(t).Post(t, "/branches", `{"from":"current"}`).WantStatus(t, http.StatusCreated).JSON(t, &inherits)
	check(t, inherits.attach(t, with), moved, time.Now())
	check(t, with, moved, time.Now().Add(1000*time.Hour))
}

// TestSQLClockElsewhere: no database gets the functions that is not the test's
// own, and nothing is promised that SQL cannot do.
func TestSQLClockElsewhere(t *testing.T) {
	t.Parallel()
	for why, opt := range map[string]suparusttest.Option{
		"not the server's own":     suparusttest.WithDatabaseURL("postgresql://postgres:postgres@127.0.0.1:1/postgres"),
		"leave out":                suparusttest.WithSharedCluster(),
		"cannot follow":            suparusttest.WithClock(time.Now),
		"this database is kept":    suparusttest.WithConfig(func(c *server.Config) { c.Database.DataDir = t.TempDir() }),
		"runs with the real clock": suparusttest.WithClock(func() time.Time { return time.Unix(0, 0) }),
	} {
		if msg := fatal(t, func(tb testing.TB) { suparusttest.Start(tb, suparusttest.WithSQLClock(), opt) }); !strings.Contains(msg, why) {
			t.Errorf("%q, want %q in it", msg, why)
		}
	}
}
