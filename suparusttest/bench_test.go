//go:build unix

package suparusttest_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/server/pg"
	"github.com/suparust/suparust/server/pg/footprint"
	"github.com/suparust/suparust/suparusttest"
)

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// timed measures one call.
func timed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

// enough is how many rounds a limit is judged by.
const enough = 10

// BenchmarkStartSerial measures what a test waits for its server when it
// follows another that ran for a tenth of a second.
func BenchmarkStartSerial(b *testing.B) {
	closePools(b)
	b.Cleanup(func() { closePools(b) })
	suparusttest.Start(b) // the first has nothing ready
	var waits []time.Duration
	for b.Loop() {
		test(b, func(tb testing.TB) {
			var srv *suparusttest.Server
			waits = append(waits, timed(func() { srv = suparusttest.Start(tb) }))
			srv.Exec(tb, "select pg_sleep(0.1)") // the test
		})
	}
	b.ReportMetric(ms(median(waits)), "ms/p50")
	b.ReportMetric(ms(slices.Sorted(slices.Values(waits))[len(waits)*95/100]), "ms/p95")
	if len(waits) >= enough && median(waits) >= time.Millisecond {
		b.Errorf("the median wait is %s, the limit is 1ms", median(waits))
	}
}

// BenchmarkStartAlone measures Start without a database that was made ready,
// and in the same rounds the clone, start and first query of its PostgreSQL.
func BenchmarkStartAlone(b *testing.B) {
	cfg := server.DefaultConfig()
	cfg.Ephemeral()
	cfg.Auth.AnonymousSignIns = true
	tmpl, err := server.LoadTemplate(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { closePools(b) })
	var clusters, servers []time.Duration
	for b.Loop() {
		var cl *pg.Cluster
		clusters = append(clusters, timed(func() {
			if cl, err = pg.Start(b.Context(), pg.Config{Template: tmpl}); err != nil {
				b.Fatal(err)
			}
			conn := cl.TakeConn()
			if _, err := conn.Exec(b.Context(), "select 1"); err != nil {
				b.Fatal(err)
			}
			_ = conn.Close(b.Context())
		}))
		if err := cl.Stop(); err != nil {
			b.Fatal(err)
		}
		closePools(b)
		test(b, func(tb testing.TB) {
			servers = append(servers, timed(func() { suparusttest.Start(tb) }))
			closePools(b)
		})
	}
	b.ReportMetric(ms(median(servers)), "ms/start")
	b.ReportMetric(ms(median(clusters)), "ms/cluster")
	if over := median(servers) - median(clusters); len(servers) >= enough && over > 20*time.Millisecond {
		b.Errorf("Start takes %s more than its PostgreSQL, the limit is 20ms", over)
	}
}

// BenchmarkHundred holds 100 fixtures at once, each of which has answered all
// three APIs, and reports the memory of one: the proportional share of
// PostgreSQL's processes, the files of the cluster, and this process's part.
func BenchmarkHundred(b *testing.B) {
	const count = 100
	b.Cleanup(func() { closePools(b) })
	for b.Loop() {
		closePools(b)
		before := ownMemory()
		test(b, func(tb testing.TB) {
			servers := make([]*suparusttest.Server, count)
			var wg sync.WaitGroup
			took := timed(func() {
				for i := range servers {
					wg.Go(func() {
						s := suparusttest.Start(tb)
						for _, path := range []string{"/rest/v1/", "/auth/v1/health", "/storage/v1/bucket"} {
							s.ServiceClient().Get(tb, path).WantStatus(tb, 200)
						}
						servers[i] = s
					})
				}
				wg.Wait()
			})
			if tb.Failed() {
				return
			}
			var processes, files int64
			for _, s := range servers {
				processes += processesMemory(s.ClusterDir())
				files += footprint.Disk(s.ClusterDir())
			}
			own := ownMemory() - before
			b.ReportMetric(ms(took)/count, "ms/start")
			b.ReportMetric(megabytes(processes, count), "MB-postgres/fixture")
			b.ReportMetric(megabytes(files, count), "MB-files/fixture")
			b.ReportMetric(megabytes(own, count), "MB-server/fixture")
			total := megabytes(processes+files+own, count)
			b.ReportMetric(total, "MB/fixture")
			if total > 30 {
				b.Errorf("a fixture takes %.1f MB, the limit is 30: PostgreSQL %.1f, its files %.1f, the server %.1f", total,
					megabytes(processes, count), megabytes(files, count), megabytes(own, count))
			}
		})
	}
}

// test runs f as a test would be run: what it cleans up is done when test
// returns.
func test(b *testing.B, f func(tb testing.TB)) {
	b.Helper()
	tb := &cleaner{TB: b}
	defer tb.run()
	f(tb)
}

// cleaner is a testing.TB that cleans up when told and not when the benchmark
// ends.
type cleaner struct {
	testing.TB
	mu   sync.Mutex
	todo []func()
}

// Cleanup has f called by run.
func (c *cleaner) Cleanup(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.todo = append(c.todo, f)
}

func (c *cleaner) Context() context.Context { return context.Background() }

func (c *cleaner) run() {
	var wg sync.WaitGroup
	for _, f := range c.todo {
		wg.Go(f)
	}
	wg.Wait()
}

func closePools(tb testing.TB) {
	tb.Helper()
	if err := suparusttest.ClosePools(); err != nil {
		tb.Fatal(err)
	}
}

func megabytes(n, count int64) float64 { return float64(n) / float64(count) / (1 << 20) }

// ownMemory is this process's proportional share once it has collected its
// garbage.
func ownMemory() int64 {
	debug.FreeOSMemory()
	return footprint.Memory(os.Getpid())
}

// processesMemory is the proportional share of every process that belongs to
// a cluster: those of its postmaster's process group.
func processesMemory(dir string) int64 {
	b, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	leader, err := strconv.Atoi(line)
	if err != nil {
		return 0
	}
	total := footprint.Memory(leader)
	for _, pid := range childrenOf(leader) {
		total += footprint.Memory(pid)
	}
	return total
}

func childrenOf(parent int) []int {
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(parent) + "/task/*/children")
	var pids []int
	for _, t := range tasks {
		b, err := os.ReadFile(t)
		if err != nil {
			continue
		}
		for f := range strings.FieldsSeq(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
