package pg

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/xi2/xz"
)

// treeKind is a form in which a tree of binaries is packed.
type treeKind int

const (
	treeXZ   treeKind = iota // tar.xz with bin, lib and share at its top
	treeZstd                 // the same as tar.zst
	treeNpm                  // an npm package: tar.gz with the tree in package/native and its links in a list
)

// What an archive may hold. PostgreSQL is about 60 MB in 1,100 files.
const (
	maxTreeBytes   = 1 << 30
	maxTreeEntries = 50_000
	maxLinkList    = 1 << 20
)

var errHostile = errors.New("refused entry")

// unpackTree unpacks an archive into an existing empty directory and never writes outside it.
func unpackTree(ctx context.Context, archive io.Reader, dir string, kind treeKind) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	u := &unpacker{root: root}
	var plain io.Reader
	switch kind {
	case treeXZ:
		plain, err = xz.NewReader(archive, 64<<20)
	case treeNpm:
		u.prefix, u.linkList = "package/native/", "package/native/pg-symlinks.json"
		plain, err = gzip.NewReader(archive)
	case treeZstd:
		var zr *zstd.Decoder
		zr, err = zstd.NewReader(archive, zstd.WithDecoderMaxMemory(maxTreeBytes))
		if err == nil {
			defer zr.Close()
			plain = zr
		}
	}
	if err != nil {
		return err
	}
	return u.unpack(ctx, plain)
}

type unpacker struct {
	root     *os.Root
	prefix   string // what entries start with; others are skipped
	linkList string // entry that lists symbolic links
	bytes    int64
	entries  int
	links    []treeLink
}

// treeLink is a symbolic link as an npm package lists it: both paths are relative to the package.
type treeLink struct {
	Source string `json:"source"`
	Target string `json:"target"`
}

func (u *unpacker) unpack(ctx context.Context, r io.Reader) error {
	tr := tar.NewReader(r)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if u.entries++; u.entries > maxTreeEntries {
			return fmt.Errorf("%w: more than %d entries", errHostile, maxTreeEntries)
		}
		if err := u.entry(h, tr); err != nil {
			return err
		}
	}
	for _, l := range u.links {
		if err := u.listedLink(l); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacker) entry(h *tar.Header, r io.Reader) error {
	full := strings.TrimPrefix(strings.TrimSuffix(h.Name, "/"), "./")
	if full == "" || full == "." {
		return nil
	}
	if !fs.ValidPath(full) || strings.Contains(full, `\`) {
		return fmt.Errorf("%w: %q leaves the directory", errHostile, h.Name)
	}
	if u.linkList != "" && full == u.linkList {
		return u.readLinks(r)
	}
	name, ok := strings.CutPrefix(full, u.prefix)
	if !ok {
		return nil
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.mkdir(name)
	case tar.TypeReg:
		return u.file(name, h, r)
	case tar.TypeSymlink:
		return u.symlink(name, h.Linkname)
	case tar.TypeXGlobalHeader:
		return nil
	}
	return fmt.Errorf("%w: %q has type %q", errHostile, h.Name, h.Typeflag)
}

// mkdir makes a directory that every user may pass, whatever the umask says.
func (u *unpacker) mkdir(name string) error {
	if name == "." {
		return nil
	}
	if info, err := u.root.Lstat(name); err == nil {
		if info.IsDir() {
			return nil
		}
		return fmt.Errorf("%w: %q is a directory and something else", errHostile, name)
	}
	if err := u.mkdir(path.Dir(name)); err != nil {
		return err
	}
	if err := u.root.Mkdir(name, 0o755); err != nil {
		return err
	}
	return u.root.Chmod(name, 0o755)
}

func (u *unpacker) file(name string, h *tar.Header, r io.Reader) error {
	if u.bytes += h.Size; h.Size < 0 || u.bytes > maxTreeBytes {
		return fmt.Errorf("%w: more than %d MB", errHostile, maxTreeBytes>>20)
	}
	if err := u.mkdir(path.Dir(name)); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if h.Mode&0o111 != 0 || path.Dir(name) == "bin" {
		mode = 0o755
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, r, h.Size)
	return errors.Join(err, f.Chmod(mode), f.Close())
}

func (u *unpacker) symlink(name, target string) error {
	if !insideTree(name, target) {
		return fmt.Errorf("%w: the link %q leads out of the directory to %q", errHostile, name, target)
	}
	if err := u.mkdir(path.Dir(name)); err != nil {
		return err
	}
	return u.root.Symlink(filepath.FromSlash(target), name)
}

// insideTree tells whether a link at name to a relative target stays below the top.
func insideTree(name, target string) bool {
	if target == "" || path.IsAbs(target) || strings.Contains(target, `\`) {
		return false
	}
	return fs.ValidPath(path.Join(path.Dir(name), target))
}

func (u *unpacker) readLinks(r io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(r, maxLinkList+1))
	if err != nil {
		return err
	}
	if len(b) > maxLinkList {
		return fmt.Errorf("%w: the list of links is too long", errHostile)
	}
	if err := json.Unmarshal(b, &u.links); err != nil {
		return fmt.Errorf("the list of links cannot be read: %w", err)
	}
	if len(u.links) > maxTreeEntries {
		return fmt.Errorf("%w: too many links", errHostile)
	}
	return nil
}

// listedLink makes a link from the list: target is where it stands, source what it points to.
func (u *unpacker) listedLink(l treeLink) error {
	top := strings.TrimPrefix(u.prefix, "package/")
	name, ok1 := strings.CutPrefix(l.Target, top)
	source, ok2 := strings.CutPrefix(l.Source, top)
	if !ok1 || !ok2 || !fs.ValidPath(name) || !fs.ValidPath(source) || name == "." || strings.Contains(l.Target+l.Source, `\`) {
		return fmt.Errorf("%w: the listed link %q to %q", errHostile, l.Target, l.Source)
	}
	rel, err := filepath.Rel(path.Dir(name), source)
	if err != nil {
		return err
	}
	if info, err := u.root.Lstat(name); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil
	}
	return u.symlink(name, filepath.ToSlash(rel))
}
