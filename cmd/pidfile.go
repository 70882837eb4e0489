package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// pidFile is the PID file of a living server, which holds a lock on it: a PID that the system gave to another process
// since is never taken for the server's.
type pidFile struct {
	path string
	lock *flock.Flock
}

// alreadyRunning says that another server holds the PID file.
type alreadyRunning struct {
	pid  int
	path string
}

func (e *alreadyRunning) Error() string {
	return fmt.Sprintf("already running with PID %d (%s)", e.pid, e.path)
}

// lockPIDFile makes the PID file and locks it. stale says that a server which died had left one.
func lockPIDFile(path string) (f *pidFile, stale bool, err error) {
	// a command that looks whether the server lives holds the lock for a moment
	for deadline := time.Now().Add(500 * time.Millisecond); ; {
		lock := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o644))
		locked, err := lock.TryLock()
		if err != nil {
			return nil, false, pidFileError(path, err)
		}
		if locked && !isCurrent(lock, path) {
			// the one before removed it between our opening and locking it
			if err := lock.Close(); err != nil {
				return nil, false, pidFileError(path, err)
			}
			continue
		}
		if locked {
			info, err := lock.Stat()
			stale := err == nil && info.Size() > 0
			if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
				return nil, false, errors.Join(pidFileError(path, err), lock.Close())
			}
			return &pidFile{path: path, lock: lock}, stale, nil
		}
		if time.Now().After(deadline) {
			return nil, false, &alreadyRunning{pid: readPID(path), path: path}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// remove deletes the file and the state beside it while the lock is held, then gives the lock up.
func (f *pidFile) remove() error {
	stateErr := removeState(f.path)
	err := os.Remove(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(stateErr, err, f.lock.Close())
}

// runningPID returns the PID of the server that holds the file, 0 when none does.
func runningPID(path string) (int, error) {
	// a server writes its PID right after it took the lock, and removes the file right before it gives the lock up
	for deadline := time.Now().Add(500 * time.Millisecond); ; time.Sleep(5 * time.Millisecond) {
		lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
		free, err := lock.TryRLock()
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		if err != nil {
			return 0, pidFileError(path, err)
		}
		if err := lock.Close(); err != nil {
			return 0, pidFileError(path, err)
		}
		if free {
			info, err := os.Stat(path)
			if err == nil && info.Size() == 0 && time.Now().Before(deadline) {
				continue // a server has made it and takes its lock next
			}
			return 0, nil
		}
		if pid := readPID(path); pid != 0 {
			return pid, nil
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("a server holds %s but its PID is not in it; find the process with `lsof %s`", path, path)
		}
	}
}

// instance is a PID file that a server holds.
type instance struct {
	path  string
	pid   int
	port  int
	lost  bool // its PID file was removed: it was found through its port
	state serverState
}

// instances lists the servers of an identity in dir. Files that no server holds are removed and returned as stale.
func instances(dir string, id identity) (running []instance, stale []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot look for PID files: %w", err)
	}
	for _, entry := range entries {
		port, ok := id.pidFilePort(entry.Name())
		if !ok {
			continue
		}
		if running, stale, err = inspect(running, stale, filepath.Join(dir, entry.Name()), port); err != nil {
			return nil, nil, err
		}
	}
	return running, stale, nil
}

// inspect adds the server that holds the PID file path, or removes the file and adds its path to stale.
func inspect(running []instance, stale []string, path string, port int) ([]instance, []string, error) {
	pid, err := runningPID(path)
	if err != nil {
		return nil, nil, err
	}
	if pid != 0 {
		st, err := awaitState(path, pid)
		if err != nil {
			return nil, nil, err
		}
		if st.Port != 0 {
			port = st.Port
		}
		return append(running, instance{path: path, pid: pid, port: port, state: st}), stale, nil
	}
	removed, err := removeStale(path)
	if removed {
		stale = append(stale, path)
	}
	return running, stale, err
}

// removeStale deletes a PID file unless a server took it in the meantime.
func removeStale(path string) (bool, error) {
	lock := flock.New(path, flock.SetFlag(os.O_RDWR))
	locked, err := lock.TryLock()
	if err != nil || !locked {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, pidFileError(path, err)
		}
		return false, nil
	}
	removed := false
	if isCurrent(lock, path) {
		if err := errors.Join(removeState(path), os.Remove(path)); err != nil {
			return false, errors.Join(pidFileError(path, err), lock.Close())
		}
		removed = true
	}
	return removed, lock.Close()
}

// isCurrent reports whether path still is the file that the lock is on.
func isCurrent(lock *flock.Flock, path string) bool {
	held, err := lock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(held, there)
}

// readPID reads the PID in a file, 0 when there is none.
func readPID(path string) int {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 1 {
		return 0
	}
	return pid
}

func pidFileError(path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return fmt.Errorf("cannot use the PID file %s: %w; run suparust as the user that owns it, in a folder that can be written, or set SUPARUST_PID_FILE", path, err)
}
