//go:build unix

package pg

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/migrations"
	"github.com/suparust/suparust/server/pg/footprint"
)

// bareStart executes postgres on a data directory that is copied already and asks it one question: what a start cannot
// be quicker than.
func bareStart(tb testing.TB, tmpl *Template, acct account, dir string) time.Duration {
	tb.Helper()
	args, err := settingArgs(tmpl.bin.Major, cloneSettings, nil)
	if err != nil {
		tb.Fatal(err)
	}
	began := time.Now()
	srv, err := launch{bin: tmpl.bin, acct: acct, dataDir: filepath.Join(dir, dataName), sockDir: dir, logPath: filepath.Join(dir, "log"),
		listen: "127.0.0.1", args: args, onDeath: syscall.SIGQUIT}.start(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	cfg, err := socketConfig(dir, srv.port, "authenticator", "postgres")
	if err != nil {
		tb.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	ask(tb, conn)
	took := time.Since(began)
	conn.Close(tb.Context())
	srv.stop(syscall.SIGQUIT, stopGrace)
	return took
}

// realTemplate is the database that the product starts with, and the tests' table.
func realTemplate(tb testing.TB) *Template {
	tb.Helper()
	const table = "create table public.notes (id bigint primary key, body text not null); insert into public.notes values (1, 'first'); grant select on public.notes to authenticator"
	s := testSpec(tb)
	s.Key = "pg benchmark " + migrations.Version() + table
	s.Build = func(ctx context.Context, dsn func(user, db string) string) error {
		conn, err := pgx.Connect(ctx, dsn(superuser, "postgres"))
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		if err := migrations.Apply(ctx, conn, migrations.Options{}); err != nil {
			return err
		}
		_, err = conn.Exec(ctx, table)
		return err
	}
	tmpl, err := LoadTemplate(tb.Context(), s)
	if err != nil {
		tb.Fatal(err)
	}
	return tmpl
}

func ask(tb testing.TB, conn *pgx.Conn) {
	tb.Helper()
	if _, err := conn.Exec(tb.Context(), "select body from notes where id = 1"); err != nil {
		tb.Fatal(err)
	}
}

func cloneStart(tb testing.TB, tmpl *Template) (start, stop time.Duration) {
	tb.Helper()
	began := time.Now()
	cl, err := Start(tb.Context(), Config{Template: tmpl})
	if err != nil {
		tb.Fatal(err)
	}
	conn := cl.TakeConn()
	ask(tb, conn)
	start = time.Since(began)
	conn.Close(tb.Context())
	began = time.Now()
	if err := cl.Stop(); err != nil {
		tb.Fatal(err)
	}
	return start, time.Since(began)
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// startLimitRatio is how much longer a whole clone, start and query may take than the bare start on a finished copy.
const startLimitRatio = 1.3

// BenchmarkStart measures a clone with its start and first query against the bare start, alternating, and fails above the limit.
func BenchmarkStart(b *testing.B) {
	tmpl := realTemplate(b)
	acct, err := processAccount()
	if err != nil {
		b.Fatal(err)
	}
	hold, err := newRunDir(memoryOrDisk(b, acct), acct) // keeps the run root between the rounds
	if err != nil {
		b.Fatal(err)
	}
	defer hold.remove()
	var bare, full, stops []time.Duration
	rounds := 0
	for b.Loop() {
		dir, err := wholeClone(tmpl, acct)
		if err != nil {
			b.Fatal(err)
		}
		bare = append(bare, bareStart(b, tmpl, acct, dir.path))
		if err := dir.remove(); err != nil {
			b.Fatal(err)
		}
		start, stop := cloneStart(b, tmpl)
		full, stops = append(full, start), append(stops, stop)
		rounds++
	}
	ratio := ms(median(full)) / ms(median(bare))
	b.ReportMetric(ms(median(full)), "ms/start")
	b.ReportMetric(ms(median(bare)), "ms/bare")
	b.ReportMetric(ms(median(stops)), "ms/stop")
	b.ReportMetric(ratio, "ratio")
	if rounds >= 20 && ratio > startLimitRatio {
		b.Errorf("a start takes %.2f × the bare start, the limit is %.1f", ratio, startLimitRatio)
	}
}

func memoryOrDisk(tb testing.TB, acct account) string {
	if roomInMemory(memoryBase, 32<<20) {
		return memoryBase
	}
	base, err := diskBase(acct)
	if err != nil {
		tb.Fatal(err)
	}
	return base
}

// BenchmarkPool measures what a serial test waits for its cluster when it runs for a while itself.
func BenchmarkPool(b *testing.B) {
	p := NewPool(Config{Template: realTemplate(b)}, 2)
	defer func() {
		if err := p.Close(); err != nil {
			b.Error(err)
		}
	}()
	var waits []time.Duration
	for b.Loop() {
		began := time.Now()
		cl, err := p.Take(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		waits = append(waits, time.Since(began))
		conn := cl.TakeConn()
		if _, err := conn.Exec(b.Context(), "select pg_sleep(0.1)"); err != nil { // the test
			b.Fatal(err)
		}
		conn.Close(b.Context())
		if err := cl.Stop(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(ms(median(waits)), "ms/take")
	if len(waits) >= 10 && median(waits) > time.Millisecond {
		b.Errorf("the median wait is %s, the limit is 1ms", median(waits))
	}
}

// BenchmarkHundredClusters holds 100 clusters with a client each at once and reports their memory: the processes'
// proportional share and the files of each in memory.
func BenchmarkHundredClusters(b *testing.B) {
	const count = 100
	tmpl := realTemplate(b)
	for b.Loop() {
		clusters := make([]*Cluster, count)
		var wg sync.WaitGroup
		began := time.Now()
		for i := range clusters {
			wg.Go(func() {
				cl, err := Start(context.Background(), Config{Template: tmpl})
				if err != nil {
					b.Error(err)
					return
				}
				clusters[i] = cl
			})
		}
		wg.Wait()
		started := time.Since(began)
		var pss, files int64
		for _, cl := range clusters {
			if cl == nil {
				continue
			}
			if _, err := cl.TakeConn().Exec(context.Background(), "select count(*) from notes"); err != nil {
				b.Error(err)
			}
			for _, pid := range append(childrenOfThreads(cl.srv.pid), cl.srv.pid) {
				pss += footprint.Memory(pid)
			}
			files += footprint.Disk(cl.Dir())
		}
		b.ReportMetric(ms(started)/count, "ms/start")
		b.ReportMetric(float64(pss)/count/(1<<20), "MB-pss/cluster")
		b.ReportMetric(float64(files)/count/(1<<20), "MB-files/cluster")
		b.ReportMetric(float64(pss+files)/count/(1<<20), "MB/cluster")
		began = time.Now()
		errs := make([]error, count)
		for i, cl := range clusters {
			if cl != nil {
				wg.Go(func() { errs[i] = cl.Stop() })
			}
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			b.Error(err)
		}
		b.ReportMetric(ms(time.Since(began))/count, "ms/stop")
	}
}

// BenchmarkLoadTemplate measures what the first start in a process pays for a template that is in the cache.
func BenchmarkLoadTemplate(b *testing.B) {
	s := testSpec(b)
	if _, err := LoadTemplate(b.Context(), s); err != nil {
		b.Fatal(err)
	}
	cache := cmp.Or(s.CacheDir, DefaultCacheDir())
	for b.Loop() {
		forgetTemplates(cache)
		if _, err := LoadTemplate(b.Context(), s); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBuildTemplate measures the making of a template, once per content.
func BenchmarkBuildTemplate(b *testing.B) {
	s := testSpec(b)
	dir := publicTempDir(b)
	n := 0
	for b.Loop() {
		n++
		s.CacheDir = filepath.Join(dir, strconv.Itoa(n))
		if _, err := LoadTemplate(b.Context(), s); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDurableStart measures the start of a server on existing data.
func BenchmarkDurableStart(b *testing.B) {
	tmpl := testTemplate(b)
	dir := filepath.Join(publicTempDir(b), "data")
	cl, err := Start(b.Context(), Config{Template: tmpl, DataDir: dir})
	if err != nil {
		b.Fatal(err)
	}
	if err := cl.Stop(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		cl, err := Start(b.Context(), Config{Binaries: tmpl.bin, DataDir: dir})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := cl.Stop(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkClone measures the copy alone.
func BenchmarkClone(b *testing.B) {
	tmpl := realTemplate(b)
	acct, err := processAccount()
	if err != nil {
		b.Fatal(err)
	}
	hold, err := newRunDir(memoryOrDisk(b, acct), acct)
	if err != nil {
		b.Fatal(err)
	}
	defer hold.remove()
	for b.Loop() {
		dir, err := wholeClone(tmpl, acct)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := dir.remove(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func wholeClone(tmpl *Template, acct account) (*runDir, error) {
	base := memoryBase
	if !roomInMemory(base, tmpl.Size()) {
		var err error
		if base, err = diskBase(acct); err != nil {
			return nil, err
		}
	}
	c, err := beginClone(base, tmpl.image, acct)
	if err != nil {
		return nil, err
	}
	return c.dir, c.finish()
}
