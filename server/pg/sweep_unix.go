//go:build unix

package pg

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// unlockedGrace is how long a run root may exist without a lock file: its owner is about to make one.
const unlockedGrace = time.Minute

// sweep removes the run roots of processes that died without leaving a watchdog, stopping what still runs in them.
// A root is dead when nobody holds its lock. Only our own user's directories are touched: others could plant theirs.
func sweep(base string) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), runPrefix) && e.IsDir() {
			sweepRoot(filepath.Join(base, e.Name()))
		}
	}
}

func sweepRoot(root string) {
	info, err := os.Lstat(root)
	if err != nil || !info.IsDir() {
		return
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) != os.Geteuid() {
		return
	}
	lockPath := filepath.Join(root, lockName)
	if _, err := os.Lstat(lockPath); err != nil && time.Since(info.ModTime()) < unlockedGrace {
		return
	}
	lock := flock.New(lockPath)
	if ok, err := lock.TryLock(); err != nil || !ok {
		_ = lock.Close()
		return
	}
	dirs, _ := os.ReadDir(root)
	for _, d := range dirs {
		if d.IsDir() {
			stopLeftover(filepath.Join(root, d.Name()))
		}
	}
	_ = os.RemoveAll(root)
	_ = lock.Close()
}

// stopLeftover stops the server of a dead process's cluster directory.
func stopLeftover(dir string) {
	data, sig := filepath.Join(dir, dataName), syscall.SIGQUIT
	if b, err := os.ReadFile(filepath.Join(dir, durableName)); err == nil {
		data, sig = string(bytes.TrimRight(b, "\n")), syscall.SIGINT
	}
	pf, err := readPidFile(data)
	if err != nil {
		return
	}
	if isPostgresOn(pf.pid, dir) { // its sockets are there; a kept data directory may be another process's by now
		thawTree(pf.pid) // it may have been left in the middle of a snapshot
		_ = syscall.Kill(pf.pid, sig)
		if !waitGone(pf.pid, dir, 5*time.Second) && sig == syscall.SIGQUIT {
			_ = syscall.Kill(pf.pid, syscall.SIGKILL)
		}
	}
	if sig == syscall.SIGQUIT {
		freeKilled(data)
	}
}

// waitGone waits until pid is no PostgreSQL of that directory any more.
func waitGone(pid int, dir string, limit time.Duration) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if !isPostgresOn(pid, dir) {
			return true
		}
	}
	return false
}
