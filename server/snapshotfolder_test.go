package server

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTakeName replaces a folder, on a file system that has two names change
// what they name in one step, and on one that has not.
func TestTakeName(t *testing.T) {
	able := exchange
	defer func() { exchange = able }()
	folder := func(t *testing.T, path, content string) string {
		t.Helper()
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "content"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, how := range map[string]func(a, b string) error{
		"exchanged": able,
		"set aside": func(string, string) error { return errors.ErrUnsupported },
	} {
		t.Run(name, func(t *testing.T) {
			exchange = how
			parent := t.TempDir()
			dir := filepath.Join(parent, "base")
			for _, content := range []string{"first", "second", "third"} {
				if content == "third" {
					folder(t, oldName(dir), "of a process that died")
				}
				if err := takeName(folder(t, filepath.Join(parent, snapshotPart+content), content), dir); err != nil {
					t.Fatal(err)
				}
				if got, err := os.ReadFile(filepath.Join(dir, "content")); err != nil || string(got) != content {
					t.Errorf("the folder holds %q: %v", got, err)
				}
			}
			if names, err := snapshotFolders(parent); err != nil || strings.Join(names, " ") != "base" {
				t.Error(names, err)
			}
			if err := removeFolder(dir); err != nil {
				t.Fatal(err)
			}
			if left, err := os.ReadDir(parent); err != nil || len(left) != 0 {
				t.Errorf("left over: %v %v", left, err)
			}
		})
	}
}

// TestSweepFolders sweeps a directory whose name is a pattern.
func TestSweepFolders(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a[b]*")
	young := filepath.Join(dir, snapshotPart+"young")
	if err := os.MkdirAll(young, 0o700); err != nil {
		t.Fatal(err)
	}
	old := func(part string) string {
		t.Helper()
		past := time.Now().Add(-2 * unlockedFolder)
		if err := os.Chtimes(part, past, past); err != nil {
			t.Fatal(err)
		}
		return part
	}
	c := &Config{SnapshotDir: dir}
	var made [2]*newFolder
	for i := range made {
		var err error
		if made[i], err = c.newFolder("base"); err != nil {
			t.Fatal(err)
		}
		old(made[i].part)
	}
	if err := made[0].lock.Close(); err != nil { // as the end of its process does
		t.Fatal(err)
	}
	unlocked := filepath.Join(dir, snapshotPart+"unlocked")
	if err := os.Mkdir(unlocked, 0o700); err != nil {
		t.Fatal(err)
	}
	old(unlocked)
	named := filepath.Join(dir, "named")
	if err := os.Mkdir(named, 0o700); err != nil {
		t.Fatal(err)
	}
	old(named)
	sweepFolders(dir)
	for path, want := range map[string]bool{young: true, made[0].part: false, made[1].part: true, unlocked: false, named: true} {
		if exists(t, path) != want {
			t.Errorf("%s is there: %t", filepath.Base(path), !want)
		}
	}
	if err := made[1].abandon(); err != nil || exists(t, made[1].part) {
		t.Error("one that was abandoned is still there", err)
	}
}

func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	return err == nil
}
