package pg

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"

	"github.com/klauspost/compress/zstd"
)

// bundleSkip names what a server never reads: static libraries, what extensions are compiled with, documentation, the
// C preprocessor's libraries, and languages whose interpreters are not in the tree.
var bundleSkip = regexp.MustCompile(`^(include|share/doc|share/man|doc|lib/pkgconfig|lib/postgresql/pgxs|lib/pgxs)(/|$)` +
	`|\.a$|^lib/lib(ecpg|ecpg_compat|pgtypes)\.` +
	`|^lib/postgresql/([a-z_]*(plperl|plpython|pltcl)[0-9u]*)\.` +
	`|^share/postgresql/extension/[a-z_]*(plperl|plpython|pltcl)[^/]*$` +
	`|^` + regexp.QuoteMeta(treeMarker) + `$`)

// WriteBundle writes the archive that the build tag embedpg builds into the program, and its description, into dir. The
// binaries are this platform's, and only ones that can be moved are taken: never an installation's.
func WriteBundle(ctx context.Context, o ResolveOptions, dir string) (*BundleMeta, error) {
	if o.Major == 0 {
		o.Major = DefaultMajor
	}
	if o.CacheDir == "" {
		o.CacheDir = DefaultCacheDir()
	}
	acct, err := processAccount()
	if err != nil {
		return nil, err
	}
	r := newResolver(o)
	r.acct, r.embedded = acct, nil
	r.installed = func(int) []string { return nil }
	b, err := r.resolve(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "postgres.tar.zst")
	sum, err := packTree(filepath.Dir(b.BinDir), data)
	if err != nil {
		return nil, err
	}
	meta := &BundleMeta{Version: b.Version, Major: b.Major, OS: runtime.GOOS, Arch: runtime.GOARCH, SHA256: sum}
	if err := r.tryBundle(ctx, data); err != nil {
		return nil, errors.Join(fmt.Errorf("the archive does not work: %w", err), os.Remove(data))
	}
	text, err := json.MarshalIndent(meta, "", "  ")
	if err != nil {
		return nil, err
	}
	return meta, os.WriteFile(filepath.Join(dir, "postgres.json"), append(text, '\n'), 0o644)
}

// tryBundle unpacks the archive and runs what is in it.
func (r *resolver) tryBundle(ctx context.Context, data string) error {
	f, err := os.Open(data)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	base, err := diskBase(r.acct)
	if err != nil {
		return err
	}
	dir, err := newRunDir(base, r.acct)
	if err != nil {
		return err
	}
	if err := os.Chmod(dir.path, 0o755); err != nil {
		return errors.Join(err, dir.remove())
	}
	tree := filepath.Join(dir.path, "pg")
	err = os.Mkdir(tree, 0o755)
	if err == nil {
		_, err = r.unpackChecked(ctx, f, info.Size(), tree, treeZstd)
	}
	return errors.Join(err, dir.remove())
}

// packTree writes a tree as tar.zst and returns the archive's sha256.
func packTree(root, dest string) (string, error) {
	f, err := os.Create(dest)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	enc, err := zstd.NewWriter(io.MultiWriter(f, h), zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(8<<20))
	if err != nil {
		return "", err
	}
	tw := tar.NewWriter(enc)
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil || rel == "." {
			return err
		}
		rel = filepath.ToSlash(rel)
		if bundleSkip.MatchString(rel) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return packEntry(tw, p, rel, d)
	})
	if err := errors.Join(err, tw.Close(), enc.Close(), f.Close()); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func packEntry(tw *tar.Writer, path, rel string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: rel, Mode: int64(info.Mode().Perm())}
	switch {
	case d.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, rel+"/"
		return tw.WriteHeader(h)
	case info.Mode()&fs.ModeSymlink != 0:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = os.Readlink(path); err != nil {
			return err
		}
		return tw.WriteHeader(h)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is neither a file, a directory nor a link", path)
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(tw, f)
	return err
}
