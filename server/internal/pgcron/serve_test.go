package pgcron_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// byItself has the jobs of a server run when they are due.
func byItself(c *server.Config) { c.PauseCron = false }

// patience is how long a test waits for what has to happen.
const patience = 20 * time.Second

// listener is a connection that hears of the jobs' runs, and may hold them up.
type listener struct{ *pgx.Conn }

func listen(t *testing.T, srv *suparusttest.Server) listener {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), srv.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // nothing of it is pending
	l := listener{conn}
	l.exec(t, "listen runs")
	return l
}

func (l listener) exec(t *testing.T, sql string) {
	t.Helper()
	if _, err := l.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// hear waits for the notification of a run.
func (l listener) hear(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	n, err := l.WaitForNotification(ctx)
	if err != nil {
		t.Fatalf("no job was run: %v", err)
	}
	return n.Payload
}

// await waits for the notification of a certain run.
func (l listener) await(t *testing.T, run string) {
	t.Helper()
	for heard := ""; heard != run; {
		heard = l.hear(t)
	}
}

// until waits for a condition of the database.
func (l listener) until(t *testing.T, sql string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		var is bool
		if err := l.QueryRow(t.Context(), "select coalesce(("+sql+"), false) from pg_sleep(0.005)").Scan(&is); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if is {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", sql)
		}
	}
}

const schedulers = "select count(*) from pg_stat_activity where application_name = 'pg_cron scheduler'"

// TestCronByTime: a server that is not a test's runs jobs when they are due. It
// learns of them when they are scheduled, and has a connection while there are
// some.
func TestCronByTime(t *testing.T) {
	t.Parallel()
	needsCron(t)
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithConfig(byItself))
	l := listen(t, srv)
	l.until(t, "("+schedulers+") = 0")
	l.exec(t, "create extension pg_cron")
	l.exec(t, "select cron.schedule('second', '1 second', 'notify runs, ''one''')")
	l.hear(t)
	l.exec(t, "select cron.schedule('second', '1 second', 'notify runs, ''two''')")
	l.await(t, "two")
	l.until(t, "("+schedulers+") = 1")
	l.until(t, "select bool_and(status = 'succeeded' and return_message = 'NOTIFY') and count(*) > 1 from cron.job_run_details where end_time is not null")

	// a run that takes longer than its interval is the only one, and is canceled with its job
	l.exec(t, "select pg_advisory_lock(1)")
	l.exec(t, "select cron.schedule('second', '1 second', 'select pg_advisory_xact_lock_shared(1), pg_notify(''runs'', ''three'')')")
	l.until(t, "select count(*) = 1 from pg_locks where locktype = 'advisory' and not granted")
	l.exec(t, "select cron.schedule('other', '1 second', 'notify runs, ''other''')")
	l.await(t, "other")
	l.await(t, "other")
	l.until(t, "select count(*) = 1 from cron.job_run_details where status = 'running' and command like '%three%'")
	l.exec(t, "select cron.alter_job(jobid, active => false) from cron.job where jobname = 'second'")
	l.until(t, "select count(*) = 1 from cron.job_run_details where status = 'failed' and return_message = 'job canceled' and end_time is not null")
	l.exec(t, "select pg_advisory_unlock(1)")

	// the connection ends with the last job
	l.exec(t, "select cron.unschedule(jobid) from cron.job")
	l.until(t, "("+schedulers+") = 0")

	// the end of a connection, and of all of them, is none of the jobs
	l.exec(t, "select cron.schedule('second', '1 second', 'notify runs, ''again''')")
	l.await(t, "again")
	srv.Disconnect(t)
	l = listen(t, srv)
	l.hear(t)

	// the clock: a leap is no reason to run, and to advance it is
	l.exec(t, "select cron.schedule('second', '0 3 * * *', 'notify runs, ''at three''')")
	srv.Clock.Advance(24 * time.Hour)
	l.await(t, "at three")
	l.exec(t, "drop extension pg_cron")
	l.until(t, "("+schedulers+") = 0")
}

// TestCronOfAReplacedDatabase: the jobs are those of the database that is there.
func TestCronOfAReplacedDatabase(t *testing.T) {
	t.Parallel()
	needsCron(t)
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithConfig(byItself),
		suparusttest.WithSQL("create extension pg_cron; select cron.schedule('second', '1 second', 'notify runs, ''first''')"))
	l := listen(t, srv)
	l.hear(t)
	before := srv.Snapshot(t)
	l.exec(t, "select cron.schedule('second', '1 second', 'notify runs, ''other''')")
	l.await(t, "other")
	srv.Restore(t, before)
	l = listen(t, srv)
	if got := l.hear(t); got != "first" {
		t.Errorf("the restored database's job says %q", got)
	}
	l.exec(t, "select cron.unschedule('second')")
	srv.Reset(t)
	l = listen(t, srv)
	l.hear(t)
	// the server ends while a job runs
	l.exec(t, "select pg_advisory_lock(1)")
	l.exec(t, "select cron.schedule('second', '1 second', 'select pg_advisory_xact_lock_shared(1)')")
	l.until(t, "select count(*) = 1 from pg_locks where locktype = 'advisory' and not granted")
}

// TestCronAskedForMeanwhile: what comes due while a test has asked for the job,
// and that takes its time, is not made up for run by run.
func TestCronAskedForMeanwhile(t *testing.T) {
	t.Parallel()
	needsCron(t)
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithConfig(byItself), suparusttest.WithSQL(`
		create extension pg_cron;
		select cron.alter_job(cron.schedule('slow', '1 second', 'select pg_advisory_xact_lock_shared(1)'), active => false);
	`))
	l := listen(t, srv)
	l.exec(t, "select pg_advisory_lock(1)")
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.RunCron(t, "slow")
	}()
	l.until(t, "select count(*) = 1 from pg_locks where locktype = 'advisory' and not granted and pid in (select pid from pg_stat_activity where application_name = 'pg_cron')")
	l.exec(t, "select cron.alter_job(jobid, active => true) from cron.job; select cron.schedule('tick', '1 second', 'notify runs')")
	for range 5 {
		l.hear(t)
	}
	l.exec(t, "select pg_advisory_unlock(1)")
	<-done
	for range 2 {
		l.hear(t)
	}
	l.exec(t, "select cron.unschedule('slow')")
	// the one that was asked for, the one that waited, and those of the last seconds
	l.until(t, "select count(*) between 3 and 6 from cron.job_run_details where command like '%shared(1)'")
}

// TestCronOfSeveralServers: of several servers on a database one runs the jobs,
// and another goes on when it ends.
func TestCronOfSeveralServers(t *testing.T) {
	t.Parallel()
	needsCron(t)
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQL(`
		create extension pg_cron;
		select cron.schedule('second', '1 second', 'notify runs');
		insert into cron.job_run_details (runid, jobid, status) values (0, 1, 'running');
	`))
	l := listen(t, srv)
	ends := map[string]func(){}
	for _, name := range []string{"one", "two"} {
		cfg := server.DefaultConfig()
		cfg.Ephemeral()
		cfg.Database.URL, cfg.PauseCron, cfg.Storage.Scratch = srv.DatabaseURL, false, t.TempDir()
		other, err := server.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		end := func() {
			if err := other.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		}
		defer end()
		if err := other.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ends[name] = end
	}
	for range 3 {
		l.hear(t)
	}
	l.until(t, "select status = 'failed' and return_message = 'server restarted' from cron.job_run_details where runid = 0")
	l.until(t, "("+schedulers+") = 2")
	l.until(t, "select count(distinct objid) = 1 and count(*) = 1 from pg_locks where locktype = 'advisory' and granted")
	ends["one"]()
	for range 3 {
		l.hear(t)
	}
	l.until(t, "("+schedulers+") = 1")
	ends["two"]()
	l.until(t, "("+schedulers+") = 0")
	// both would have made two runs of each second
	l.until(t, "select count(*) <= extract(epoch from max(start_time) - min(start_time)) + 2 from cron.job_run_details where runid > 0")
}
