//go:build unix

package blob

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// directories are those of a Disk held open, so that a file in one is made,
// named or opened by one call of the kernel. Paths through an os.Root open
// every directory on the way again, and an os.File asks first whether it can
// be polled: five calls that say no. Each directory was opened through the
// root, and only the names of versions are used in it.
type directories struct {
	root *os.Root

	mu     sync.RWMutex
	closed bool
	tmp    *directory
	shards map[string]*directory // by their path
}

type directory struct {
	file *os.File
	conn syscall.RawConn
}

func openDirectories(root *os.Root) (*directories, error) {
	tmp, err := openDirectory(root, tmpDir)
	if err != nil {
		return nil, err
	}
	return &directories{root: root, tmp: tmp, shards: map[string]*directory{}}, nil
}

func openDirectory(root *os.Root, path string) (*directory, error) {
	f, err := root.Open(path)
	if err != nil {
		return nil, err
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &directory{file: f, conn: conn}, nil
}

func (d *directories) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	err := d.tmp.file.Close()
	for _, s := range d.shards {
		err = errors.Join(err, s.file.Close())
	}
	clear(d.shards)
	return err
}

// shard is the directory of a version, fs.ErrNotExist when nothing was ever
// stored there.
func (d *directories) shard(version string) (*directory, error) {
	path := shard(version)
	d.mu.RLock()
	s := d.shards[path]
	d.mu.RUnlock()
	if s != nil {
		return s, nil
	}
	s, err := openDirectory(d.root, path)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if there := d.shards[path]; there != nil || d.closed {
		err = s.file.Close()
		if s = there; d.closed {
			err = errors.Join(ErrClosed, err)
		}
		return s, err
	}
	d.shards[path] = s
	return s, nil
}

// forget drops a directory that was removed behind the store's back.
func (d *directories) forget(version string, s *directory) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if path := shard(version); d.shards[path] == s {
		delete(d.shards, path)
		_ = s.file.Close() // it is gone
	}
}

// create makes the temporary file of a version.
func (d *directories) create(version string) (file, error) {
	fd, err := d.tmp.open(version, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return nil, err
	}
	return &rawFile{fd, version}, nil
}

// createObject makes the file of a version in its place, fs.ErrNotExist where
// its directory is missing.
func (d *directories) createObject(version string) (file, error) {
	s, err := d.shard(version)
	if err != nil {
		return nil, err
	}
	fd, err := s.open(version, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, ErrExists
	case errors.Is(err, fs.ErrNotExist):
		d.forget(version, s)
		return nil, err
	case err != nil:
		return nil, err
	}
	return &rawFile{fd, version}, nil
}

// rename gives the temporary file of a version its place.
func (d *directories) rename(version string) error {
	s, err := d.shard(version)
	if err != nil {
		return err
	}
	err = d.tmp.do("rename", version, func(from int) error {
		return s.do("rename", version, func(to int) error { return renameNew(from, version, to, version) })
	})
	if errors.Is(err, fs.ErrNotExist) {
		d.forget(version, s)
	}
	return err
}

// open opens a version.
func (d *directories) open(version string) (*os.File, error) {
	s, err := d.shard(version)
	if err != nil {
		return nil, err
	}
	fd, err := s.open(version, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), version), nil
}

// remove deletes a version, or an empty directory in its place.
func (d *directories) remove(version string) error {
	s, err := d.shard(version)
	if err != nil {
		return err
	}
	err = s.do("unlink", version, func(dir int) error { return unix.Unlinkat(dir, version, 0) })
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.root.Remove(object(version))
}

// sync makes the names in the directory of a version durable.
func (d *directories) sync(version string) error {
	s, err := d.shard(version)
	if err != nil {
		return err
	}
	return s.do("fsync", shard(version), fsync)
}

// do calls fn with the directory, which stays open meanwhile, again when a
// signal came in between.
func (d *directory) do(op, name string, fn func(fd int) error) error {
	var err error
	if e := d.conn.Control(func(fd uintptr) {
		for {
			if err = fn(int(fd)); !errors.Is(err, unix.EINTR) {
				return
			}
		}
	}); e != nil {
		return ErrClosed
	}
	if err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

func (d *directory) open(name string, flag int) (fd int, err error) {
	err = d.do("open", name, func(dir int) error {
		fd, err = unix.Openat(dir, name, flag|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		return err
	})
	return fd, err
}

// rawFile is a file that is written.
type rawFile struct {
	fd   int
	name string
}

// Write implements io.Writer.
func (f *rawFile) Write(p []byte) (n int, err error) {
	for n < len(p) {
		m, err := unix.Write(f.fd, p[n:])
		if m > 0 {
			n += m
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return n, &fs.PathError{Op: "write", Path: f.name, Err: err}
		}
	}
	return n, nil
}

// Sync makes the bytes durable.
func (f *rawFile) Sync() error {
	for {
		switch err := fsync(f.fd); {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		default:
			return &fs.PathError{Op: "fsync", Path: f.name, Err: err}
		}
	}
}

// Close implements io.Closer.
func (f *rawFile) Close() error {
	if err := unix.Close(f.fd); err != nil && err != unix.EINTR { // after EINTR it is closed
		return &fs.PathError{Op: "close", Path: f.name, Err: err}
	}
	return nil
}

// renameLooking looks before it renames, which would replace a file that is
// there. Versions are random, so that none appears in between.
func renameLooking(fromDir int, from string, toDir int, to string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(toDir, to, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil {
		return ErrExists
	}
	return unix.Renameat(fromDir, from, toDir, to)
}
