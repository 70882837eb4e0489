//go:build unix

package pg

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// fill makes files in a cache.
func fill(t *testing.T, cache string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(cache, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// aTree is the name of a tree of binaries in the cache, of whatever platform.
const aTree = "pg/17.10-linux-amd64-0123456789ab"

func TestClearCache(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	ours := []string{aTree + "/bin/postgres", aTree + "/" + treeMarker, "pg/.lock", "pg/.fetch-17.lock", "pg/.new-1/x",
		"templates/k-s.tar.zst", "templates/k.base/PG_VERSION", "templates/k.lock", "templates/.new-2"}
	fill(t, cache, ours...)
	fill(t, cache, "photos/cat.jpg")
	if err := ClearCache(cache); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"pg", "templates"} {
		if exists(filepath.Join(cache, dir)) {
			t.Errorf("%s is still there", dir)
		}
	}
	if !exists(filepath.Join(cache, "photos/cat.jpg")) {
		t.Error("a file of somebody else is gone")
	}

	// what is not ours stays below pg and templates, too
	fill(t, cache, aTree+"/bin/postgres", "pg/notes.txt", "templates/k-s.tar.zst", "templates/my.sql")
	if err := ClearCache(cache); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{aTree: false, "pg/notes.txt": true, "templates/k-s.tar.zst": false, "templates/my.sql": true} {
		if exists(filepath.Join(cache, name)) != want {
			t.Errorf("%s: there %t, want %t", name, !want, want)
		}
	}
	if err := ClearCache(filepath.Join(cache, "none")); err != nil {
		t.Errorf("a cache that is not there: %v", err)
	}
}

func TestClearCacheInUse(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	fill(t, cache, aTree+"/"+treeMarker, "templates/k-s.tar.zst")
	program := filepath.Join(cache, aTree, "bin", "postgres")
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		t.Fatal(err)
	}
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(cat, program); err != nil {
		t.Fatal(err)
	}
	running := exec.Command(program)
	stdin, err := running.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	var inUse *CacheInUseError
	err = ClearCache(cache)
	if !errors.As(err, &inUse) || inUse.PID != running.Process.Pid {
		t.Errorf("a cache in use: %v, want PID %d", err, running.Process.Pid)
	}
	if !exists(filepath.Join(cache, aTree, treeMarker)) || !exists(filepath.Join(cache, "templates/k-s.tar.zst")) {
		t.Error("something of a cache in use was removed")
	}
	if err := errors.Join(stdin.Close(), running.Wait()); err != nil {
		t.Fatal(err)
	}
	if err := ClearCache(cache); err != nil || exists(filepath.Join(cache, "pg")) {
		t.Errorf("a cache no longer in use: %v", err)
	}
}
