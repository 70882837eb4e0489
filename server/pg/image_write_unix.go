//go:build unix

package pg

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// writers is how many goroutines write at a time. More than two did not help.
const writers = 2

// lateDir is the directory of the database "postgres": most of a clone, and not read before the first connection. (Its
// number is fixed in PostgreSQL.) So a server can be started before it is written.
const lateDir = "base/5"

// imageWriter writes an image into a directory in two parts.
type imageWriter struct {
	im    *image
	root  string
	owner account
	fds   []int       // of the root and of every directory
	late  []imageFile // what is left for finish
}

// writeTo writes the image into a new directory root, with the ownership and permissions PostgreSQL insists on.
func (im *image) writeTo(root string, a account) error {
	w, err := im.begin(root, a)
	if err != nil {
		return err
	}
	return w.finish()
}

// begin makes the directories and writes what a starting server reads. finish must follow, whatever happens between.
func (im *image) begin(root string, a account) (*imageWriter, error) {
	w := &imageWriter{im: im, root: root, owner: a, fds: make([]int, 0, len(im.dirs)+1)}
	if err := w.makeDirs(); err != nil {
		w.close()
		return nil, err
	}
	late := -1
	for i, d := range im.dirs {
		if d == lateDir {
			late = i
		}
	}
	var early []imageFile
	for _, f := range im.files {
		switch {
		case f.dir < 0 || f.dir != late:
			early = append(early, f)
		case !im.whole && strings.HasSuffix(f.name, "_vm"):
			// a visibility map only saves work, and vacuum makes it anew: a clone does without
		default:
			w.late = append(w.late, f)
		}
	}
	if err := w.write(early); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// finish writes the rest.
func (w *imageWriter) finish() error {
	defer w.close()
	return w.write(w.late)
}

func (w *imageWriter) close() {
	for _, fd := range w.fds {
		_ = unix.Close(fd)
	}
	w.fds = nil
}

func (w *imageWriter) makeDirs() error {
	if err := w.makeDir(w.root); err != nil {
		return err
	}
	for _, d := range w.im.dirs {
		if err := w.makeDir(filepath.Join(w.root, filepath.FromSlash(d))); err != nil {
			return err
		}
	}
	for _, l := range w.im.links {
		if err := os.Symlink(l.target, filepath.Join(w.root, filepath.FromSlash(l.name))); err != nil {
			return err
		}
	}
	return nil
}

func (w *imageWriter) makeDir(path string) error {
	if err := unix.Mkdir(path, 0o700); err != nil {
		return &os.PathError{Op: "mkdir", Path: path, Err: err}
	}
	if err := w.openDir(path); err != nil {
		return err
	}
	if uid, gid, change := w.owner.fileOwner(); change {
		if err := unix.Fchown(w.fds[len(w.fds)-1], uid, gid); err != nil {
			return &os.PathError{Op: "chown", Path: path, Err: err}
		}
	}
	return nil
}

// openDir is makeDir of a directory that is there.
func (w *imageWriter) openDir(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	w.fds = append(w.fds, fd)
	return nil
}

func (w *imageWriter) write(files []imageFile) error {
	var (
		next   atomic.Int64
		failed atomic.Bool
		errs   [writers]error
		wg     sync.WaitGroup
	)
	uid, gid, change := w.owner.fileOwner()
	for n := range writers {
		wg.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= len(files) {
					return
				}
				f := files[i]
				if err := writeFileAt(w.fds[f.dir+1], f, w.im.whole, uid, gid, change); err != nil {
					errs[n] = fmt.Errorf("write %s: %w", w.im.pathOf(f), err)
					failed.Store(true)
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func writeFileAt(dir int, f imageFile, whole bool, uid, gid int, change bool) error {
	fd, err := unix.Openat(dir, f.name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	data := f.data
	if !whole {
		if data = withoutZeros(f.data); len(data) < len(f.data) {
			err = unix.Ftruncate(fd, int64(len(f.data)))
		}
	}
	for len(data) > 0 && err == nil {
		var n int
		n, err = unix.Write(fd, data)
		if err == unix.EINTR {
			err = nil
		}
		data = data[max(n, 0):]
	}
	if err == nil && change {
		err = unix.Fchown(fd, uid, gid)
	}
	if cerr := unix.Close(fd); err == nil {
		err = cerr
	}
	return err
}

// withoutZeros cuts off the zeros at the end, when that saves a page of memory.
func withoutZeros(b []byte) []byte {
	const page = 4096
	n := len(b)
	for n >= page && allZero(b[n-page:n]) {
		n -= page
	}
	return b[:n]
}

var zeroPage [4096]byte

func allZero(b []byte) bool { return bytes.Equal(b, zeroPage[:len(b)]) }
