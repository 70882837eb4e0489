//go:build unix

package pg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// CREATE DATABASE copies template1, and dumps ask for template0, so both must be there; but they are half of a fresh data
// directory, and nobody writes to them. So they are kept out of a clone: both are symbolic links to one directory beside
// the cached template, made once. (A durable data directory gets copies.)
const (
	template1Dir = "base/1" // the object ids are fixed in PostgreSQL
	template0Dir = "base/4"
)

// basePath is where the files of template1 stand beside a stored template.
func basePath(dir, key string) string { return filepath.Join(dir, key+".base") }

// storeBase writes the files of template1 beside their place and renames them there.
func storeBase(dir, key string, base *image) error {
	acct, err := processAccount()
	if err != nil {
		return err
	}
	if err := acct.canReach(dir); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, ".new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	made, dest := filepath.Join(tmp, "base"), basePath(dir, key)
	if err := base.writeTo(made, acct); err != nil {
		return err
	}
	// what may stand there is damaged, or belongs to a template that is: clusters that still use it lose template1
	if err := os.RemoveAll(dest); err != nil {
		return err
	}
	return os.Rename(made, dest)
}

var errNoBase = errors.New("the files of template1 beside it are missing")

// linkBase makes the clones of the image share the files of template1 in path, which stay as long as this process lives.
func (im *image) linkBase(path string) error {
	if err := holdBase(path); err != nil {
		return err
	}
	for _, name := range []string{"PG_VERSION", "pg_filenode.map"} {
		if !isFile(filepath.Join(path, name)) {
			return fmt.Errorf("%w in %s", errNoBase, path)
		}
	}
	im.links = []imageLink{{template1Dir, path}, {template0Dir, path}}
	return nil
}

// heldBases are the directories that clusters of this process may link to, open and with a shared lock, which tells
// other processes' evict that they are used. The lock ends with the process, as its clusters do.
var heldBases = struct {
	sync.Mutex
	byPath map[string]*os.File
}{byPath: map[string]*os.File{}}

// holdBase keeps the files of template1 in path from being evicted.
func holdBase(path string) error {
	heldBases.Lock()
	defer heldBases.Unlock()
	dir, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w in %s", errNoBase, path)
	}
	if err != nil {
		return err
	}
	if before := heldBases.byPath[path]; before != nil {
		if sameFile(before, dir) {
			return dir.Close()
		}
		_ = before.Close() // it was replaced: nothing of it is there any more
	}
	_ = lockBase(dir, unix.LOCK_SH) // a file system without locks has no such care
	heldBases.byPath[path] = dir
	return nil
}

func sameFile(a, b *os.File) bool {
	x, errX := a.Stat()
	y, errY := b.Stat()
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// lockBase locks an open directory. Whoever evicts it holds its lock for moments only.
func lockBase(dir *os.File, how int) error {
	for {
		if err := unix.Flock(int(dir.Fd()), how); err != unix.EINTR {
			return err
		}
	}
}

// removeBase removes the files of template1 in path, and before removes what else there is of their template. It does
// neither while a process holds them.
func removeBase(path string, before func()) {
	if dir, err := os.Open(path); err == nil {
		defer func() { _ = dir.Close() }()
		if errors.Is(lockBase(dir, unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK) {
			return
		}
	}
	before()
	_ = os.RemoveAll(path)
}
