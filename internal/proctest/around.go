package proctest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TempDir is a temporary directory that every user can reach, as the one that
// PostgreSQL runs under must; that of testing.TB is closed to them under root.
func TempDir(tb testing.TB) string {
	tb.Helper()
	return TempDirIn(tb, "")
}

// TempDirIn is TempDir below another directory than the system's, unless that is
// "". No part of the path is a link.
func TempDirIn(tb testing.TB, base string) string {
	tb.Helper()
	dir, err := os.MkdirTemp(base, "suparust-test-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// Eventually waits for a condition and fails with its last reason.
func Eventually(tb testing.TB, limit time.Duration, condition func() error) {
	tb.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			tb.Fatal(err)
		}
	}
}

// Mentioning lists the processes, but for this one, whose command line mentions a
// path.
func Mentioning(path string) []string {
	var found []string
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err == nil && strings.Contains(string(line), path) && filepath.Dir(f) != "/proc/"+strconv.Itoa(os.Getpid()) {
			found = append(found, filepath.Dir(f)+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}
