//go:build unix

package server_test

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/suparust/suparust/server/pg"
)

// program builds the command line.
func program(b *testing.B, dir string) string {
	b.Helper()
	path := filepath.Join(dir, "suparust")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", path, "github.com/suparust/suparust/cmd/suparust").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return path
}

var urlLine = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// untilServed runs `suparust start` in dir until its health is answered, stops
// it, and returns how long the answer took from the execution on.
func untilServed(b *testing.B, program, dir, cache string) time.Duration {
	b.Helper()
	bin, err := pg.Resolve(b.Context(), pg.ResolveOptions{})
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), program, "start", "--port", "0")
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + os.TempDir(), "SUPARUST_BIND_ADDR=127.0.0.1",
		"SUPARUST_PG_BIN=" + bin.BinDir, "SUPARUST_CACHE_DIR=" + cache}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	var said strings.Builder
	cmd.Stderr = &said
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	var took time.Duration
	for lines := bufio.NewScanner(out); lines.Scan(); {
		url := urlLine.FindString(lines.Text())
		if url == "" || took > 0 {
			continue
		}
		res, err := http.Get(url + "/auth/v1/health")
		if err != nil {
			b.Error(err)
		} else {
			res.Body.Close()
		}
		took = time.Since(began)
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			b.Error(err)
		}
	}
	if err := cmd.Wait(); err != nil || took == 0 {
		b.Fatalf("it ended with %v after %s\n%s", err, took, &said)
	}
	return took
}

// benchDir is a directory that PostgreSQL's account can reach.
func benchDir(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "suparust-bench-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) }) // what is left of a benchmark hurts nobody
	return dir
}

// judge reports the median and fails above the limit.
func judge(b *testing.B, took []time.Duration, limit time.Duration) {
	b.Helper()
	median := slices.Sorted(slices.Values(took))[len(took)/2]
	b.ReportMetric(float64(median.Milliseconds()), "ms/serving")
	if len(took) >= 5 && median > limit {
		b.Errorf("the median is %s, the limit is %s", median, limit)
	}
}

// BenchmarkStartExisting measures `suparust start` on data that is there, from
// the execution to the first answer.
func BenchmarkStartExisting(b *testing.B) {
	dir := benchDir(b)
	suparust, cache := program(b, dir), filepath.Join(dir, "cache")
	untilServed(b, suparust, dir, cache)
	if _, err := os.Stat(filepath.Join(dir, "data", "postgres", "PG_VERSION")); err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	for b.Loop() {
		took = append(took, untilServed(b, suparust, dir, cache))
	}
	judge(b, took, 400*time.Millisecond)
}

// BenchmarkStartFirst measures the first `suparust start` ever: PostgreSQL's
// programs are at hand, nothing else.
func BenchmarkStartFirst(b *testing.B) {
	dir := benchDir(b)
	suparust := program(b, dir)
	var took []time.Duration
	for b.Loop() {
		fresh, err := os.MkdirTemp(dir, "first-")
		if err == nil {
			err = os.Chmod(fresh, 0o755)
		}
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, untilServed(b, suparust, fresh, filepath.Join(fresh, "cache")))
	}
	judge(b, took, 2*time.Second)
}
