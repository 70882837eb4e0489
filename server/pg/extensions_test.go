//go:build unix

package pg

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

func extensionSet(id, script string) Extensions {
	return Extensions{ID: id, Files: fstest.MapFS{
		"mine.control":       {Data: []byte("default_version = '1'\n")},
		"mine--1.sql":        {Data: []byte(script)},
		"pgcrypto.control":   {Data: []byte("not PostgreSQL's")},
		"pgcrypto--1.sql":    {Data: []byte("select 1")},
		"README":             {Data: []byte("not part of an extension")},
		"mine--1--2.sql":     {Data: []byte("select 2")},
		"mine--2.control":    {Data: []byte("requires = 'plpgsql'\n")},
		"other.sql":          {Data: []byte("select 3")},
		"two--words--1.sql.": {Data: []byte("select 4")},
	}}
}

// withCached puts a tree into the cache of w.
func (w *world) withCached(tb testing.TB) string {
	tb.Helper()
	w.embedded = embedTree(tb, fakeTree("17.9"), "mips")
	archive := filepath.Join(w.dir, "archive.tgz")
	if err := os.WriteFile(archive, npmArchive(tb, "17.9"), 0o600); err != nil {
		tb.Fatal(err)
	}
	acct, err := processAccount()
	if err != nil {
		tb.Fatal(err)
	}
	w.acct = acct
	b, err := w.placeFile(tb.Context(), archive, "", treeNpm)
	if err != nil {
		tb.Fatal(err)
	}
	w.embedded = nil
	return b.tree
}

func contentOf(tb testing.TB, path string) string {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		tb.Fatal(err)
	}
	return string(b)
}

// TestExtensions gives extensions to a tree of the cache and to none that is installed.
func TestExtensions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := w.withCached(t)
	plain := w.want(t, "cache", "17.9")
	w.Extensions = extensionSet("0123456789ab", "select 1")
	b := w.want(t, "cache", "17.9")
	if b.BinDir == plain.BinDir || b.ID == plain.ID || b.ID != plain.ID+"-0123456789ab" {
		t.Fatalf("with extensions %+v, without %+v", b, plain)
	}
	dir := filepath.Join(b.ShareDir, "extension")
	for name, want := range map[string]string{
		"mine.control": "default_version = '1'\n", "mine--1.sql": "select 1", "mine--1--2.sql": "select 2", "mine--2.control": "requires = 'plpgsql'\n",
		"pgcrypto.control": "x", "pgcrypto--1.sql": "", "README": "", "other.sql": "", "plpgsql.control": "x",
	} {
		if got := contentOf(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
	if got, err := os.Readlink(filepath.Join(filepath.Dir(b.BinDir), "lib/libx.so.5")); err != nil || got != "libx.so.5.1" {
		t.Errorf("the link is %q, %v", got, err)
	}
	if contentOf(t, filepath.Join(base, "share/postgresql/extension/mine.control")) != "" {
		t.Error("the tree that was unpacked has changed")
	}

	// the same files, the same tree; others, another one
	mark := filepath.Join(dir, "mark")
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if again := w.want(t, "cache", "17.9"); again.BinDir != b.BinDir || !exists(mark) {
		t.Errorf("the tree was made again: %s", again.BinDir)
	}
	w.Extensions = extensionSet("ba9876543210", "select 5")
	if other := w.want(t, "cache", "17.9"); contentOf(t, filepath.Join(other.ShareDir, "extension/mine--1.sql")) != "select 5" || contentOf(t, filepath.Join(dir, "mine--1.sql")) != "select 1" {
		t.Error("two sets of extensions share a tree")
	}

	// a tree that is not whole is made again
	if err := os.Remove(filepath.Join(filepath.Dir(b.BinDir), treeMarker)); err != nil {
		t.Fatal(err)
	}
	w.Extensions = extensionSet("0123456789ab", "select 1")
	if w.want(t, "cache", "17.9"); exists(mark) {
		t.Error("a tree without its mark was used")
	}

	if err := ClearCache(w.CacheDir); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(w.CacheDir, "pg")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left in the cache: %v %v", left, err)
	}
	w.have[17] = []string{writeTree(t, filepath.Join(w.dir, "sys17"), fakeTree("17.1"))}
	w.want(t, "installation", "17.1")
	w.BinDir = w.have[17][0]
	w.want(t, "explicit directory", "17.1")
	if contentOf(t, filepath.Join(w.dir, "sys17/share/postgresql/extension/mine.control")) != "" {
		t.Error("an installation was written to")
	}
}

// TestExtensionsAtOnce has several resolvers, as of several processes, make one tree.
func TestExtensionsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.withCached(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r := *w.resolver
			r.Extensions = extensionSet("0123456789ab", "select 1")
			b, err := r.resolve(t.Context())
			if err != nil {
				t.Error(err)
			} else if contentOf(t, filepath.Join(b.ShareDir, "extension/mine--1.sql")) != "select 1" {
				t.Error("the tree is not whole")
			}
		})
	}
	wg.Wait()
	left, err := os.ReadDir(filepath.Join(w.CacheDir, "pg"))
	if err != nil {
		t.Fatal(err)
	}
	trees := 0
	for _, e := range left {
		if strings.HasPrefix(e.Name(), ".new-") {
			t.Errorf("left in the cache: %s", e.Name())
		}
		if treeName.MatchString(e.Name()) {
			trees++
		}
	}
	if trees != 2 {
		t.Errorf("%d trees, want two", trees)
	}
}

// TestExtensionsWithoutCache makes a tree of this process's own where the cache cannot be written.
func TestExtensionsWithoutCache(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := w.withCached(t)
	w.Extensions = extensionSet("0123456789ab", "select 1")
	b, err := w.check(t.Context(), filepath.Join(base, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	b.ID, b.tree = "id", base
	moved, err := w.extendForThisProcess(b, errors.New("read-only"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(moved.tree)) })
	if strings.HasPrefix(moved.BinDir, w.CacheDir) || contentOf(t, filepath.Join(moved.ShareDir, "extension/mine--1.sql")) != "select 1" {
		t.Errorf("got %+v", moved)
	}
	if _, err := w.check(t.Context(), moved.BinDir); err != nil {
		t.Error(err)
	}
	if !strings.Contains(w.log.String(), "SUPARUST_CACHE_DIR") {
		t.Error("the log does not tell")
	}
}
