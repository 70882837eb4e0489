package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"
)

// DiskConfig of a Disk.
type DiskConfig struct {
	Dir string // made when missing
	// Durable syncs files and directories before Put returns.
	Durable bool
	// Ephemeral says that the directory goes with the process: Sweep does
	// nothing.
	Ephemeral bool
	Logger    *slog.Logger // nil discards
}

// Disk is a Store in a directory:
//
//	objects/<first two digits>/<version>   the bytes
//	tmp/<version>                          bytes that are still arriving
//	lock                                   held while the store is open
//	owner                                  the database whose rows name the bytes
//
// The directory belongs to one process at a time.
type Disk struct {
	cfg  DiskConfig
	log  *slog.Logger
	lock *flock.Flock
	bufs sync.Pool

	mu    sync.Mutex
	root  *os.Root // nil when not open
	dirs  *directories
	fresh map[string]struct{} // versions since Start; nil when no sweep is to come
	holds int                 // see Hold
	// writing are the versions that are written in their place and not whole.
	writing map[string]struct{}
	held    []string // versions whose removal is put off

	failed   leftovers
	removals sync.WaitGroup // those under way; begun only while there is no hold
}

const (
	objectsDir = "objects"
	tmpDir     = "tmp"
	lockFile   = "lock"
	ownerFile  = "owner"
)

// NewDisk makes a store of c. It touches nothing before Start.
func NewDisk(c DiskConfig) *Disk {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Disk{
		cfg: c, log: c.Logger,
		bufs: sync.Pool{New: newBuffer}, writing: map[string]struct{}{},
	}
}

// Start opens the directory, making it when it is missing, and removes what
// uploads of an earlier process left unfinished.
func (d *Disk) Start(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root != nil {
		return nil
	}
	if err := os.MkdirAll(d.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("the storage directory cannot be made: %w", err)
	}
	lock := flock.New(filepath.Join(d.cfg.Dir, lockFile), flock.SetPermissions(0o600))
	got, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("the storage directory cannot be used: %w", err)
	}
	if !got {
		return fmt.Errorf("the storage directory %s is in use by another server: stop that one, or give this one a directory of its own", d.cfg.Dir)
	}
	root, err := openRoot(d.cfg.Dir)
	if err != nil {
		return errors.Join(fmt.Errorf("the storage directory cannot be used: %w", err), lock.Close())
	}
	dirs, err := openDirectories(root)
	if err != nil {
		return errors.Join(fmt.Errorf("the storage directory cannot be used: %w", err), root.Close(), lock.Close())
	}
	d.lock, d.root, d.dirs = lock, root, dirs
	d.failed.take() // the sweep finds them
	if !d.cfg.Ephemeral {
		d.fresh = map[string]struct{}{}
	}
	return nil
}

func openRoot(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	// the lock is ours, so nothing in tmp can still be growing
	err = root.RemoveAll(tmpDir)
	for _, name := range []string{objectsDir, tmpDir} {
		if e := root.Mkdir(name, 0o700); e != nil && !errors.Is(e, fs.ErrExist) {
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// Close gives the directory back. Open readers stay usable.
func (d *Disk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root == nil {
		return nil
	}
	err := errors.Join(d.dirs.close(), d.root.Close(), d.lock.Close())
	d.root, d.dirs = nil, nil
	return err
}

func (d *Disk) open() (*os.Root, *directories, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root == nil {
		return nil, nil, ErrClosed
	}
	return d.root, d.dirs, nil
}

// begin notes that version is being made, so that no sweep takes it for one
// that a crash left behind.
func (d *Disk) begin(version string) (*directories, error) {
	if !ValidVersion(version) {
		return nil, fmt.Errorf("%q cannot name a version: it must be a lower case UUID", version)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root == nil {
		return nil, ErrClosed
	}
	if d.fresh != nil {
		d.fresh[version] = struct{}{}
	}
	return d.dirs, nil
}

func shard(version string) string  { return objectsDir + "/" + version[:2] }
func object(version string) string { return shard(version) + "/" + version }

// makeShard makes the directory of a version, which may be there by now.
func (d *Disk) makeShard(root *os.Root, version string) error {
	if err := root.Mkdir(shard(version), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.syncDir(root, objectsDir)
}

// place gives finished bytes their name by calling put with it, making the
// directory for it when that is missing, and makes both durable.
func (d *Disk) place(root *os.Root, version string, put func(name string) error) error {
	name := object(version)
	err := put(name)
	if errors.Is(err, fs.ErrNotExist) {
		if e := d.makeShard(root, version); e != nil {
			return e
		}
		err = put(name)
	}
	if err != nil {
		return err
	}
	if err := d.syncDir(root, shard(version)); err != nil {
		return errors.Join(err, root.Remove(name))
	}
	return nil
}

func (d *Disk) syncDir(root *os.Root, dir string) error {
	if !d.cfg.Durable {
		return nil
	}
	return syncPath(root, dir)
}

func syncPath(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(syncDirectory(f), f.Close())
}

// Immediate implements Store.
func (d *Disk) Immediate() bool { return !d.cfg.Durable }

// Has implements Store.
func (d *Disk) Has(_ context.Context, version string) (bool, error) {
	if !ValidVersion(version) {
		return false, nil
	}
	root, _, err := d.open()
	if err != nil {
		return false, err
	}
	_, err = root.Lstat(object(version))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Open implements Store. How much will be read is nothing to a file.
func (d *Disk) Open(_ context.Context, version string, offset, _ int64) (io.ReadCloser, error) {
	if !ValidVersion(version) {
		return nil, ErrNotFound
	}
	_, dirs, err := d.open()
	if err != nil {
		return nil, err
	}
	f, err := dirs.open(version)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if offset > 0 {
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, nil
}

// Copy implements Store. Bytes never change, so a second name for them is a
// copy; where the file system cannot link, they are copied.
func (d *Disk) Copy(ctx context.Context, from, to string) error {
	if !ValidVersion(from) {
		return ErrNotFound
	}
	dirs, err := d.begin(to)
	if err != nil {
		return err
	}
	root := dirs.root
	if _, err := root.Lstat(object(from)); errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	err = d.place(root, to, func(name string) error { return root.Link(object(from), name) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return ErrExists
	}
	src, err := d.Open(ctx, from, 0, ToEnd)
	if err != nil {
		return err
	}
	defer src.Close()
	_, err = d.Put(ctx, to, src, int64(^uint64(0)>>1))
	return err
}

// Remove implements Store.
func (d *Disk) Remove(_ context.Context, versions ...string) error {
	_, dirs, err := d.open()
	if err != nil || d.holdBack(versions) {
		return err
	}
	defer d.removals.Done()
	var errs error
	for _, v := range append(d.failed.take(), versions...) {
		if !ValidVersion(v) {
			continue
		}
		if e := dirs.remove(v); e != nil && !errors.Is(e, fs.ErrNotExist) {
			errs = errors.Join(errs, e)
			d.failed.add(v)
		}
	}
	return errs
}
