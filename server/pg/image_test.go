package pg

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestImageLeavesCaches reads a directory in which a running server keeps its caches: they come and go, and are no part
// of the image.
func TestImageLeavesCaches(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"PG_VERSION", "pg_internal.init", "base/1/1259", "base/1/pg_internal.init.4711"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	im, err := readImage(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range im.files {
		names = append(names, im.pathOf(f))
	}
	slices.Sort(names)
	if want := []string{"PG_VERSION", "base/1/1259"}; !slices.Equal(names, want) {
		t.Errorf("the image has %v, want %v", names, want)
	}
}
