package pg

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// image is a data directory in memory, ready to be written out many times.
type image struct {
	dirs  []string // slash-separated, parents before children, without the root itself
	files []imageFile
	bytes int64
	links []imageLink
	whole bool // write every byte: without it zeros at a file's end become a hole
}

// imageLink is a directory of the image that is not in it: a clone has a symbolic link to one that all clones share and
// none of them writes to.
type imageLink struct {
	name   string // in the data directory
	target string // absolute path
}

type imageFile struct {
	dir  int // index into dirs, -1 for the root
	name string
	data []byte
}

// cacheFilePrefix begins the names of the files in which PostgreSQL keeps what it knows of its catalogs. Servers write
// and remove them at any time, also in a directory that clones share, and make them anew where they miss.
const cacheFilePrefix = "pg_internal.init"

// readImage reads a data directory from disk into memory.
func readImage(root string) (*image, error) {
	im := &image{}
	index := map[string]int{".": -1}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil || rel == "." {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case d.IsDir():
			index[rel] = len(im.dirs)
			im.dirs = append(im.dirs, rel)
		case strings.HasPrefix(path.Base(rel), cacheFilePrefix):
		case d.Type().IsRegular():
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			im.files = append(im.files, imageFile{dir: index[path.Dir(rel)], name: path.Base(rel), data: data})
			im.bytes += int64(len(data))
		default:
			return fmt.Errorf("%s is neither a file nor a directory: tablespaces are not supported in a template", rel)
		}
		return nil
	})
	return im, err
}

// writeTar writes the image as a tar stream.
func (im *image) writeTar(w io.Writer) error {
	tw := tar.NewWriter(w)
	for _, d := range im.dirs {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: d + "/", Mode: 0o700}); err != nil {
			return err
		}
	}
	for _, f := range im.files {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: im.pathOf(f), Mode: 0o600, Size: int64(len(f.data))}); err != nil {
			return err
		}
		if _, err := tw.Write(f.data); err != nil {
			return err
		}
	}
	return tw.Close()
}

func (im *image) pathOf(f imageFile) string {
	if f.dir < 0 {
		return f.name
	}
	return im.dirs[f.dir] + "/" + f.name
}

var errBadImage = errors.New("not a data directory's archive")

// parseImage reads a tar stream that is whole in memory; the files' contents stay slices of it.
func parseImage(b []byte) (*image, error) {
	im := &image{}
	index := map[string]int{".": -1}
	r := bytes.NewReader(b)
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errBadImage, err)
		}
		name := strings.TrimSuffix(h.Name, "/")
		if !fs.ValidPath(name) || name == "." {
			return nil, fmt.Errorf("%w: entry %q", errBadImage, h.Name)
		}
		dir, ok := index[path.Dir(name)]
		if !ok {
			return nil, fmt.Errorf("%w: entry %q before its directory", errBadImage, h.Name)
		}
		switch h.Typeflag {
		case tar.TypeDir:
			index[name] = len(im.dirs)
			im.dirs = append(im.dirs, name)
		case tar.TypeReg:
			at := int64(len(b)) - int64(r.Len())
			if h.Size < 0 || h.Size > int64(r.Len()) {
				return nil, fmt.Errorf("%w: entry %q is cut off", errBadImage, h.Name)
			}
			im.files = append(im.files, imageFile{dir: dir, name: path.Base(name), data: b[at : at+h.Size : at+h.Size]})
			im.bytes += h.Size
		default:
			return nil, fmt.Errorf("%w: entry %q has type %q", errBadImage, h.Name, h.Typeflag)
		}
	}
	if len(im.files) == 0 {
		return nil, fmt.Errorf("%w: it is empty", errBadImage)
	}
	return im, nil
}

// withLinksCopied returns the image with its links replaced by what they lead to, for a data directory that must stand
// by itself.
func (im *image) withLinksCopied() (*image, error) {
	full := &image{dirs: slices.Clone(im.dirs), files: slices.Clone(im.files), bytes: im.bytes, whole: true}
	for _, l := range im.links {
		sub, err := readImage(l.target)
		if err != nil {
			return nil, err
		}
		top := len(full.dirs)
		full.dirs = append(full.dirs, l.name)
		for _, d := range sub.dirs {
			full.dirs = append(full.dirs, l.name+"/"+d)
		}
		for _, f := range sub.files {
			f.dir = top + 1 + f.dir
			full.files = append(full.files, f)
		}
		full.bytes += sub.bytes
	}
	return full, nil
}

// cut takes a directory out of the image and returns it.
func (im *image) cut(name string) *image {
	out, rest := &image{}, &image{links: im.links}
	moved := make([]int, len(im.dirs))
	inside := make([]bool, len(im.dirs))
	for i, d := range im.dirs {
		sub, in := strings.CutPrefix(d, name+"/")
		switch {
		case d == name:
			inside[i], moved[i] = true, -1
		case in:
			inside[i], moved[i] = true, len(out.dirs)
			out.dirs = append(out.dirs, sub)
		default:
			moved[i] = len(rest.dirs)
			rest.dirs = append(rest.dirs, d)
		}
	}
	for _, f := range im.files {
		to := rest
		if f.dir >= 0 {
			if inside[f.dir] {
				to = out
			}
			f.dir = moved[f.dir]
		}
		to.files = append(to.files, f)
		to.bytes += int64(len(f.data))
	}
	*im = *rest
	return out
}

// has tells whether the image holds a file.
func (im *image) has(name string) bool {
	for _, f := range im.files {
		if im.pathOf(f) == name {
			return true
		}
	}
	return false
}
