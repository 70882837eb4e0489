package suparusttest_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// A named snapshot that is replaced is the old one or the new one at every
// moment, and a handle to one that is gone says so.
func TestReplacedSnapshot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := server.Config{SnapshotDir: dir}
	srv := suparusttest.Start(t, suparusttest.WithSQL(notesTable), suparusttest.WithConfig(func(c *server.Config) { c.SnapshotDir = dir }))
	old := srv.SaveSnapshot(t, "base")
	srv.Exec(t, "create table later (n int)")

	var wg sync.WaitGroup
	ended := make(chan struct{})
	wg.Go(func() {
		for {
			n, err := server.OpenSnapshot(cfg, "base")
			if err != nil {
				t.Errorf("while it is replaced: %v", err)
				return
			}
			if list, err := server.Snapshots(cfg); err != nil || len(list) != 1 || n.Name != "base" {
				t.Errorf("while it is replaced, the list is %v: %v", list, err)
				return
			}
			select {
			case <-ended:
				return
			default:
			}
		}
	})
	for range 10 {
		srv.SaveSnapshot(t, "base")
	}
	close(ended)
	wg.Wait()

	// a process died while it replaced it where that takes more than one step
	if err := os.Rename(filepath.Join(dir, "base"), filepath.Join(dir, ".old-base")); err != nil {
		t.Fatal(err)
	}
	if _, err := server.OpenSnapshot(cfg, "base"); err != nil {
		t.Errorf("what was set aside is not found: %v", err)
	}
	said := fatal(t, func(tb testing.TB) { srv.Restore(tb, old) })
	if !strings.Contains(said, "there is no snapshot") || !strings.Contains(said, "removed or replaced") {
		t.Errorf("a handle to the replaced one says %q", said)
	}
	want(t, "the table", rows(t, srv.ServiceClient(), "/rest/v1/later"), "[]")
	said = fatal(t, func(tb testing.TB) { srv.SaveSnapshot(tb, "Base") })
	if !strings.Contains(said, `there is a snapshot "base"`) {
		t.Errorf("a name that differs in case alone: %q", said)
	}
}

// Whoever finds a part of a snapshot's database is told, and not given a
// database of half of it.
func TestDamagedSnapshot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := suparusttest.Start(t, suparusttest.WithConfig(func(c *server.Config) { c.SnapshotDir = dir }))
	srv.SaveSnapshot(t, "base")
	data, err := filepath.Glob(filepath.Join(dir, "base", "database", "*.data"))
	if err != nil || len(data) != 1 {
		t.Fatal(data, err)
	}
	info, err := os.Stat(data[0])
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("its mode is %s", info.Mode())
	}
	if err := os.Truncate(data[0], info.Size()/2); err != nil {
		t.Fatal(err)
	}
	if _, err := server.OpenSnapshot(server.Config{SnapshotDir: dir}, "base"); err == nil || !strings.Contains(err.Error(), "is damaged: delete it and save it anew") {
		t.Error(err)
	}
	if err := server.DeleteSnapshot(server.Config{SnapshotDir: dir}, "base"); err != nil {
		t.Errorf("it cannot be deleted: %v", err)
	}
	if list, err := server.Snapshots(server.Config{SnapshotDir: dir}); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
}
