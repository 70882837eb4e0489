package suparusttest_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// cronTables are pg_cron and a table that its jobs write the time they are run
// at by the server's clock into.
const cronTables = `
	create extension pg_cron;
	create table ticks (id bigint generated always as identity, job text);
	create view runs as select job, d.status, d.start_time, d.return_message from ticks join cron.job_run_details d on d.runid = ticks.id;
`

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
		cronIsThere = column(t, srv, "select exists (select from pg_available_extensions where name = 'pg_cron' and comment like 'Job scheduler%')") == "true"
	})
	if !cronIsThere {
		t.Skip("PostgreSQL is an installed one, and has no pg_cron of the server's")
	}
}

func column(t *testing.T, srv *suparusttest.Server, sql string, args ...any) string {
	t.Helper()
	var text *string
	if err := srv.Pool(t).QueryRow(t.Context(), "select ("+sql+")::text", args...).Scan(&text); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if text == nil {
		return ""
	}
	return *text
}

// tick is a job that says that it was run.
func tick(t *testing.T, srv *suparusttest.Server, name, schedule string) {
	t.Helper()
	srv.Exec(t, "select cron.schedule($1, $2, format('insert into ticks (job) values (%L)', $1::text))", name, schedule)
}

// TestCronByTheClock: what is due while the clock is advanced has been run when
// it is.
func TestCronByTheClock(t *testing.T) {
	t.Parallel()
	needsCron(t)
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQL(cronTables))
	begin := time.Date(2030, 1, 31, 12, 30, 15, 0, time.UTC)
	srv.Clock.Set(begin)
	tick(t, srv, "hourly", "0 * * * *")
	tick(t, srv, "nightly", "0 3 * * *")
	tick(t, srv, "last day", "5 12 $ * *")
	tick(t, srv, "reboot", "@reboot")
	tick(t, srv, "off", "* * * * *")
	srv.Exec(t, "select cron.alter_job(jobid, active => false) from cron.job where jobname = 'off'")
	const ran = "select string_agg(job, ',' order by id) from ticks"

	srv.Clock.Advance(time.Minute)
	if got := column(t, srv, ran); got != "" {
		t.Errorf("in a minute in which nothing was due: %s", got)
	}
	srv.Clock.Advance(29 * time.Minute)
	if got := column(t, srv, ran); got != "hourly" {
		t.Errorf("until %v: %s", srv.Clock.Now(), got)
	}
	// each at its own time, which the clock has shown, in the order of the times
	const details = `select string_agg(jobname || ' ' || to_char(start_time at time zone 'UTC', 'DD HH24:MI') || ' ' || d.status || ' ' || return_message, ', ' order by runid)
		from cron.job_run_details d join cron.job using (jobid)`
	srv.Exec(t, "delete from cron.job_run_details")
	srv.Exec(t, "select cron.unschedule('hourly')")
	srv.Clock.Advance(24 * time.Hour)
	if got := column(t, srv, details); got != "nightly 01 03:00 succeeded INSERT 0 1" {
		t.Errorf("a day later: %s", got)
	}
	srv.Exec(t, "truncate ticks; delete from cron.job_run_details")
	srv.Clock.Advance(4 * 7 * 24 * time.Hour)
	if got := column(t, srv, "select string_agg(n || job, ' ' order by job) from (select count(*) as n, job from ticks group by job) x"); got != "1last day 28nightly" {
		t.Errorf("four weeks later: %s", got)
	}
	// the clock is where it was to be
	if off := srv.Clock.Now().Sub(begin.Add(30*time.Minute + 29*24*time.Hour)); off < 0 || off > time.Minute {
		t.Errorf("the clock is off by %v", off)
	}

	// a leap runs nothing, and neither does a way back
	srv.Exec(t, "truncate ticks")
	srv.Clock.Set(srv.Clock.Now().Add(30 * 24 * time.Hour))
	srv.Clock.Advance(-10 * 24 * time.Hour)
	if got := column(t, srv, ran); got != "" {
		t.Errorf("the clock was set: %s", got)
	}
	srv.Clock.Advance(24 * time.Hour)
	if got := column(t, srv, ran); got != "nightly" {
		t.Errorf("in a day that has been before: %s", got)
	}
}

// TestCronChangesItself: what a job does to jobs, itself among them, counts from
// then on.
func TestCronChangesItself(t *testing.T) {
	t.Parallel()
	needsCron(t)
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQL(cronTables+`
		create function say(job text) returns void language sql as 'insert into ticks (job) values (job)';
		select cron.schedule('a once', '* * * * *', $$ select say('once'); select cron.unschedule('a once') $$);
		select cron.schedule('b starts', '*/10 * * * *', $$ select say('starts'); select cron.alter_job(jobid, active => false) from cron.job where jobname = 'b starts';
			select cron.schedule('c started', '*/20 * * * *', $x$ select say('started'); select cron.schedule('d', '*/20 * * * *', $y$ select say(':40'); select cron.schedule('d', '50 * * * *', 'select say('':50'')') $y$) $x$) $$);
		select cron.schedule('e last', '20 * * * *', 'select say(''at :20, too'')');
	`))
	srv.Clock.Set(time.Date(2030, 1, 31, 12, 2, 0, 0, time.UTC))
	srv.Clock.Advance(50 * time.Minute)
	// in the order of their ids: c comes after e, and d is scheduled anew at :40, before it runs and when it has
	if got := column(t, srv, "select string_agg(job, ', ' order by id) from ticks"); got != "once, starts, at :20, too, started, started, :40, :50" {
		t.Errorf("the jobs were %s", got)
	}
}

// TestCronBySQLsClock: now() of a job is the time it is due at.
func TestCronBySQLsClock(t *testing.T) {
	t.Parallel()
	needsCron(t)
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQLClock(), suparusttest.WithSQL(`
		create extension pg_cron;
		create table nights (at timestamptz default now());
		select cron.schedule('nightly', '0 3 * * *', 'insert into nights default values');
	`))
	srv.Clock.Set(time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC))
	srv.Clock.Advance(48 * time.Hour)
	if got := column(t, srv, "select string_agg(to_char(at at time zone 'UTC', 'DD HH24:MI'), ', ' order by at) from nights"); got != "01 03:00, 02 03:00" {
		t.Errorf("the nights were %s", got)
	}
	if got := column(t, srv, "select bool_and(end_time - start_time < interval '1 minute' and start_time >= date_trunc('minute', start_time)) and count(*) = 2 from cron.job_run_details"); got != "true" {
		t.Errorf("the details do not fit: %s", got)
	}
}

// TestCronOfASharedCluster: every test's jobs are those of its own database.
func TestCronOfASharedCluster(t *testing.T) {
	t.Parallel()
	needsCron(t)
	for _, name := range []string{"one", "two"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSharedCluster(), suparusttest.WithSQL(cronTables))
			tick(t, srv, name, "0 3 * * *")
			srv.RunCron(t, name)
			srv.Clock.Advance(24 * time.Hour)
			if got := column(t, srv, "select string_agg(job, ',') from ticks"); got != name+","+name {
				t.Errorf("the jobs of %s were %s", name, got)
			}
		})
	}
}

// TestCronIsBounded: a year of minutes is not made up for.
func TestCronIsBounded(t *testing.T) {
	t.Parallel()
	needsCron(t)
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQL(cronTables))
	tick(t, srv, "minutely", "* * * * *")
	srv.Clock.Advance(365 * 24 * time.Hour)
	if got := column(t, srv, "select count(*) from ticks"); got != "60" {
		t.Errorf("in a year a job of every minute has been run %s times", got)
	}
	var last time.Time
	if err := srv.Pool(t).QueryRow(t.Context(), "select max(start_time) from runs").Scan(&last); err != nil {
		t.Fatal(err)
	}
	if ago := srv.Clock.Now().Sub(last); ago < 0 || ago > 2*time.Minute {
		t.Errorf("the last run was %v ago", ago)
	}
	srv.Exec(t, "truncate ticks; select cron.schedule('minutely', '20 seconds', 'insert into ticks (job) values (null)')")
	srv.Clock.Advance(time.Minute)
	if got := column(t, srv, "select count(*) from ticks"); got != "3" {
		t.Errorf("in a minute a job of every 20 seconds has been run %s times", got)
	}
	// the zone of the schedules is the database's setting
	srv.Exec(t, "truncate ticks; select cron.schedule('minutely', '0 3 * * *', 'insert into ticks (job) values (null)')")
	srv.Exec(t, "alter database postgres set cron.timezone = 'Asia/Kathmandu'") // 5:45 before UTC
	srv.Clock.Set(time.Date(2030, 1, 31, 21, 14, 30, 0, time.UTC))
	srv.Clock.Advance(time.Minute)
	if got := column(t, srv, "select count(*) from ticks"); got != "1" {
		t.Errorf("at 3 in Kathmandu the job has been run %s times", got)
	}
}

// TestRunCron: a job runs when a test asks for it, as its role and in its
// database, and what it says is what pg_cron says.
func TestRunCron(t *testing.T) {
	t.Parallel()
	needsCron(t)
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQL(cronTables+`
		create role worker login password 'a secret of its own';
		grant usage on schema cron to worker;
		alter role worker set search_path = nowhere, public;
		grant select, insert on ticks to worker;
		set session authorization worker;
		select cron.schedule('report', '0 0 1 1 *', $$ insert into ticks (job) select format('%s in %s as %s of %s', current_user, current_database(), current_setting('search_path'), current_setting('application_name')) $$);
		reset session authorization;
		select cron.schedule('rows', '@daily', 'select generate_series(1, 3)');
		select cron.schedule('row', '@daily', 'begin; insert into ticks (job) values (null); select 1; commit; select 2');
		select cron.schedule('nothing', '@daily', ' ');
		select cron.schedule('copy', '@daily', 'copy ticks from stdin');
		select cron.schedule('copy out', '@daily', 'copy ticks to stdout');
		select cron.schedule('vacuum', '@daily', 'vacuum ticks');
		select cron.schedule('fails', '@daily', E'insert into ticks (job) values (1);\nselect * from missing');
		select cron.schedule('raises', '@daily', $$ do 'begin raise exception ''no'' using detail = ''why'', hint = ''how''; end' $$);
		select cron.schedule('fatal', '@daily', 'select pg_terminate_backend(pg_backend_pid())');
		select cron.schedule('@daily', 'select 1');
		create role leaver login; grant usage on schema cron to leaver;
		select cron.schedule_in_database('gone', '@daily', 'select 1', 'postgres', 'leaver');
		alter role leaver nologin;
	`))
	run := srv.RunCron(t, "report")
	if run.Status != "succeeded" || run.Message != "INSERT 0 1" || run.User != "worker" || run.PID == 0 || run.JobName != "report" ||
		run.Start.IsZero() || run.End.Before(run.Start) {
		t.Errorf("%+v", run)
	}
	if got := column(t, srv, "select job from ticks"); got != "worker in postgres as nowhere, public of pg_cron" {
		t.Errorf("the job was run by %s", got)
	}
	if got := column(t, srv, "select format('%s %s %s %s %s %s', jobid, runid, job_pid, database, username, status) from cron.job_run_details where end_time >= start_time"); !strings.HasSuffix(got, "postgres worker succeeded") {
		t.Errorf("the details are %s", got)
	}

	srv.Exec(t, "create database elsewhere")
	srv.Exec(t, "select cron.schedule_in_database('elsewhere', '@daily', 'create table there ()', 'elsewhere')")
	control := srv.Control(t)
	for name, want := range map[string]string{
		"rows": "succeeded: 3 rows", "row": "succeeded: 1 row", "nothing": "succeeded: 0 rows", "vacuum": "succeeded: VACUUM", "elsewhere": "succeeded: CREATE TABLE", "11": "succeeded: 1 row",
		"copy": "failed: COPY not supported", "copy out": "failed: COPY not supported", "gone": "failed: connection failed",
		"fails":  "failed: ERROR:  relation \"missing\" does not exist\nLINE 2: select * from missing\n                      ^\n",
		"raises": "failed: ERROR:  no\nDETAIL:  why\nHINT:  how\nCONTEXT:  PL/pgSQL function inline_code_block line 1 at RAISE\n",
		"fatal":  "failed: FATAL:  terminating connection due to administrator command\n",
	} {
		var got server.CronRun
		control.Post(t, "/cron/"+strings.ReplaceAll(name, " ", "%20")+"/run", nil).WantStatus(t, http.StatusOK).JSON(t, &got)
		if got.Status+": "+got.Message != want {
			t.Errorf("%s: %s: %q, want %q", name, got.Status, got.Message, want)
		}
		if kept := column(t, srv, "select status || ': ' || return_message from cron.job_run_details where runid = $1", got.ID); kept != want {
			t.Errorf("%s: the details say %q", name, kept)
		}
	}
	if got := column(t, srv, "select count(*) from ticks where job = '1'"); got != "0" {
		t.Errorf("%s rows of a command that failed", got)
	}
	r := control.Post(t, "/cron/none/run", nil)
	r.WantStatus(t, http.StatusNotFound)
	if !strings.Contains(string(r.Body), "report, rows") {
		t.Errorf("of a job that is not there: %s", r.Body)
	}
	srv.Exec(t, "drop extension pg_cron cascade")
	control.Post(t, "/cron/rows/run", nil).WantStatus(t, http.StatusNotFound)
	srv.Clock.Advance(24 * time.Hour) // no harm is done

	// a job does not outlive the database it is in
	srv.Reset(t)
	srv.Exec(t, "select cron.unschedule(jobid) from cron.job where jobname <> 'row'")
	srv.Clock.Advance(24 * time.Hour)
	if got := column(t, srv, "select count(*) from ticks"); got != "1" {
		t.Errorf("after a reset the job was run %s times", got)
	}
}

// TestCronOfAnother: the jobs of a pg_cron that has a scheduler of its own are
// not run.
func TestCronOfAnother(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQL(`
		create schema cron;
		create function cron.job_cache_invalidate() returns trigger language internal as 'suppress_redundant_updates_trigger';
		create table cron.job (jobid bigint, schedule text, command text, database text, username text, active boolean, jobname text);
		create table ticks (job text);
		insert into cron.job values (1, '* * * * *', 'insert into ticks values (1)', 'postgres', 'postgres', true, 'one');
	`))
	srv.Clock.Advance(time.Hour)
	if got := column(t, srv, "select count(*) from ticks"); got != "0" {
		t.Errorf("another's job was run %s times", got)
	}
	r := srv.Control(t).Post(t, "/cron/one/run", nil).WantStatus(t, http.StatusNotFound)
	if !strings.Contains(string(r.Body), "create extension pg_cron") {
		t.Errorf("%s", r.Body)
	}
}

// TestCronSettings: the database's settings of pg_cron are those of the next run.
func TestCronSettings(t *testing.T) {
	t.Parallel()
	needsCron(t)
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQL(cronTables))
	srv.Clock.Set(time.Date(2030, 10, 1, 0, 0, 0, 0, time.UTC))
	for _, c := range []struct {
		set, schedule string
		days, runs    int
		details       string
	}{
		{"", "0 12 13 * 5", 31, 5, "5"},                            // four Fridays and Sunday the 13th
		{"cron.match_dom_and_dow = on", "0 12 13 * 5", 61, 1, "1"}, // Friday the 13th of December
		{"cron.log_run = off", "0 12 * * *", 2, 2, "0"},
		{"cron.launch_active_jobs = off", "0 12 * * *", 2, 0, "0"},
		{"cron.timezone = 'Nowhere/At_All'", "0 12 * * *", 2, 2, "2"},
		{"cron.max_running_jobs = many", "0 12 * * *", 2, 2, "2"},
		{"cron.log_run = perhaps", "0 12 * * *", 2, 2, "2"},
	} {
		if c.set != "" {
			srv.Exec(t, "alter database postgres set "+c.set)
		}
		tick(t, srv, "job", c.schedule)
		srv.Exec(t, "truncate ticks; delete from cron.job_run_details")
		srv.Clock.Advance(time.Duration(c.days) * 24 * time.Hour)
		if got := column(t, srv, "select count(*) from ticks"); got != strconv.Itoa(c.runs) {
			t.Errorf("%s: %s was run %s times", c.set, c.schedule, got)
		}
		if got := column(t, srv, "select count(*) from cron.job_run_details"); got != c.details {
			t.Errorf("%s: %s has %s details", c.set, c.schedule, got)
		}
		srv.Exec(t, "alter database postgres reset all")
	}
}
