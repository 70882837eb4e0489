//go:build unix

package pg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// forgetTemplates empties this process's memory of a cache's templates, so that the cache on disk is what answers.
func forgetTemplates(cache string) {
	templatesMu.Lock()
	defer templatesMu.Unlock()
	gone := func(id string) bool { return strings.HasPrefix(id, cache+"\x00") }
	maps.DeleteFunc(templateCalls, func(id string, _ *templateCall) bool { return gone(id) })
	templateOrder = slices.DeleteFunc(templateOrder, gone)
}

// countedSpec is a template with a cache of its own that counts its builds.
func countedSpec(t *testing.T, cache string) (TemplateSpec, *int, *testLog) {
	t.Helper()
	s := testSpec(t)
	builds := 0
	logger, log := newTestLog(t)
	s.Key, s.CacheDir, s.Logger = "counted", cache, logger
	s.Build = func(ctx context.Context, dsn func(user, db string) string) error {
		builds++
		return buildTestSchema(ctx, dsn)
	}
	return s, &builds, log
}

func mustLoad(t *testing.T, s TemplateSpec) *Template {
	t.Helper()
	tmpl, err := LoadTemplate(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func useClone(t *testing.T, tmpl *Template) {
	t.Helper()
	cl, err := Start(t.Context(), Config{Template: tmpl})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cl.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if got := queryString(t, cl, "authenticator", "postgres", "select count(*)::text from notes"); got != "100" {
		t.Errorf("%s notes", got)
	}
	conn := connect(t, cl, superuser, "postgres")
	if _, err := conn.Exec(t.Context(), "create database another"); err != nil {
		t.Error(err)
	}
}

func TestTemplateCache(t *testing.T) {
	t.Parallel()
	cache := publicTempDir(t)
	s, builds, log := countedSpec(t, cache)
	stored := func(pattern string) string {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(cache, "templates", pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		return found[0]
	}
	want := func(n int) {
		t.Helper()
		if *builds != n {
			t.Fatalf("built %d times, want %d", *builds, n)
		}
	}

	first := mustLoad(t, s)
	want(1)
	if again := mustLoad(t, s); again != first {
		t.Error("the template in memory is not used")
	}
	forgetTemplates(cache)
	tmpl := mustLoad(t, s)
	want(1)
	if tmpl.Size() != first.Size() || tmpl.Key() != first.Key() {
		t.Errorf("%d bytes, then %d", first.Size(), tmpl.Size())
	}
	useClone(t, tmpl)
	if strings.Contains(log.String(), "level=WARN") {
		t.Error("a warning for nothing")
	}

	t.Run("damaged archive", func(t *testing.T) {
		name := stored("*.tar.zst")
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 0x10
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
		forgetTemplates(cache)
		useClone(t, mustLoad(t, s))
		want(2)
		if !strings.Contains(log.String(), "the cached template is damaged and is built again") {
			t.Error("the log does not tell")
		}
	})
	t.Run("archive cut off and template1 missing", func(t *testing.T) {
		name := stored("*.tar.zst")
		if err := os.Truncate(name, 1000); err != nil {
			t.Fatal(err)
		}
		if _, err := readStoredFile(name, s.fullKey()); !errors.Is(err, ErrChecksum) {
			t.Errorf("got %v", err)
		}
		if err := os.RemoveAll(stored("*.base")); err != nil {
			t.Fatal(err)
		}
		if err := first.image.linkBase(basePath(filepath.Dir(name), s.fullKey())); !errors.Is(err, errNoBase) {
			t.Errorf("got %v", err)
		}
		forgetTemplates(cache)
		useClone(t, mustLoad(t, s))
		want(3)
	})
	t.Run("another key, other binaries", func(t *testing.T) {
		other := s
		other.Key = "other"
		bin := *s.Binaries
		bin.ID = "other"
		third := s
		third.Binaries = &bin
		if k := s.fullKey(); k == other.fullKey() || k == third.fullKey() {
			t.Error("the same key")
		}
	})
}

// TestPrivateTemplate: others cannot read it.
func TestPrivateTemplate(t *testing.T) {
	t.Parallel()
	cache := publicTempDir(t)
	s, _, _ := countedSpec(t, cache)
	for private, want := range map[bool]os.FileMode{false: 0o644, true: 0o600} {
		s.Key, s.Private = fmt.Sprint("private ", private), private
		mustLoad(t, s)
		found, err := filepath.Glob(filepath.Join(cache, "templates", "*"+templateSuffix))
		if err != nil || len(found) != 1 {
			t.Fatalf("%v, %v", found, err)
		}
		info, err := os.Stat(found[0])
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("private %v: the template's mode is %v", private, info.Mode())
		}
		if err := os.Remove(found[0]); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTemplateBuildFails(t *testing.T) {
	t.Parallel()
	cache := publicTempDir(t)
	s, builds, _ := countedSpec(t, cache)
	good := s.Build
	s.Build = func(ctx context.Context, dsn func(user, db string) string) error {
		if err := good(ctx, dsn); err != nil {
			return err
		}
		if *builds == 1 {
			return errors.New("a migration is wrong")
		}
		return nil
	}
	_, err := LoadTemplate(t.Context(), s)
	wantError(t, err, "a migration is wrong")
	if names, err := filepath.Glob(filepath.Join(cache, "templates", "*.tar.zst")); err != nil || len(names) > 0 {
		t.Errorf("a failed build was kept: %v", names)
	}
	useClone(t, mustLoad(t, s)) // the failure is not remembered
}

func TestTemplateBuildCancelled(t *testing.T) {
	t.Parallel()
	s, _, _ := countedSpec(t, publicTempDir(t))
	ctx, cancel := context.WithCancel(t.Context())
	s.Build = func(ctx context.Context, dsn func(user, db string) string) error {
		cancel()
		return buildTestSchema(ctx, dsn)
	}
	if _, err := LoadTemplate(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestTemplateOneBuilder lets several callers and processes want the same template at once.
func TestTemplateOneBuilder(t *testing.T) {
	t.Parallel()
	home := publicTempDir(t)
	file := filepath.Join(home, "builds")
	a := startChild(t, "build:"+file, childOptions{dir: home})
	b := startChild(t, "build:"+file, childOptions{dir: home})
	if sizeA, sizeB := a.Line(t), b.Line(t); sizeA != sizeB {
		t.Errorf("%s and %s bytes", sizeA, sizeB)
	}
	if err := errors.Join(a.Cmd.Wait(), b.Cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	lines, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(lines), "\n"); n != 1 {
		t.Errorf("built by %d processes", n)
	}

	s, builds, _ := countedSpec(t, publicTempDir(t))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := LoadTemplate(t.Context(), s); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if *builds != 1 {
		t.Errorf("built %d times in one process", *builds)
	}
}

// TestTemplateReadOnlyCache builds for this process when nothing can be kept.
func TestTemplateReadOnlyCache(t *testing.T) {
	t.Parallel()
	s, builds, log := countedSpec(t, readOnlyDir(t))
	useClone(t, mustLoad(t, s))
	if *builds != 1 {
		t.Errorf("built %d times", *builds)
	}
	if !strings.Contains(log.String(), "SUPARUST_CACHE_DIR") {
		t.Error("the log does not tell")
	}
}

// TestTemplateWithoutLibrary makes the cluster with initdb itself, as it is where the library cannot work.
func TestTemplateWithoutLibrary(t *testing.T) {
	t.Parallel()
	s, _, _ := countedSpec(t, publicTempDir(t))
	accounts := map[string]func() (account, error){"own account": processAccount}
	if os.Geteuid() == 0 && probeAccount(mappedAccount()) == nil {
		accounts["user namespace"] = func() (account, error) { return mappedAccount(), nil }
	}
	for name, get := range accounts {
		t.Run(name, func(t *testing.T) {
			acct, err := get()
			if err != nil {
				t.Fatal(err)
			}
			base, err := diskBase(acct)
			if err != nil {
				t.Fatal(err)
			}
			dir, err := newRunDir(base, acct)
			if err != nil {
				t.Fatal(err)
			}
			b := &builder{bin: s.Binaries, acct: acct, dir: dir}
			if err := b.startDirectly(t.Context()); err != nil {
				t.Fatal(errors.Join(err, dir.remove()))
			}
			err = errors.Join(b.settle(t.Context()), buildTestSchema(t.Context(), b.dsn), b.finish(t.Context()), b.stop(), trimFiles(b.dataDir()))
			if err != nil {
				t.Error(err)
			}
			im, err := readImage(b.dataDir())
			if err == nil {
				err = im.complete()
			}
			if err = errors.Join(err, dir.remove()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEvict(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now()
	key := func(i int) string { return strings.Repeat(string(rune('a'+i)), 8) }
	for i := range 20 {
		name := filepath.Join(dir, key(i)+"-sum"+templateSuffix)
		if err := errors.Join(os.WriteFile(name, nil, 0o644), os.Mkdir(basePath(dir, key(i)), 0o755)); err != nil {
			t.Fatal(err)
		}
		used := now.Add(-time.Duration(i) * time.Minute)
		if err := os.Chtimes(name, used, used); err != nil {
			t.Fatal(err)
		}
	}
	old := now.Add(-48 * time.Hour)
	for _, name := range []string{".new-old", "x.lock"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o644), os.Chtimes(path, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	held := basePath(dir, key(17)) // as by a process whose clusters live
	if err := holdBase(held); err != nil {
		t.Fatal(err)
	}
	evict(dir, key(19)) // the oldest is the one just stored: it stays
	if !exists(held) || !exists(filepath.Join(dir, key(17)+"-sum"+templateSuffix)) {
		t.Error("a template is gone that clusters live of")
	}
	releaseBase(t, held)
	evict(dir, key(19))
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 2*maxTemplates {
		t.Errorf("%d files are left, want %d", len(left), 2*maxTemplates)
	}
	for i, want := range map[int]bool{0: true, maxTemplates - 2: true, maxTemplates - 1: false, 18: false, 19: true} {
		if exists(filepath.Join(dir, key(i)+"-sum"+templateSuffix)) != want || exists(basePath(dir, key(i))) != want {
			t.Errorf("template %d: kept is not %v", i, want)
		}
	}
}

// releaseBase does what the end of this process would.
func releaseBase(t *testing.T, path string) {
	t.Helper()
	heldBases.Lock()
	defer heldBases.Unlock()
	if err := heldBases.byPath[path].Close(); err != nil {
		t.Error(err)
	}
	delete(heldBases.byPath, path)
}

// TestEvictedBehindClusters makes a database in a cluster whose template many others have followed.
func TestEvictedBehindClusters(t *testing.T) {
	t.Parallel()
	s, _, _ := countedSpec(t, publicTempDir(t))
	cl, err := Start(t.Context(), Config{Template: mustLoad(t, s)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cl.Stop(); err != nil {
			t.Error(err)
		}
	}()
	dir, soon := filepath.Join(s.CacheDir, "templates"), time.Now().Add(time.Hour)
	for i := range maxTemplates {
		name := filepath.Join(dir, strings.Repeat(string(rune('a'+i)), 8)+"-sum"+templateSuffix)
		if err := errors.Join(os.WriteFile(name, nil, 0o644), os.Chtimes(name, soon, soon)); err != nil {
			t.Fatal(err)
		}
	}
	evict(dir, "another")
	execAll(t, cl, "create database other")
}

// TestFullMemory clones to the disk when the memory filesystem is full, whether that shows before or while it writes.
func TestFullMemory(t *testing.T) {
	tmpl := testTemplate(t)
	for name, options := range map[string]string{"too small": "size=32m", "full while writing": "size=256m,nr_inodes=200"} {
		t.Run(name, func(t *testing.T) {
			small := publicTempDir(t)
			mountTmpfs(t, small, options)
			old := memoryBase
			memoryBase = small
			defer func() { memoryBase = old }()
			if fits := roomInMemory(small, tmpl.Size()); fits != (name != "too small") {
				t.Fatalf("room: %v", fits)
			}
			cl, err := Start(t.Context(), Config{Template: tmpl})
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(cl.Dir(), small) {
				t.Error("it runs in the full filesystem")
			}
			if err := cl.Stop(); err != nil {
				t.Error(err)
			}
			if left, err := filepath.Glob(filepath.Join(small, "*")); err != nil || len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}
