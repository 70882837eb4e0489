//go:build unix

package pg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A snapshot keeps all files in one: a disk makes one large file in a fraction of the time that it takes for a thousand
// small ones. Each begins at a multiple of a block, so that file systems that can share blocks need not copy.
const archiveAlign = 4096

// archiveWriter puts trees of files into an archive.
type archiveWriter struct {
	fd    int
	end   atomic.Int64
	mu    sync.Mutex
	dirs  []string // parents before children
	files []archiveFile
}

func newArchive(path string) (*archiveWriter, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "create", Path: path, Err: err}
	}
	return &archiveWriter{fd: fd}, nil
}

// close ends the archive, which may end with a hole.
func (w *archiveWriter) close() error {
	return errors.Join(unix.Ftruncate(w.fd, w.end.Load()), unix.Close(w.fd))
}

// fileTree is what is put into an archive.
type fileTree struct {
	root string
	as   string // a name before every name, "" for none
	// keep tells which files and directories are taken, by their slash-separated names; nil takes all.
	keep func(name string, d fs.DirEntry) bool
	// link is told of a symbolic link, which is not taken; nil refuses them.
	link func(name, target string) error

	dirs, files []string
}

// errForeignFile says that a data directory holds what is neither a file nor a directory.
var errForeignFile = errors.New("is neither a file nor a directory: tablespaces and a write-ahead log elsewhere are not supported in a snapshot")

func (t *fileTree) list(dir string) error {
	entries, err := readDirUnsorted(filepath.Join(t.root, filepath.FromSlash(dir)))
	if err != nil {
		return err
	}
	t.dirs = append(t.dirs, dir)
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if t.keep != nil && !t.keep(name, e) {
			continue
		}
		switch {
		case e.IsDir():
			if err := t.list(name); err != nil {
				return err
			}
		case e.Type().IsRegular():
			t.files = append(t.files, name)
		case e.Type() == fs.ModeSymlink && t.link != nil:
			target, err := os.Readlink(filepath.Join(t.root, filepath.FromSlash(name)))
			if err == nil {
				err = t.link(name, target)
			}
			if err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s %w", name, errForeignFile)
		}
	}
	return nil
}

func readDirUnsorted(dir string) ([]fs.DirEntry, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	entries, err := f.ReadDir(-1)
	return entries, errors.Join(err, f.Close())
}

// add takes what list has found. Nobody may write to it meanwhile.
func (w *archiveWriter) add(ctx context.Context, t *fileTree) error {
	for _, d := range t.dirs {
		w.dirs = append(w.dirs, path.Join(t.as, d))
	}
	return inParallel(ctx, len(t.files), func(i int, buf []byte) error {
		f, err := w.addFile(filepath.Join(t.root, filepath.FromSlash(t.files[i])), buf)
		if err != nil {
			return fmt.Errorf("copy %s: %w", t.files[i], err)
		}
		f.Name = path.Join(t.as, t.files[i])
		w.mu.Lock()
		defer w.mu.Unlock()
		w.files = append(w.files, f)
		return nil
	})
}

func (w *archiveWriter) addFile(name string, buf []byte) (f archiveFile, err error) {
	src, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return f, err
	}
	defer unix.Close(src)
	var st unix.Stat_t
	if err := unix.Fstat(src, &st); err != nil {
		return f, err
	}
	f.Size = st.Size
	room := (f.Size + archiveAlign - 1) / archiveAlign * archiveAlign
	f.At = w.end.Add(room) - room
	_, err = copyRange(w.fd, f.At, src, 0, f.Size, buf)
	return f, err
}

const copyBuffer = 256 << 10

var errShorter = errors.New("the file is shorter than it was")

// copyRange copies bytes between files, without moving them where the file systems can. Zeros at the end of what it
// reads at a time are left to be a hole. end is up to where dst was written.
func copyRange(dst int, at int64, src int, from, size int64, buf []byte) (end int64, err error) {
	if size >= archiveAlign && size%archiveAlign == 0 && cloneRange(dst, at, src, from, size) {
		return at + size, nil
	}
	for done := int64(0); done < size; {
		n, err := retryInterrupted(func() (int, error) {
			return unix.Pread(src, buf[:min(int64(len(buf)), size-done)], from+done)
		})
		if err != nil {
			return end, err
		}
		if n == 0 {
			return end, errShorter
		}
		if data := withoutZeros(buf[:n]); len(data) > 0 {
			if err := writeAt(dst, data, at+done); err != nil {
				return end, err
			}
			end = at + done + int64(len(data))
		}
		done += int64(n)
	}
	return end, nil
}

func writeAt(fd int, data []byte, at int64) error {
	for len(data) > 0 {
		n, err := retryInterrupted(func() (int, error) { return unix.Pwrite(fd, data, at) })
		if err != nil {
			return err
		}
		data, at = data[n:], at+int64(n)
	}
	return nil
}

func retryInterrupted(do func() (int, error)) (int, error) {
	for {
		n, err := do()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// inParallel calls do for the numbers below n, with a buffer that is its own. They are taken from both ends: files that
// stand in an order by their directories are seldom made in one at the same time, which takes turns.
func inParallel(ctx context.Context, n int, do func(i int, buf []byte) error) error {
	var (
		taken  atomic.Int64
		failed atomic.Bool
		errs   [2]error
		wg     sync.WaitGroup
	)
	for worker := range errs {
		wg.Go(func() {
			buf := make([]byte, copyBuffer)
			for own := 0; !failed.Load() && int(taken.Add(1)) <= n; own++ {
				i := own
				if worker == 1 {
					i = n - 1 - own
				}
				err := ctx.Err()
				if err == nil {
					err = do(i, buf)
				}
				if err != nil {
					errs[worker] = err
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}
