//go:build unix

package server_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/suparust/suparust/server/pg"
	"github.com/suparust/suparust/suparusttest"
)

// childEnv makes the test program a child of itself that does one thing.
const childEnv = "SUPARUST_SERVER_CHILD"

func TestMain(m *testing.M) { os.Exit(suparusttest.Main(m)) }

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

// child is a running child; out reads what it reports, line by line.
type child struct {
	cmd *exec.Cmd
	out *bufio.Scanner
}

func startChild(t *testing.T, what, dir string, attr *syscall.SysProcAttr) *child {
	t.Helper()
	bin, err := pg.Resolve(t.Context(), pg.ResolveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	self := "/proc/self/exe" // the test program's own directory is closed to other users
	if _, err := os.Stat(self); err != nil {
		self = os.Args[0]
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	log := &bytes.Buffer{}
	cmd := exec.Command(self, "-test.run=^TestChild$")
	cmd.Dir = "/"
	cmd.Env = []string{childEnv + "=" + what + ":" + dir, "PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir,
		"SUPARUST_PG_BIN=" + bin.BinDir, "SUPARUST_CACHE_DIR=" + filepath.Join(dir, "cache"), "GOCOVERDIR=" + dir}
	cmd.SysProcAttr = attr
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{w}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		r.Close()
		if t.Failed() {
			t.Logf("the child said:\n%s", log)
		}
	})
	return &child{cmd: cmd, out: bufio.NewScanner(r)}
}

// publicTempDir is a temporary directory that PostgreSQL's account can reach;
// that of testing.TB is closed to it under root.
func publicTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "suparust-test-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

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
