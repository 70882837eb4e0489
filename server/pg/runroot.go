package pg

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/gofrs/flock"
)

// A run root is this process's directory for everything that must not outlive it:
//
//	<base>/suparust-run-<random>/lock          held while the process lives
//	                            /1abc/data     a clone's data directory
//	                            /1abc/durable  instead of data: the path of a data directory that is kept
//	                            /1abc/postgres.log, sockets
//
// There is at most one per base directory. It is removed with its last cluster; if the process dies before, by the
// watchdog; and if that died too, by the next process that sweeps the base.
const (
	runPrefix   = "suparust-run-"
	lockName    = "lock"
	dataName    = "data"
	durableName = "durable"
)

type runRoot struct {
	base string
	path string
	lock *flock.Flock
	used int // clusters in it; guarded by rootsMu
	next int
}

var (
	rootsMu sync.Mutex
	roots   = map[string]*runRoot{}
	swept   = map[string]bool{}
)

// runDir is one cluster's directory in a run root.
type runDir struct {
	root *runRoot
	path string
	gone bool // guarded by rootsMu
}

// newRunDir makes a cluster's directory below base, with the run root and the watchdog when they are not there yet.
func newRunDir(base string, a account) (*runDir, error) {
	rootsMu.Lock()
	defer rootsMu.Unlock()
	if !swept[base] {
		swept[base] = true
		sweep(base)
	}
	root := roots[base]
	if root == nil {
		r, err := makeRunRoot(base)
		if err != nil {
			return nil, err
		}
		spreadBelow(r.path)
		watchdogAdd(r.path)
		roots[base] = r
		root = r
	}
	root.next++
	// at random for spreadBelow, and short, for the paths of sockets are
	path := filepath.Join(root.path, strconv.FormatInt(int64(root.next), 36)+strings.ToLower(rand.Text()[:3]))
	err := os.Mkdir(path, 0o700)
	if err == nil {
		err = a.chown(path)
	}
	if err != nil {
		_ = os.Remove(path)
		root.dropIfUnused()
		return nil, err
	}
	root.used++
	return &runDir{root: root, path: path}, nil
}

func makeRunRoot(base string) (*runRoot, error) {
	for range 10 {
		path, err := os.MkdirTemp(base, runPrefix)
		if err != nil {
			return nil, err
		}
		// an unprivileged server must pass through, nobody but us may look in
		if err := os.Chmod(path, 0o711); err != nil {
			return nil, errors.Join(err, os.Remove(path))
		}
		lock := flock.New(filepath.Join(path, lockName))
		ok, err := lock.TryLock()
		if err == nil && ok && heldHere(lock.Path()) {
			return &runRoot{base: base, path: path, lock: lock}, nil
		}
		// another process's sweep took the directory between its birth and its lock: leave it to the sweep
		_ = lock.Close()
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, errors.Join(err, os.RemoveAll(path))
		}
	}
	return nil, fmt.Errorf("could not make a run directory in %s: others remove it at once", base)
}

// heldHere tells whether the file at path is the one that is locked: a sweep may have removed that one meanwhile.
func heldHere(path string) bool {
	other := flock.New(path)
	got, err := other.TryLock()
	_ = other.Close()
	return err == nil && !got
}

// remove deletes the cluster's directory, and the run root with the last one.
func (d *runDir) remove() error {
	err := os.RemoveAll(d.path)
	rootsMu.Lock()
	defer rootsMu.Unlock()
	if d.gone {
		return err
	}
	d.gone = true
	d.root.used--
	d.root.dropIfUnused()
	return err
}

// dropIfUnused is called with rootsMu held.
func (r *runRoot) dropIfUnused() {
	if r.used > 0 {
		return
	}
	delete(roots, r.base)
	_ = os.RemoveAll(r.path)
	watchdogRemove(r.path)
	_ = r.lock.Close()
}
