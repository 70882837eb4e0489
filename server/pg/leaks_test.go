//go:build unix

package pg

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/suparust/suparust/internal/proctest"
)

// openFiles lists what this process has open, but for what has no name and what the runtime opens when it likes.
func openFiles(tb testing.TB) []string {
	tb.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Skipf("open files cannot be seen here: %v", err)
	}
	var names []string
	for _, fd := range fds {
		if name, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestNothingStaysOpen starts, fails to start, saves, restores and stops in every way, and counts files, directories,
// processes and clones' directories. It runs alone.
func TestNothingStaysOpen(t *testing.T) {
	template := testTemplate(t)
	saved := filepath.Join(publicTempDir(t), "saved")
	kept := filepath.Join(publicTempDir(t), "data")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	fails := func(ctx context.Context, c Config) {
		t.Helper()
		if cl, err := Start(ctx, c); err == nil {
			t.Error("it started", cl.Stop())
		}
	}
	stops := func(cl *Cluster) {
		t.Helper()
		if err := cl.Stop(); err != nil {
			t.Error(err)
		}
	}
	round := func() {
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		damaged := &Snapshot{dir: "/nonexistent", info: snapshotInfo{Major: template.bin.Major}}
		for _, c := range []Config{{}, {DataDir: kept}} {
			c.Template = template
			cl, err := Start(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			s, err := cl.Snapshot(t.Context(), SnapshotOptions{Dir: saved})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := cl.Snapshot(t.Context(), SnapshotOptions{Dir: saved}); err == nil {
				t.Error("a snapshot was overwritten")
			}
			if err := errors.Join(cl.Restore(t.Context(), s, nil), cl.Restore(t.Context(), s, nil)); err != nil {
				t.Error(err)
			}
			if cl.Restore(t.Context(), damaged, nil) == nil || cl.Restore(gone, s, nil) == nil {
				t.Error("what cannot be was restored")
			}
			if err := s.Remove(); err != nil {
				t.Error(err)
			}
			if c.DataDir != "" {
				fails(t.Context(), c) // it is in use
			}
			stops(cl)
			stops(cl)
			fails(gone, c)
			c.Port = taken.Addr().(*net.TCPAddr).Port
			fails(t.Context(), c)
			c.Port, c.FirstUser = 0, "who"
			fails(t.Context(), c)
			c.FirstUser, c.Settings = "", map[string]string{"work_mem": "plenty"}
			fails(t.Context(), c)
		}
		fails(t.Context(), Config{Snapshot: damaged, Binaries: template.bin})
		killed, err := Start(t.Context(), Config{Template: template})
		if err != nil {
			t.Fatal(err)
		}
		if err := killed.current().cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-killed.Exited()
		stops(killed)
	}
	round() // what is opened once
	rootsMu.Lock()
	before := len(roots)
	rootsMu.Unlock()
	files := openFiles(t)
	round()
	if now := openFiles(t); len(now) > len(files) {
		t.Errorf("%d files were open and %d are:\n%v\n%v", len(files), len(now), files, now)
	}
	rootsMu.Lock()
	defer rootsMu.Unlock()
	if len(roots) > before {
		t.Errorf("%d run roots were there and %d are", before, len(roots))
	}
	for _, r := range roots {
		if left := proctest.Mentioning(r.path); r.used == 0 || len(left) > 0 {
			t.Errorf("%s is left: %v", r.path, left)
		}
	}
}
