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

// cloneTemplate writes the image into a new run directory, in memory when there is room, else on disk.
func cloneTemplate(im *image, a account, log *slog.Logger) (*runDir, error) {
	if roomInMemory(memoryBase, im.bytes) {
		dir, err := cloneInto(memoryBase, im, a)
		if err == nil {
			return dir, nil
		}
		log.Debug("no clone in memory, using the disk", "directory", memoryBase, "error", err)
	}
	base, err := diskBase(a)
	if err != nil {
		return nil, err
	}
	dir, err := cloneInto(base, im, a)
	if err != nil {
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			return nil, fmt.Errorf("no room for a copy of the database (%d MB) in %s: free some or set TMPDIR to a larger disk: %w", im.bytes>>20, base, err)
		}
		return nil, fmt.Errorf("the database could not be copied to %s: %w", base, err)
	}
	return dir, nil
}

func cloneInto(base string, im *image, a account) (*runDir, error) {
	dir, err := newRunDir(base, a)
	if err != nil {
		return nil, err
	}
	if err := im.writeTo(filepath.Join(dir.path, dataName), a); err != nil {
		return nil, errors.Join(err, dir.remove())
	}
	return dir, nil
}

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
