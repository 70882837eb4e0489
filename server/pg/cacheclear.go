package pg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// CacheInUseError says that a PostgreSQL runs from the binaries in a cache.
type CacheInUseError struct {
	Dir string // the cache
	PID int    // one that does
}

func (e *CacheInUseError) Error() string {
	return fmt.Sprintf("a PostgreSQL runs from the cache %s (PID %d)", e.Dir, e.PID)
}

// ClearCache removes the binaries and templates in the cache directory dir, "" being DefaultCacheDir, and nothing else
// that stands there. A cache that a PostgreSQL runs from stays whole: the error is a *CacheInUseError then.
func ClearCache(dir string) error {
	if dir == "" {
		dir = DefaultCacheDir()
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	trees := filepath.Join(dir, "pg")
	if !exists(trees) && !exists(filepath.Join(dir, "templates")) {
		return nil
	}
	if err := ownedByUs(dir); err != nil {
		return err
	}
	if exists(trees) {
		lock := flock.New(filepath.Join(trees, ".lock")) // of those who unpack, see place
		if ok, err := lock.TryLock(); err != nil || !ok {
			return errors.Join(fmt.Errorf("another process is unpacking PostgreSQL in %s: try again when it is done", trees), err, lock.Close())
		}
		defer func() { _ = lock.Close() }()
	}
	pid, err := runsFrom(trees + string(filepath.Separator))
	if err != nil {
		return err
	}
	if pid != 0 {
		return &CacheInUseError{Dir: dir, PID: pid}
	}
	return errors.Join(
		clearDir(trees, func(name string) bool {
			return treeName.MatchString(name) || strings.HasPrefix(name, ".new-") || strings.HasSuffix(name, ".lock")
		}),
		clearDir(filepath.Join(dir, "templates"), func(name string) bool {
			for _, suffix := range []string{templateSuffix, ".base", ".lock"} {
				if strings.HasSuffix(name, suffix) {
					return true
				}
			}
			return strings.HasPrefix(name, ".new-")
		}))
}

// clearDir removes what is ours in a directory, and the directory when nothing else is left.
func clearDir(dir string, ours func(name string) bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	var errs []error
	left := 0
	for _, e := range entries {
		if !ours(e.Name()) {
			left++
			continue
		}
		errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	if left == 0 && errors.Join(errs...) == nil {
		errs = append(errs, os.Remove(dir))
	}
	return errors.Join(errs...)
}

// runsFrom returns the PID of a process whose program is below the directory prefix, 0 when there is none.
func runsFrom(prefix string) (int, error) {
	procs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err == nil && len(procs) > 0 {
		for _, file := range procs {
			if line, err := os.ReadFile(file); err == nil && strings.HasPrefix(string(line), prefix) {
				return strconv.Atoi(filepath.Base(filepath.Dir(file)))
			}
		}
		return 0, nil
	}
	out, err := exec.Command("ps", "-A", "-o", "pid=,args=").Output()
	if err != nil {
		return 0, fmt.Errorf("cannot see whether a PostgreSQL runs from the cache: ps: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		if pid, program, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(program, prefix) {
			return strconv.Atoi(pid)
		}
	}
	return 0, nil
}
