//go:build unix

package server_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/suparust/suparust/internal/leaktest"
	"github.com/suparust/suparust/internal/proctest"
	"github.com/suparust/suparust/server/pg"
	"github.com/suparust/suparust/suparusttest"
)

// childEnv makes the test program a child of itself that does one thing.
const childEnv = "SUPARUST_SERVER_CHILD"

func TestMain(m *testing.M) {
	os.Exit(leaktest.Main(func() int { return suparusttest.Main(m) }))
}

// TestChild is what children run: "<what>:<directory>".
func TestChild(t *testing.T) {
	what, dir, _ := strings.Cut(os.Getenv(childEnv), ":")
	switch what {
	case "":
		t.Skip("runs only as a child of other tests")
	case "load":
		childWrites(t, dir)
	case "start":
		childStarts(t, dir)
	default:
		t.Fatalf("no child %q", what)
	}
}

func startChild(t *testing.T, what, dir string, attr *syscall.SysProcAttr) *proctest.Child {
	t.Helper()
	bin, err := pg.Resolve(t.Context(), pg.ResolveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return proctest.Start(t, proctest.Options{Attr: attr, Env: []string{
		childEnv + "=" + what + ":" + dir, "PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir,
		"SUPARUST_PG_BIN=" + bin.BinDir, "SUPARUST_CACHE_DIR=" + filepath.Join(dir, "cache"), "GOCOVERDIR=" + dir,
	}})
}

var publicTempDir = proctest.TempDir

// serversOn lists the PostgreSQL processes on a data directory below dir.
func serversOn(dir string) []int {
	var pids []int
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, l := range lines {
		b, err := os.ReadFile(l)
		if err != nil || !strings.Contains(string(b), "postgres\x00") || !strings.Contains(string(b), "\x00"+dir) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(l))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
