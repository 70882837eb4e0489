package pg

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// ErrChecksum says that an archive is not the one that was asked for.
var ErrChecksum = errors.New("the checksum is wrong")

// placeFile verifies an archive, unpacks it beside its place in the cache and renames it there. Two processes that do it
// at once do it once. integrity is "sha512-<base64>", or "" for an archive whose origin has verified it.
func (r *resolver) placeFile(ctx context.Context, archive, integrity string, kind treeKind) (*Binaries, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	id, err := digest(f, integrity)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return r.place(ctx, f, info.Size(), id, kind)
}

// digest returns the first 12 hexadecimal digits of the content's hash, after comparing it with the wanted one.
func digest(f io.Reader, integrity string) (string, error) {
	var h hash.Hash = sha256.New()
	if integrity != "" {
		h = sha512.New()
	}
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	sum := h.Sum(nil)
	if integrity == "" {
		return hex.EncodeToString(sum[:6]), nil
	}
	want, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(integrity, "sha512-"))
	if err != nil {
		return "", err
	}
	if !bytes.Equal(sum, want) {
		return "", fmt.Errorf("%w: the archive has sha512 %x…, expected %x…; it was thrown away", ErrChecksum, sum[:6], want[:min(6, len(want))])
	}
	return hex.EncodeToString(sum[:6]), nil
}

// place unpacks an archive into the cache under its id.
func (r *resolver) place(ctx context.Context, archive io.Reader, size int64, id string, kind treeKind) (*Binaries, error) {
	parent, err := makeCacheDir(r.CacheDir, "pg")
	if err == nil {
		lock := flock.New(filepath.Join(parent, ".lock"))
		if _, err = lock.TryLockContext(ctx, 50*time.Millisecond); err == nil {
			defer func() { _ = lock.Close() }()
		} else if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if err != nil {
		return r.placeForThisProcess(ctx, archive, size, id, kind, err)
	}
	// we hold the lock: whatever is unfinished was left by somebody who died
	if stale, err := filepath.Glob(filepath.Join(parent, ".new-*")); err == nil {
		for _, s := range stale {
			_ = os.RemoveAll(s)
		}
	}
	for _, t := range cachedTrees(r.CacheDir, r.Major) {
		if t.id != id {
			continue
		}
		if b, err := r.check(ctx, filepath.Join(t.path, "bin")); err == nil {
			b.ID, b.tree = id, t.path
			return b, nil // another process was faster
		}
	}
	tmp, err := os.MkdirTemp(parent, ".new-")
	if err != nil {
		return r.placeForThisProcess(ctx, archive, size, id, kind, err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	b, err := r.unpackChecked(ctx, archive, size, tmp, kind)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(tmp, treeMarker), nil, 0o644); err != nil {
		return nil, err
	}
	dest := filepath.Join(parent, treeDirName(b.Version, id))
	if exists(dest) { // present but refused: replace it
		old, err := os.MkdirTemp(parent, ".new-")
		if err == nil {
			err = moveAside(dest, old)
			defer func() { _ = os.RemoveAll(old) }()
		}
		if err != nil {
			return nil, err
		}
	}
	if err := os.Rename(tmp, dest); err != nil {
		return nil, err
	}
	b.BinDir = filepath.Join(dest, "bin")
	if b.ShareDir, err = shareDir(ctx, b.BinDir, b.Major); err != nil {
		return nil, err
	}
	b.ID, b.tree = id, dest
	return b, nil
}

// moveAside moves a tree into the directory old, and with it the ones that share its files.
func moveAside(tree, old string) error {
	trees, err := filepath.Glob(tree + "-*")
	if err != nil {
		return err
	}
	for _, path := range append(trees, tree) {
		if err := os.Rename(path, filepath.Join(old, filepath.Base(path))); err != nil {
			return err
		}
	}
	return nil
}

// placeForThisProcess unpacks into a run directory when the cache cannot be written: slower next time, but it works.
func (r *resolver) placeForThisProcess(ctx context.Context, archive io.Reader, size int64, id string, kind treeKind, cause error) (*Binaries, error) {
	base, err := diskBase(r.acct)
	if err != nil {
		return nil, err
	}
	dir, err := newRunDir(base, r.acct)
	if err != nil {
		return nil, err
	}
	tmp := filepath.Join(dir.path, "pg")
	if err := errors.Join(os.Chmod(dir.path, 0o755), os.Mkdir(tmp, 0o755)); err != nil {
		return nil, errors.Join(err, dir.remove())
	}
	b, err := r.unpackChecked(ctx, archive, size, tmp, kind)
	if err != nil {
		return nil, errors.Join(err, dir.remove())
	}
	b.ID, b.tree, b.private = id, tmp, true
	r.log.Warn("the cache cannot be written, so PostgreSQL is unpacked for this process only: set SUPARUST_CACHE_DIR to a writable directory", "cache", r.CacheDir, "error", cause)
	return b, nil
}

// unpackChecked unpacks into dir and refuses what does not work.
func (r *resolver) unpackChecked(ctx context.Context, archive io.Reader, size int64, dir string, kind treeKind) (*Binaries, error) {
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	bar := startBar(r.Progress, size, "unpacking PostgreSQL")
	err := unpackTree(ctx, bar.reader(archive), dir, kind)
	bar.Stop()
	if err != nil {
		return nil, fmt.Errorf("the archive cannot be unpacked: %w", err)
	}
	b, err := r.check(ctx, filepath.Join(dir, "bin"))
	if err != nil {
		return nil, err
	}
	if b.Major != r.Major {
		return nil, fmt.Errorf("the archive holds PostgreSQL %s instead of %d", b.Version, r.Major)
	}
	return b, nil
}
