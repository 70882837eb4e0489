//go:build unix

package pg

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/klauspost/compress/zstd"
)

const (
	maxTemplates      = 16
	maxTemplatesBytes = 1 << 30
	maxTemplateBytes  = 8 << 30 // unpacked
)

// loadImage reads a template from the cache or builds it, one process at a time.
func loadImage(ctx context.Context, s TemplateSpec, key string) (*image, error) {
	dir := filepath.Join(s.CacheDir, "templates")
	if im := readStored(dir, key, s); im != nil {
		return im, nil
	}
	dir, lock, err := lockTemplate(ctx, s, key)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return buildUnstored(ctx, s, err)
	}
	defer func() { _ = lock.Close() }()
	if im := readStored(dir, key, s); im != nil { // another process has built it
		return im, nil
	}
	im, err := buildImage(ctx, s)
	if err != nil {
		return nil, err
	}
	base := im.cut(template1Dir)
	if err := storeBase(dir, key, base); err != nil {
		return keepForThisProcess(im, base, s, err)
	}
	mode := fs.FileMode(0o644)
	if s.Private {
		mode = 0o600
	}
	if err := store(dir, key, im, mode); err != nil {
		return keepForThisProcess(im, base, s, err)
	}
	evict(dir, key)
	return im, im.linkBase(basePath(dir, key))
}

// buildUnstored builds a template without a cache.
func buildUnstored(ctx context.Context, s TemplateSpec, cause error) (*image, error) {
	im, err := buildImage(ctx, s)
	if err != nil {
		return nil, err
	}
	return keepForThisProcess(im, im.cut(template1Dir), s, cause)
}

// keepForThisProcess is the way without a writable cache: nothing is lost but time.
func keepForThisProcess(im, base *image, s TemplateSpec, cause error) (*image, error) {
	s.Logger.Warn("the cache cannot be written, so the template is kept for this process only: set SUPARUST_CACHE_DIR to a writable directory", "cache", s.CacheDir, "error", cause)
	acct, err := processAccount()
	if err != nil {
		return nil, err
	}
	disk, err := diskBase(acct)
	if err != nil {
		return nil, err
	}
	dir, err := newRunDir(disk, acct)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir.path, "base")
	if err := base.writeTo(path, acct); err != nil {
		return nil, errors.Join(err, dir.remove())
	}
	return im, im.linkBase(path)
}

func lockTemplate(ctx context.Context, s TemplateSpec, key string) (string, *flock.Flock, error) {
	dir, err := makeCacheDir(s.CacheDir, "templates")
	if err != nil {
		return "", nil, err
	}
	lock := flock.New(filepath.Join(dir, key+".lock"))
	ok, err := lock.TryLock()
	if err == nil && !ok {
		s.Logger.Info("another process is building the template, waiting for it")
		_, err = lock.TryLockContext(ctx, 20*time.Millisecond)
	}
	if err != nil {
		return "", nil, errors.Join(err, lock.Close())
	}
	return dir, lock, nil
}

func storedNames(dir, key string) []string {
	names, err := filepath.Glob(filepath.Join(dir, key+"-*"+templateSuffix))
	if err != nil {
		return nil
	}
	return names
}

// readStored returns the stored template, or nil when there is none that is whole.
func readStored(dir, key string, s TemplateSpec) *image {
	for _, name := range storedNames(dir, key) {
		im, err := readStoredFile(name, key)
		if err == nil {
			err = im.linkBase(basePath(dir, key))
		}
		if err == nil {
			now := time.Now()
			_ = os.Chtimes(name, now, now) // what was used last is kept longest; a read-only cache has no such order
			return im
		}
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) { // another user's own
			continue
		}
		s.Logger.Warn("the cached template is damaged and is built again", "file", name, "error", err)
		_ = os.Remove(name)
	}
	return nil
}

func readStoredFile(name, key string) (*image, error) {
	packed, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(packed)
	want := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), key+"-"), templateSuffix)
	if hex.EncodeToString(sum[:16]) != want {
		return nil, ErrChecksum
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxTemplateBytes))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	plain, err := dec.DecodeAll(packed, nil)
	if err != nil {
		return nil, err
	}
	im, err := parseImage(plain)
	if err != nil {
		return nil, err
	}
	return im, im.complete()
}

// complete checks that the files without which no server starts are there.
func (im *image) complete() error {
	for _, name := range []string{"PG_VERSION", "global/pg_control", "pg_hba.conf", "postgresql.conf"} {
		if !im.has(name) {
			return fmt.Errorf("%w: %s is missing", errBadImage, name)
		}
	}
	return nil
}

// store writes the template beside its place and renames it there.
func store(dir, key string, im *image, mode fs.FileMode) error {
	var plain bytes.Buffer
	plain.Grow(int(im.bytes) + 1024*(len(im.files)+len(im.dirs)+2))
	if err := im.writeTar(&plain); err != nil {
		return err
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		return err
	}
	packed := enc.EncodeAll(plain.Bytes(), nil) // in one piece, so that the reader knows the size beforehand
	if err := enc.Close(); err != nil {
		return err
	}
	sum := sha256.Sum256(packed)
	f, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	defer f.Close()
	if _, err := f.Write(packed); err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, key+"-"+hex.EncodeToString(sum[:16])+templateSuffix))
}

// evict removes the templates that were not used for the longest time, beyond a number and a size, unless clusters of
// theirs live, and what dead processes left unfinished.
func evict(dir, keep string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	type stored struct {
		name string
		size int64
		used time.Time
	}
	var all []stored
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue
		}
		path := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), ".new-") && time.Since(info.ModTime()) > time.Hour:
			_ = os.RemoveAll(path)
		case strings.HasSuffix(e.Name(), ".lock") && time.Since(info.ModTime()) > 24*time.Hour:
			removeFreeLock(path)
		case strings.HasSuffix(e.Name(), templateSuffix) && !strings.HasPrefix(e.Name(), keep+"-"):
			all = append(all, stored{path, info.Size(), info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b stored) int { return cmp.Compare(b.used.UnixNano(), a.used.UnixNano()) })
	var total int64
	for i, t := range all {
		total += t.size
		if i+1 >= maxTemplates || total > maxTemplatesBytes {
			key, _, _ := strings.Cut(filepath.Base(t.name), "-")
			removeBase(basePath(dir, key), func() { _ = os.Remove(t.name) })
		}
	}
}

func removeFreeLock(path string) {
	lock := flock.New(path)
	if ok, err := lock.TryLock(); err == nil && ok {
		_ = os.Remove(path)
	}
	_ = lock.Close()
}
