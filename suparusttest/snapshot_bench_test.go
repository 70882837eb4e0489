//go:build unix

package suparusttest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/suparust/suparust/suparusttest"
)

// fill makes a test's database one of 20 MB.
func fill(tb testing.TB, srv *suparusttest.Server) {
	tb.Helper()
	srv.Exec(tb, `create table filler (id bigint generated always as identity primary key, body text);
		do $$ begin while pg_database_size('postgres') < 20 << 20 loop
			insert into filler (body) select repeat(md5(i::text), 8) from generate_series(1, 2000) i;
		end loop; end $$`)
}

// stateLimit is what saving and bringing back a database of 20 MB may take on a
// machine that is otherwise idle.
const stateLimit = 60 * time.Millisecond

// judge compares a median with the limit, or, where other work makes all things
// slow, with twice what the parts take in the same rounds: a copy of the data
// directory by cp and a Start.
func judge(b *testing.B, what string, took, copies, starts []time.Duration) {
	b.Helper()
	b.ReportMetric(ms(median(took)), "ms/"+what)
	b.ReportMetric(ms(median(copies)), "ms/cp")
	b.ReportMetric(ms(median(starts)), "ms/start")
	limit := max(stateLimit, 2*(median(copies)+median(starts)))
	b.ReportMetric(ms(limit), "ms/limit")
	if len(took) >= enough && median(took) > limit {
		b.Errorf("%s takes %s, the limit is %s", what, median(took), limit)
	}
}

// byCopy copies the data directory of a cluster with cp.
func byCopy(b *testing.B, srv *suparusttest.Server) time.Duration {
	b.Helper()
	dir, err := os.MkdirTemp(filepath.Dir(srv.ClusterDir()), "copy")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	return timed(func() {
		_ = exec.CommandContext(b.Context(), "cp", "-r", filepath.Join(srv.ClusterDir(), "data"), dir).Run() // a file may go meanwhile
	})
}

// coldStart starts a server whose database nothing has made ready.
func coldStart(b *testing.B) (took time.Duration) {
	b.Helper()
	closePools(b)
	test(b, func(tb testing.TB) {
		took = timed(func() { suparusttest.Start(tb) })
		closePools(b)
	})
	return took
}

func benchState(b *testing.B, what string, prepare func(*suparusttest.Server) func(tb testing.TB)) {
	srv := suparusttest.Start(b)
	b.Cleanup(func() { closePools(b) })
	fill(b, srv)
	run := prepare(srv)
	var took, copies, starts []time.Duration
	for b.Loop() {
		took = append(took, timed(func() { run(b) }))
		copies = append(copies, byCopy(b, srv))
		starts = append(starts, coldStart(b))
	}
	judge(b, what, took, copies, starts)
}

// BenchmarkSnapshot measures saving a database of 20 MB.
func BenchmarkSnapshot(b *testing.B) {
	benchState(b, "snapshot", func(srv *suparusttest.Server) func(testing.TB) {
		return func(testing.TB) { test(b, func(tb testing.TB) { srv.Snapshot(tb) }) }
	})
}

// BenchmarkRestore measures bringing a database of 20 MB back, with the first
// query of it.
func BenchmarkRestore(b *testing.B) {
	benchState(b, "restore", func(srv *suparusttest.Server) func(testing.TB) {
		snap := srv.Snapshot(b)
		return func(tb testing.TB) {
			srv.Restore(tb, snap)
			srv.Exec(tb, "select count(*) from filler")
		}
	})
}

// BenchmarkReset measures going back to the state after Start, with the first
// query of it, from a database of 20 MB: WithSQL has made the tables.
func BenchmarkReset(b *testing.B) {
	b.Run("of20MB", func(b *testing.B) {
		srv := suparusttest.Start(b, suparusttest.WithSQL(`create table filler (id bigint generated always as identity primary key, body text);
			do $$ begin while pg_database_size('postgres') < 20 << 20 loop
				insert into filler (body) select repeat(md5(i::text), 8) from generate_series(1, 2000) i;
			end loop; end $$`))
		benchReset(b, srv)
	})
	b.Run("afterWithSQL", func(b *testing.B) {
		benchReset(b, suparusttest.Start(b, suparusttest.WithSQL("create table filler (id bigint generated always as identity primary key, body text); insert into filler (body) values ('x')")))
	})
	b.Run("asStarted", func(b *testing.B) { benchReset(b, suparusttest.Start(b)) })
}

func benchReset(b *testing.B, srv *suparusttest.Server) {
	b.Helper()
	b.Cleanup(func() { closePools(b) })
	var took, copies, starts []time.Duration
	for b.Loop() {
		took = append(took, timed(func() {
			srv.Reset(b)
			srv.Exec(b, "select 1")
		}))
		copies = append(copies, byCopy(b, srv))
		starts = append(starts, coldStart(b))
	}
	judge(b, "reset", took, copies, starts)
}

// BenchmarkStartWithSQL measures what it costs a Start that Reset knows what to
// go back to: all of it together, and the same without.
func BenchmarkStartWithSQL(b *testing.B) {
	b.Cleanup(func() { closePools(b) })
	suparusttest.Start(b)
	var with, without []time.Duration
	const sql = "create table t (n int)"
	for b.Loop() {
		test(b, func(tb testing.TB) {
			with = append(with, timed(func() { suparusttest.Start(tb, suparusttest.WithSQL(sql)) }))
			without = append(without, timed(func() { suparusttest.Start(tb).Exec(tb, sql) }))
		})
	}
	b.ReportMetric(ms(median(with)), "ms/with")
	b.ReportMetric(ms(median(without)), "ms/without")
}
