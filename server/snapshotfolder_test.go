package server

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	part := filepath.Join(dir, snapshotPart+"1")
	if err := os.MkdirAll(part, 0o700); err != nil {
		t.Fatal(err)
	}
	if sweepFolders(dir); !exists(t, part) {
		t.Error("one that is just being made is gone")
	}
	info, err := os.Stat(part)
	if err != nil {
		t.Fatal(err)
	}
	past := info.ModTime().Add(-2 * abandonedFolder)
	if err := os.Chtimes(part, past, past); err != nil {
		t.Fatal(err)
	}
	if sweepFolders(dir); exists(t, part) {
		t.Error("one that nobody has made for two days is still there")
	}
}

func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	return err == nil
}
