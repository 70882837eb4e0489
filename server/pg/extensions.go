package pg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Extensions are extensions written in SQL alone that a PostgreSQL is to have beside the ones it brings. Only trees that
// this package unpacked itself get them: an installation's directories are never written to.
type Extensions struct {
	// Files holds <name>.control and <name>--<version>.sql at its top.
	Files fs.FS
	// ID names the content of Files: 12 hexadecimal digits that change when it does.
	ID string
}

// extend gives b the extensions that were asked for. A tree in the cache stays as it was unpacked: beside it stands, for
// each set of extensions, a second one that shares its files, so that programs of two releases never see one another's.
func (r *resolver) extend(ctx context.Context, b *Binaries) (*Binaries, error) {
	if b.tree == "" || r.Extensions.ID == "" {
		return b, nil
	}
	if b.private { // nobody else runs from it
		if err := r.writeExtensions(b.ShareDir); err != nil {
			return nil, err
		}
		return b.movedTo(b.tree, r.Extensions.ID)
	}
	dest := b.tree + "-" + r.Extensions.ID
	if !isFile(filepath.Join(dest, treeMarker)) {
		if err := r.makeExtended(ctx, b, dest); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return r.extendForThisProcess(b, err)
		}
	}
	return b.movedTo(dest, r.Extensions.ID)
}

// movedTo is b in another tree, which holds the extensions of that id.
func (b *Binaries) movedTo(tree, id string) (*Binaries, error) {
	moved := *b
	for _, dir := range []*string{&moved.BinDir, &moved.ShareDir} {
		rel, err := filepath.Rel(b.tree, *dir)
		if err != nil {
			return nil, err
		}
		*dir = filepath.Join(tree, rel)
	}
	moved.tree, moved.ID = tree, b.ID+"-"+id
	return &moved, nil
}

// makeExtended makes the second tree under the lock of those who unpack, beside its place, and renames it there.
func (r *resolver) makeExtended(ctx context.Context, b *Binaries, dest string) error {
	parent := filepath.Dir(b.tree)
	if err := ownedByUs(r.CacheDir); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(parent, ".lock"))
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if isFile(filepath.Join(dest, treeMarker)) {
		return nil // another process was faster
	}
	tmp, err := os.MkdirTemp(parent, ".new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := r.copyExtended(ctx, b, tmp); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, treeMarker), nil, 0o644); err != nil {
		return err
	}
	if err := os.RemoveAll(dest); err != nil { // without its mark: not whole
		return err
	}
	return os.Rename(tmp, dest)
}

// extendForThisProcess makes the second tree in a run directory when the cache cannot be written.
func (r *resolver) extendForThisProcess(b *Binaries, cause error) (*Binaries, error) {
	base, err := diskBase(r.acct)
	if err != nil {
		return nil, err
	}
	dir, err := newRunDir(base, r.acct)
	if err != nil {
		return nil, err
	}
	tree := filepath.Join(dir.path, "pg")
	err = errors.Join(os.Chmod(dir.path, 0o755), os.Mkdir(tree, 0o755))
	if err == nil {
		err = r.copyExtended(context.Background(), b, tree)
	}
	if err != nil {
		return nil, errors.Join(err, dir.remove())
	}
	r.log.Warn("the cache cannot be written, so PostgreSQL is copied for this process only: set SUPARUST_CACHE_DIR to a writable directory", "cache", r.CacheDir, "error", cause)
	return b.movedTo(tree, r.Extensions.ID)
}

// copyExtended makes b's tree again in the empty directory dest and adds the extensions.
func (r *resolver) copyExtended(ctx context.Context, b *Binaries, dest string) error {
	if err := os.Chmod(dest, 0o755); err != nil {
		return err
	}
	if err := shareTree(ctx, b.tree, dest); err != nil {
		return fmt.Errorf("the tree of PostgreSQL %s cannot be copied: %w", b.Version, err)
	}
	rel, err := filepath.Rel(b.tree, b.ShareDir)
	if err != nil {
		return err
	}
	return r.writeExtensions(filepath.Join(dest, rel))
}

// shareTree makes the tree src again in dest: its files are linked where the filesystem can, else copied.
func shareTree(ctx context.Context, src, dest string) error {
	return filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil || rel == "." || rel == treeMarker {
			return err
		}
		to := filepath.Join(dest, rel)
		switch {
		case d.IsDir():
			return errors.Join(os.Mkdir(to, 0o755), os.Chmod(to, 0o755))
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(target, to)
		}
		if os.Link(path, to) == nil {
			return nil
		}
		return copyProgram(path, to)
	})
}

// copyProgram copies a file with its mode.
func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(info.Mode().Perm()), out.Close())
}

// writeExtensions writes the files among the ones that PostgreSQL finds. An extension that the tree brings itself, which
// may have code of its own, stays as it is.
func (r *resolver) writeExtensions(share string) error {
	entries, err := fs.ReadDir(r.Extensions.Files, ".")
	if err != nil {
		return err
	}
	dir := filepath.Join(share, "extension")
	brought := map[string]bool{}
	for _, e := range entries {
		name := extensionOf(e.Name())
		if name == "" {
			continue
		}
		if _, known := brought[name]; !known {
			brought[name] = exists(filepath.Join(dir, name+".control"))
		}
		if brought[name] {
			continue
		}
		content, err := fs.ReadFile(r.Extensions.Files, e.Name())
		if err != nil {
			return err
		}
		path := filepath.Join(dir, e.Name())
		if err := errors.Join(os.WriteFile(path, content, 0o644), os.Chmod(path, 0o644)); err != nil {
			return err
		}
	}
	return nil
}

// extensionOf is the extension that a file is part of, "" for other files.
func extensionOf(file string) string {
	if name, ok := strings.CutSuffix(file, ".control"); ok {
		name, _, _ = strings.Cut(name, "--") // of one version
		return name
	}
	if name, _, ok := strings.Cut(file, "--"); ok && strings.HasSuffix(file, ".sql") {
		return name
	}
	return ""
}
