//go:build unix

package pg

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/suparust/suparust/internal/proctest"
)

// twentyMB fills the database of a cluster to 20 MB of data files.
func twentyMB(tb testing.TB, cl *Cluster) {
	tb.Helper()
	conn := connect(tb, cl, superuser, "postgres")
	if _, err := conn.Exec(tb.Context(), "create table public.filler (id bigint generated always as identity primary key, body text not null)"); err != nil {
		tb.Fatal(err)
	}
	for {
		var size int64
		if err := conn.QueryRow(tb.Context(), "select pg_database_size('postgres')").Scan(&size); err != nil {
			tb.Fatal(err)
		}
		if size >= 20<<20 {
			return
		}
		if _, err := conn.Exec(tb.Context(), "insert into public.filler (body) select repeat(md5(i::text), 8) from generate_series(1, 2000) i"); err != nil {
			tb.Fatal(err)
		}
	}
}

func benchSnapshot(b *testing.B, cl *Cluster, dirs func() string) {
	twentyMB(b, cl)
	var saves, restores []time.Duration
	for b.Loop() {
		began := time.Now()
		s, err := cl.Snapshot(b.Context(), SnapshotOptions{Dir: dirs()})
		if err != nil {
			b.Fatal(err)
		}
		saves = append(saves, time.Since(began))
		restores = append(restores, benchRestore(b, cl, s))
		if err := s.Remove(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(ms(median(saves)), "ms/snapshot")
	b.ReportMetric(ms(median(restores)), "ms/restore")
}

// benchRestore is how long a restore takes, with the first query.
func benchRestore(b *testing.B, cl *Cluster, s *Snapshot) time.Duration {
	began := time.Now()
	if err := cl.Restore(b.Context(), s, nil); err != nil {
		b.Fatal(err)
	}
	conn := cl.TakeConn()
	ask(b, conn)
	took := time.Since(began)
	conn.Close(b.Context())
	return took
}

// benchSpare restores when a copy of the snapshot is ready, as it is a moment after it was saved or restored.
func benchSpare(b *testing.B, cl *Cluster, dir string) {
	twentyMB(b, cl)
	s, err := cl.Snapshot(b.Context(), SnapshotOptions{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	var restores, ready []time.Duration
	for b.Loop() {
		began := time.Now()
		<-cl.spare.made
		ready = append(ready, time.Since(began))
		execAll(b, cl, "insert into public.filler (body) select repeat(md5(i::text), 8) from generate_series(1, 2000) i", "create table public.other as select 1 as n")
		restores = append(restores, benchRestore(b, cl, s))
	}
	b.ReportMetric(ms(median(restores)), "ms/restore")
	b.ReportMetric(ms(median(ready)), "ms/ready")
}

func BenchmarkSnapshot(b *testing.B) {
	tmpl := realTemplate(b)
	b.Run("ephemeral", func(b *testing.B) {
		benchSnapshot(b, startTest(b, Config{Template: tmpl}), func() string { return "" })
	})
	b.Run("ephemeral to disk", func(b *testing.B) {
		dir, n := proctest.TempDirIn(b, ""), 0
		benchSnapshot(b, startTest(b, Config{Template: tmpl}), func() string { n++; return filepath.Join(dir, string(rune('a'+n%26))) })
	})
	b.Run("durable", func(b *testing.B) {
		dir, n := proctest.TempDirIn(b, ""), 0
		benchSnapshot(b, startTest(b, Config{Template: tmpl, DataDir: filepath.Join(dir, "data")}), func() string { n++; return filepath.Join(dir, string(rune('a'+n%26))) })
	})
	b.Run("durable, ready", func(b *testing.B) {
		dir := proctest.TempDirIn(b, "")
		benchSpare(b, startTest(b, Config{Template: tmpl, DataDir: filepath.Join(dir, "data")}), filepath.Join(dir, "saved"))
	})
}
