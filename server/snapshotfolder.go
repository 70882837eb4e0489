package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/suparust/suparust/server/internal/storage/blob"
)

// The folder of a snapshot is made under another name, with a lock that its
// process holds, and gets its own when all of it is on the disk. Where there is an older one of that name, the two
// folders change their names in one step. Where the file system cannot do that,
// the older one is set aside for a moment; whoever then finds no snapshot of
// the name, now or after a crash, brings it back.

// newFolder is the folder of a snapshot that is being made.
type newFolder struct {
	dir  string // where it will be
	part string // where it is
	lock *flock.Flock
}

// newFolder makes the folder of a named snapshot under another name.
func (c *Config) newFolder(name string) (*newFolder, error) {
	if err := checkSnapshotName(name); err != nil {
		return nil, err
	}
	dir, err := c.snapshotDir()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the directory of snapshots cannot be made: %w; set SUPARUST_SNAPSHOT_DIR to one that you may write", err)
	}
	sweepFolders(dir)
	names, err := snapshotFolders(dir)
	if err != nil {
		return nil, err
	}
	for _, other := range names {
		if other != name && strings.EqualFold(other, name) {
			return nil, snapshotCaseError{name: name, other: other}
		}
	}
	f := &newFolder{dir: filepath.Join(dir, name)}
	if f.part, err = os.MkdirTemp(dir, snapshotPart); err != nil {
		return nil, fmt.Errorf("the directory of snapshots cannot be written: %w; set SUPARUST_SNAPSHOT_DIR to one that you may write", err)
	}
	f.lock = flock.New(filepath.Join(f.part, snapshotLock), flock.SetPermissions(0o600))
	if _, err := f.lock.TryLock(); err != nil {
		return nil, errors.Join(fmt.Errorf("the directory of snapshots takes no lock: %w; set SUPARUST_SNAPSHOT_DIR to one on another file system", err), f.abandon())
	}
	return f, nil
}

// abandon removes a folder that cannot be completed.
func (f *newFolder) abandon() error {
	return errors.Join(f.lock.Close(), os.RemoveAll(f.part))
}

// snapshotCaseError is a name that not every file system can tell from
// another snapshot's.
type snapshotCaseError struct{ name, other string }

func (e snapshotCaseError) Error() string {
	return fmt.Sprintf("%q cannot name a snapshot: there is a snapshot %q, and not every file system tells the two apart", e.name, e.other)
}

// snapshotFolders lists the names of the snapshots in a directory.
func snapshotFolders(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		name := e.Name()
		if old, ok := strings.CutPrefix(name, snapshotOld); ok {
			if bringBack(filepath.Join(dir, old)) != nil {
				continue // most have a successor
			}
			name = old
		}
		if checkSnapshotName(name) == nil && e.IsDir() && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, err
}

// seal gives a snapshot's folder its name, in the place of an older one.
func (n *Snapshot) seal(f *newFolder) error {
	b, err := json.MarshalIndent(n.SnapshotInfo, "", "\t")
	if err != nil {
		return err
	}
	info := filepath.Join(f.part, snapshotFile)
	if err := os.WriteFile(info, append(b, '\n'), 0o600); err != nil {
		return err
	}
	for _, name := range []string{info, n.files, f.part} { // what is in them is on the disk
		if name == "" {
			continue
		}
		if err := blob.Sync(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := takeName(f.part, f.dir); err != nil {
		return fmt.Errorf("the snapshot %s cannot be replaced: %w", n.Name, err)
	}
	n.files = filepath.Join(f.dir, snapshotFiles)
	n.pg = n.pg.MovedTo(filepath.Join(f.dir, snapshotDatabase))
	return ignoreMissing(errors.Join(os.Remove(filepath.Join(f.dir, snapshotLock)), f.lock.Close()))
}

// exchange has two names change what they name, in one step.
var exchange = exchangeNames

// takeName gives the folder part the name dir and removes what had it.
func takeName(part, dir string) error {
	parent := filepath.Dir(dir)
	for range 100 { // others may do the same
		err := os.Rename(part, dir) // it replaces nothing but an empty folder
		if err == nil {
			return errors.Join(blob.Sync(parent), removeOld(dir))
		}
		if _, e := os.Lstat(dir); e != nil {
			if errors.Is(e, fs.ErrNotExist) {
				continue // it has just gone
			}
			return err
		}
		err = exchange(part, dir)
		if err == nil {
			// part is the older one now, and goes
			return errors.Join(blob.Sync(parent), os.RemoveAll(part))
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		if err := removeOld(dir); err != nil {
			return err
		}
		if err := os.Rename(dir, oldName(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return errors.New("others save and delete it all the time: try again")
}

func oldName(dir string) string {
	return filepath.Join(filepath.Dir(dir), snapshotOld+filepath.Base(dir))
}

// removeOld removes the folder that was set aside for the one that has its name
// now.
func removeOld(dir string) error { return ignoreMissing(removeWhole(oldName(dir))) }

// bringBack gives the folder that was set aside its name again, where nothing
// else has it.
func bringBack(dir string) error {
	if _, err := os.Lstat(dir); err == nil {
		return fs.ErrExist
	}
	return os.Rename(oldName(dir), dir)
}

// removeFolder deletes a snapshot's folder.
func removeFolder(dir string) error {
	return errors.Join(removeOld(dir), removeWhole(dir))
}

// removeWhole deletes a folder such that at no time a part of it has its name.
func removeWhole(dir string) error {
	if _, err := os.Lstat(dir); err != nil {
		return err
	}
	gone, err := os.MkdirTemp(filepath.Dir(dir), snapshotPart)
	if err != nil {
		return err
	}
	err = os.Rename(dir, filepath.Join(gone, "removed"))
	return errors.Join(err, os.RemoveAll(gone))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// unlockedFolder is how long a folder without a name may be there that nobody
// has locked: it has just been made, or is about to get its name.
const unlockedFolder = time.Minute

// sweepFolders removes what processes that died have left.
func sweepFolders(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		part := filepath.Join(dir, e.Name())
		if info, err := e.Info(); err != nil || !strings.HasPrefix(e.Name(), snapshotPart) || time.Since(info.ModTime()) < unlockedFolder {
			continue
		}
		lock := flock.New(filepath.Join(part, snapshotLock), flock.SetFlag(os.O_RDWR)) // none is made where there is none
		if free, err := lock.TryLock(); free || errors.Is(err, fs.ErrNotExist) {
			_ = os.RemoveAll(part) // the next one tries again
		}
		_ = lock.Close()
	}
}
