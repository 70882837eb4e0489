//go:build unix

package pg

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// writers is how many goroutines write a clone. More than two did not help.
const writers = 2

// writeTo writes the image into a new directory root, with the ownership and permissions PostgreSQL insists on.
func (im *image) writeTo(root string, a account) error {
	uid, gid, change := a.fileOwner()
	fds := make([]int, 0, len(im.dirs)+1)
	defer func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}()
	openDir := func(path string) error {
		if err := unix.Mkdir(path, 0o700); err != nil {
			return &os.PathError{Op: "mkdir", Path: path, Err: err}
		}
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: path, Err: err}
		}
		fds = append(fds, fd)
		if change {
			if err := unix.Fchown(fd, uid, gid); err != nil {
				return &os.PathError{Op: "chown", Path: path, Err: err}
			}
		}
		return nil
	}
	if err := openDir(root); err != nil {
		return err
	}
	for _, d := range im.dirs {
		if err := openDir(filepath.Join(root, filepath.FromSlash(d))); err != nil {
			return err
		}
	}
	for _, l := range im.links {
		if err := os.Symlink(l.target, filepath.Join(root, filepath.FromSlash(l.name))); err != nil {
			return err
		}
	}
	var (
		next   atomic.Int64
		failed atomic.Bool
		errs   [writers]error
		wg     sync.WaitGroup
	)
	for w := range writers {
		wg.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= len(im.files) {
					return
				}
				f := im.files[i]
				if err := writeFileAt(fds[f.dir+1], f, im.whole, uid, gid, change); err != nil {
					errs[w] = fmt.Errorf("write %s: %w", im.pathOf(f), err)
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
