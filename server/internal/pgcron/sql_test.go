package pgcron_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/server/internal/pgcron"
	"github.com/suparust/suparust/suparusttest"
)

// strict is a server whose role postgres is no superuser, as on the platform.
func strict(c *server.Config) { c.Database.StrictPostgresRole = true }

var (
	lookForCron sync.Once
	cronIsThere bool
)

// needsCron skips where PostgreSQL is an installed one, which gets no extensions
// of the server's.
func needsCron(t *testing.T) {
	t.Helper()
	lookForCron.Do(func() {
		srv := suparusttest.Start(t, suparusttest.WithoutProject())
		cronIsThere = query[bool](t, login(t, srv, "postgres"), "select exists (select from pg_available_extensions where name = 'pg_cron' and comment like 'Job scheduler%')")
	})
	if !cronIsThere {
		t.Skip("PostgreSQL is an installed one, and has no pg_cron of the server's")
	}
}

// login is a connection of a role, whose notices heard hears.
func login(t *testing.T, srv *suparusttest.Server, role string, heard ...func(*pgconn.Notice)) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(srv.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	cfg.User = role
	for _, hear := range heard {
		cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { hear(n) }
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // nothing of it is pending
	return conn
}

// wantError runs a statement that has to fail so.
func wantError(t *testing.T, conn *pgx.Conn, sql, code, message string) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql)
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != code || pgErr.Message != message {
		t.Errorf("%s: %v, want %s %s", sql, err, code, message)
	}
}

func query[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func exec(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// TestSQL: what the extension's functions answer to a role that is no
// superuser.
func TestSQL(t *testing.T) {
	t.Parallel()
	needsCron(t)
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithConfig(strict))
	var warnings []string
	postgres := login(t, srv, "postgres", func(n *pgconn.Notice) { warnings = append(warnings, n.Message) })
	admin := login(t, srv, "supabase_admin")
	for _, with := range []string{"with schema pg_catalog", "with schema extensions", ""} {
		exec(t, postgres, "create extension pg_cron "+with)
		exec(t, postgres, "create extension if not exists pg_cron with schema extensions")
		if owners := query[string](t, postgres, `select extowner::regrole || ' ' || nspowner::regrole from pg_extension, pg_namespace where extname = 'pg_cron' and nspname = 'cron'`); owners != "postgres supabase_admin" {
			t.Errorf("the extension and its schema belong to %s", owners)
		}
		exec(t, postgres, "comment on extension pg_cron is 'mine'")
		if with != "" {
			exec(t, postgres, "drop extension pg_cron")
		}
	}
	columns := query[string](t, postgres, `select string_agg(attname || ' ' || format_type(atttypid, null), ', ' order by attnum) from pg_attribute where attrelid = 'cron.job'::regclass and attnum > 0`)
	if columns != "jobid bigint, schedule text, command text, nodename text, nodeport integer, database text, username text, active boolean, jobname text" {
		t.Errorf("cron.job has %s", columns)
	}

	const hint = "Use cron format (e.g. 5 4 * * *), or interval format '[1-59] seconds'"
	_, err := postgres.Exec(t.Context(), "select cron.schedule('* * * *', 'select 1')")
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "22023" || pgErr.Message != "invalid schedule: * * * *" || pgErr.Hint != hint {
		t.Errorf("an invalid schedule: %#v", pgErr)
	}
	if id := query[int64](t, postgres, "select cron.schedule('0 10 * * *', 'vacuum')"); id != 1 {
		t.Errorf("the first job is %d", id)
	}
	if id := query[int64](t, postgres, "select cron.schedule('nightly', '0 3 * * *', 'select 1')"); id != 2 {
		t.Errorf("the second job is %d", id)
	}
	if id := query[int64](t, postgres, "select cron.schedule(job_name => 'nightly', schedule => '30 seconds', command => 'select 2')"); id != 2 {
		t.Errorf("a job of the same name is %d", id)
	}
	if job := query[string](t, postgres, `select format('%s|%s|%s|%s|%s|%s|%s', schedule, command, nodename, nodeport, database, username, active) from cron.job where jobname = 'nightly'`); job != "30 seconds|select 2|localhost|"+query[string](t, postgres, "show port")+"|postgres|postgres|t" {
		t.Errorf("the job is %s", job)
	}
	if id := query[*int64](t, postgres, "select cron.schedule(null, 'select 1')"); id != nil {
		t.Errorf("no schedule at all is job %d", *id)
	}

	if warnings = nil; query[int64](t, postgres, "select cron.schedule('yearly', ' @yearly', 'select 1')") < 3 || len(warnings) != 1 || !strings.Contains(warnings[0], "never runs") {
		t.Errorf("a yearly job is scheduled with %q", warnings)
	}
	exec(t, admin, "create database closed")
	exec(t, admin, `create role ann login password 'postgres'; grant usage on schema cron to ann; revoke connect on database closed from public`)
	ann := login(t, srv, "ann")
	for _, c := range []struct{ sql, code, message string }{
		{"select cron.schedule(null, '* * * * *', 'x')", "XX000", "job_name can not be NULL"},
		{"select cron.schedule('x', null, 'x')", "XX000", "schedule can not be NULL"},
		{"select cron.schedule('x', '* * * * *', null)", "XX000", "command can not be NULL"},
		{"select cron.unschedule(99)", "XX000", "could not find valid entry for job 99"},
		{"select cron.unschedule('none')", "XX000", "could not find valid entry for job 'none'"},
		{"select cron.alter_job(null)", "XX000", "job_id can not be NULL"},
		{"select cron.alter_job(2)", "XX000", "no updates specified"},
		{"select cron.alter_job(99, active => false)", "XX000", "Job 99 does not exist or you don't own it"},
		{"select cron.alter_job(2, schedule => 'never')", "22023", "invalid schedule: never"},
		{"select cron.alter_job(2, username => 'ann')", "XX000", "must be superuser to alter username"},
		{"select cron.alter_job(2, database => 'none')", "3D000", `database "none" does not exist`},
		{"select cron.schedule_in_database('x', '* * * * *', 'x', 'none')", "3D000", `database "none" does not exist`},
		{"select cron.schedule_in_database('x', '* * * * *', 'x', 'postgres', 'ann')", "XX000", "must be superuser to create a job for another role"},
		{"insert into cron.job (schedule, command) values ('* * * * *', 'x')", "42501", "permission denied for table job"},
		{"update cron.job set command = 'x'", "42501", "permission denied for table job"},
		{"delete from cron.job", "42501", "permission denied for table job"},
		{"create trigger x after insert on cron.job_run_details for each row execute function suppress_redundant_updates_trigger()", "42501", "permission denied for table job_run_details"},
		{"insert into cron.own_job (schedule, command, nodeport, username) values ('* * * * *', 'x', 1, 'supabase_admin')", "44000", `new row violates check option for view "own_job"`},
	} {
		wantError(t, postgres, c.sql, c.code, c.message)
	}
	for _, c := range []struct{ sql, code, message string }{
		{"select cron.schedule_in_database('x', '* * * * *', 'x', 'closed', 'ann')", "XX000", "User ann does not have CONNECT privilege on closed"},
		{"select cron.schedule_in_database('x', '* * * * *', 'x', 'postgres', 'nobody')", "XX000", `role "nobody" does not exist`},
		{"select cron.schedule_in_database('x', '* * * * *', 'x', 'postgres', 'anon')", "XX000", `role "anon" can not log in`},
	} {
		wantError(t, admin, c.sql, c.code, c.message)
	}

	// each has jobs of his own
	exec(t, ann, "select cron.schedule('nightly', '0 3 * * *', 'select 3')")
	if n := query[int](t, ann, "select count(*) from cron.job"); n != 1 {
		t.Errorf("ann sees %d jobs", n)
	}
	wantError(t, ann, "select cron.unschedule(2)", "42501", "permission denied for table job")
	wantError(t, ann, "select cron.alter_job(2, active => false)", "42501", "permission denied for function alter_job")
	wantError(t, ann, "select cron.schedule_in_database('x', '* * * * *', 'x', 'postgres')", "42501", "permission denied for function schedule_in_database")
	exec(t, ann, "create function pg_temp.tell(text) returns boolean cost 0.0001 language plpgsql as 'begin raise exception ''%'', $1; end'")
	wantError(t, ann, "select count(*) from cron.own_job where pg_temp.tell(command)", "P0001", "select 3")
	wantError(t, ann, "update cron.own_job set command = 'x' where pg_temp.tell(command)", "P0001", "select 3")
	exec(t, ann, "select cron.unschedule('nightly')")
	exec(t, ann, "select count(*) from cron.own_job where pg_temp.tell(command)")
	exec(t, ann, "delete from cron.own_job where pg_temp.tell(command)")
	exec(t, postgres, "select cron.alter_job(2, '@hourly', 'select 4', 'template1', active => false)")
	if job := query[string](t, postgres, `select format('%s|%s|%s|%s', schedule, command, database, active) from cron.job where jobid = 2`); job != "@hourly|select 4|template1|f" {
		t.Errorf("the job is now %s", job)
	}
	exec(t, admin, "select cron.alter_job(2, username => 'ann')")
	exec(t, admin, "select cron.unschedule(1)")
	if jobs := query[string](t, ann, "select string_agg(jobid || command, ',') from cron.job"); jobs != "2select 4" {
		t.Errorf("ann's jobs are %s", jobs)
	}

	// a function with its owner's rights schedules for its owner
	exec(t, admin, "create function public.plan() returns bigint language sql security definer as $$ select cron.schedule('by function', '@daily', 'select 1') $$")
	exec(t, ann, "select public.plan()")
	if owner := query[string](t, admin, "select username from cron.job where jobname = 'by function'"); owner != "supabase_admin" {
		t.Errorf("the job of a security definer function belongs to %s", owner)
	}

	exec(t, admin, "create database elsewhere")
	cfg, err := pgx.ParseConfig(srv.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	cfg.User, cfg.Database = "supabase_admin", "elsewhere"
	other, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.WithoutCancel(t.Context()))
	if _, err := other.Exec(t.Context(), "create extension pg_cron"); err == nil || !strings.Contains(err.Error(), "can only create extension in a database of the platform") {
		t.Errorf("in a database that nobody serves: %v", err)
	}
}

// TestSQLTakesTheSameSchedules compares cron.schedule with Parse.
func TestSQLTakesTheSameSchedules(t *testing.T) {
	t.Parallel()
	needsCron(t)
	srv := suparusttest.Start(t, suparusttest.WithoutProject())
	srv.Exec(t, "create extension pg_cron")
	texts := slices.Concat(pgcron.Valid, pgcron.Invalid)
	// words and letters of schedules, put together
	parts := []string{"*", "*", "*", "*/5", "0", "1", "5", "59", "60", "23", "24", "31", "32", "12", "13", "7", "8", "-", "/", ",", "$", "@daily", "jan", "Dec", "mon", "SUN", "x",
		" ", " ", " ", " ", "\t", "\n", "#", "second", "seconds", "S", "+", ";", "4294967301", "99999999999999999999", "é"}
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		var b strings.Builder
		for i := range 5 + rnd.IntN(3) {
			for range 1 + rnd.IntN(3) {
				b.WriteString(parts[rnd.IntN(len(parts))])
			}
			if i > 0 {
				b.WriteByte(' ')
			}
		}
		texts = append(texts, b.String())
	}
	for range 3000 { // mostly valid ones
		var b strings.Builder
		for range 5 {
			b.WriteString([]string{"*", "*", "1", "5", "7", "*/3", "1-5/2"}[rnd.IntN(7)] + []string{" ", " ", ",1 ", "-5 ", "/2 ", "! "}[rnd.IntN(6)])
		}
		texts = append(texts, b.String())
	}
	rows, err := srv.Pool(t).Query(t.Context(), "select cron._valid_schedule(text) from unnest($1::text[]) with ordinality as x (text, n) order by n", texts)
	if err != nil {
		t.Fatal(err)
	}
	answers, err := pgx.CollectRows(rows, pgx.RowTo[bool])
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for i, text := range texts {
		_, err := pgcron.Parse(text)
		if answers[i] != (err == nil) {
			t.Errorf("%q: SQL says %v, Parse %v", text, answers[i], err)
		}
		if answers[i] {
			taken++
		}
	}
	if taken < 500 || len(texts)-taken < 500 {
		t.Errorf("of %d schedules %d are taken: that compares too little", len(texts), taken)
	}
}
