//go:build unix

package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// execLimit is what exec may add to the time of its command, with a template that is there.
const execLimit = 150 * time.Millisecond

// BenchmarkExec measures `suparust exec -- true` against `true` alone, with the binary as it is shipped.
func BenchmarkExec(b *testing.B) {
	dir := b.TempDir()
	program := filepath.Join(dir, "suparust")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", program, "github.com/suparust/suparust/cmd/suparust").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	run := func(name string, args ...string) time.Duration {
		cmd := exec.CommandContext(b.Context(), name, args...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stderr
		began := time.Now()
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	run(program, "exec", "--", "true") // makes the template where there is none
	var cost []time.Duration
	for b.Loop() {
		alone := run("true")
		cost = append(cost, run(program, "exec", "--", "true")-alone)
	}
	median := slices.Sorted(slices.Values(cost))[len(cost)/2]
	b.ReportMetric(float64(median.Microseconds())/1000, "ms/added")
	if len(cost) >= 5 && median > execLimit {
		b.Errorf("exec adds %s (median of %d), the limit is %s", median, len(cost), execLimit)
	}
}
