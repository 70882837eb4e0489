package suparusttest_test

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/suparust/suparust/server/pg/footprint"
	"github.com/suparust/suparust/suparusttest"
)

// manyTests is how many tests a crowd has, manyAtOnce how many of them run at
// once; the environment has more at once.
const manyTests, manyAtOnce = 200, 24

// childMany runs many tests in parallel, each with a server that answers every
// API, and reports where they were and how many were up at once.
func childMany(t *testing.T) {
	var (
		mu   sync.Mutex
		r    childReport
		up   atomic.Int64
		most int64
		full = make(chan struct{}) // closed when as many are up as may be
		all  = sync.OnceFunc(func() { close(full) })
	)
	atOnce, err := strconv.ParseInt(flag.Lookup("test.parallel").Value.String(), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("tests", func(t *testing.T) {
		for i := range manyTests {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				s := suparusttest.Start(t)
				now := up.Add(1)
				defer up.Add(-1)
				for _, path := range []string{"/rest/v1/", "/auth/v1/health", "/storage/v1/bucket"} {
					s.ServiceClient().Get(t, path).WantStatus(t, http.StatusOK)
				}
				if now == atOnce {
					all()
				}
				select {
				case <-full:
				case <-time.After(2 * time.Minute):
					t.Error("the others are not up")
				}
				mu.Lock()
				defer mu.Unlock()
				r.Dirs = append(r.Dirs, s.ClusterDir())
				most = max(most, now)
			})
		}
	})
	r.Error = strconv.FormatInt(most, 10)
	tell(t, r)
}

// TestMany has a crowd of tests on few processors: all of them start, and their
// memory is bounded by how many run at once.
func TestMany(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts 200 servers")
	}
	atOnce := manyAtOnce
	if n, err := strconv.Atoi(os.Getenv("SUPARUST_TEST_AT_ONCE")); err == nil {
		atOnce = n
	}
	home := homeFor(t, nil)
	c := startChild(t, "many", childOptions{dir: home, args: []string{"-test.parallel=" + strconv.Itoa(atOnce), "-test.timeout=5m"}})
	ended := make(chan struct{})
	var peak, clusters int64
	var watch sync.WaitGroup
	watch.Go(func() { // samples until the child has reported
		often := time.NewTicker(2 * time.Second)
		defer often.Stop()
		for {
			select {
			case <-ended:
				return
			case <-often.C:
			}
			memory, n := treeMemory(c.Cmd.Process.Pid)
			peak, clusters = max(peak, memory), max(clusters, n)
		}
	})
	r := c.report(t)
	close(ended)
	watch.Wait()
	if len(r.Dirs) != manyTests {
		t.Errorf("%d of %d tests have passed", len(r.Dirs), manyTests)
	}
	t.Logf("%s servers were up at once, %d PostgreSQLs; %.0f MB at the most", r.Error, clusters, float64(peak)/(1<<20))
	if limit := int64(atOnce) + 16; clusters > limit { // those made ready, and those that end
		t.Errorf("%d PostgreSQLs ran at once, the limit is %d", clusters, limit)
	}
	if limit := int64(atOnce+16) * 40 << 20; peak > limit {
		t.Errorf("they took %d MB, the limit is %d", peak>>20, limit>>20)
	}
	left := &remains{}
	for _, dir := range r.Dirs {
		if _, err := os.Lstat(dir); err == nil {
			t.Errorf("left: the directory %s", dir)
		}
		if root := filepath.Dir(dir); len(left.roots) == 0 {
			left.roots = append(left.roots, root)
		}
	}
	c.Proceed(t)
	if err := c.Cmd.Wait(); err != nil {
		t.Errorf("the child has failed: %v", err)
	}
	eventually(t, patience, left.check)
}

// treeMemory is the memory of a process with all below it and of the files of
// its databases, and how many PostgreSQLs are among them.
func treeMemory(pid int) (total, clusters int64) {
	total = footprint.Memory(pid)
	for _, child := range childrenOf(pid) {
		memory, _ := treeMemory(child)
		total += memory
		args, _ := os.ReadFile("/proc/" + strconv.Itoa(child) + "/cmdline")
		if _, rest, ok := strings.Cut(string(args), "\x00-D\x00"); ok {
			clusters++
			dir, _, _ := strings.Cut(rest, "\x00")
			total += footprint.Disk(dir)
		}
	}
	return total, clusters
}
