//go:build unix

package pg

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// A clone is written to memory (tmpfs) only where a server has room to grow beside it: a container's shared memory is
// often 64 MB in all.
const (
	memoryReserve    = 64 << 20
	memoryPerCluster = 40 << 20
)

// memoryBase is the directory of the tmpfs that clones prefer.
var memoryBase = "/dev/shm"

// maxBase keeps the path of a unix socket below the 107 bytes that the kernel allows.
const maxBase = 60

// clone is a run directory with a data directory in it, of which the larger part may still have to be written.
type clone struct {
	dir *runDir
	w   *imageWriter
}

// errNoMemory says that the memory filesystem did not take a clone; the disk may.
var errNoMemory = errors.New("no room in memory")

// onBases calls start with the base directories for clones, best first, until one has room: memory when there is enough,
// then the disk.
func onBases(im *image, a account, log *slog.Logger, start func(base string) error) error {
	if roomInMemory(memoryBase, im.bytes) {
		err := start(memoryBase)
		if !errors.Is(err, errNoMemory) {
			return err
		}
		log.Debug("no clone in memory, using the disk", "directory", memoryBase, "error", err)
	}
	base, err := diskBase(a)
	if err != nil {
		return err
	}
	return start(base)
}

// beginClone writes what a server needs to start.
func beginClone(base string, im *image, a account) (*clone, error) {
	dir, err := newRunDir(base, a)
	if err != nil {
		return nil, cloneError(base, im, err)
	}
	w, err := im.begin(filepath.Join(dir.path, dataName), a)
	if err != nil {
		return nil, errors.Join(cloneError(base, im, err), dir.remove())
	}
	return &clone{dir: dir, w: w}, nil
}

// finish writes the rest.
func (c *clone) finish() error {
	if err := c.w.finish(); err != nil {
		return cloneError(c.dir.root.base, c.w.im, err)
	}
	return nil
}

// cloneError says what to do about a clone that could not be written.
func cloneError(base string, im *image, err error) error {
	if base == memoryBase {
		return fmt.Errorf("%w: %w", errNoMemory, err)
	}
	if isFull(err) {
		return fmt.Errorf("no room for a copy of the database (%d MB) in %s: free some or set TMPDIR to a larger disk: %w", im.bytes>>20, base, err)
	}
	return fmt.Errorf("the database could not be copied to %s: %w", base, err)
}

// isFull tells whether an error is that of a disk without room.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

func roomInMemory(base string, size int64) bool {
	free, isMemory := memoryFree(base)
	return isMemory && free >= memoryReserve+memoryPerCluster+size
}

var (
	diskBaseMu sync.Mutex
	diskBases  = map[string]string{}
)

// diskBase returns a directory on disk for run roots: the temporary directory, when the server's account can reach it
// and its path is short enough for a socket.
func diskBase(a account) (string, error) {
	tmp := os.TempDir()
	diskBaseMu.Lock()
	defer diskBaseMu.Unlock()
	if base, ok := diskBases[tmp]; ok {
		return base, nil
	}
	var why []error
	for _, base := range []string{tmp, "/tmp", "/var/tmp", memoryBase} {
		resolved, err := filepath.EvalSymlinks(base)
		if err != nil {
			why = append(why, err)
			continue
		}
		if err := usableBase(resolved, a); err != nil {
			why = append(why, err)
			continue
		}
		diskBases[tmp] = resolved
		return resolved, nil
	}
	return "", fmt.Errorf("no temporary directory that PostgreSQL can use: set TMPDIR to one (%w)", errors.Join(why...))
}

func usableBase(base string, a account) error {
	if len(base) > maxBase {
		return fmt.Errorf("%s is too long for the path of a unix socket", base)
	}
	if err := a.canReach(base); err != nil {
		return err
	}
	probe, err := os.MkdirTemp(base, "suparust-probe-")
	if err != nil {
		return err
	}
	return os.Remove(probe)
}
