package blob

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// A snapshot of the database names versions whose bytes must stay. As bytes
// never change, second names for them are enough: the files of a version in
// the store and in its snapshots are one, and none of them is ever written to.

// maxHeld bounds how many removals are remembered; what is forgotten is found
// by the next start's sweep.
const maxHeld = 100_000

// Hold puts off the removal of versions until it is released, and returns when
// those under way have ended: bytes that the database has let go of may be in
// a state of it that is just being saved or brought back.
type Hold struct {
	disk *Disk
	once sync.Once
}

// Hold begins a Hold.
func (d *Disk) Hold() *Hold {
	d.mu.Lock()
	d.holds++
	d.mu.Unlock()
	d.removals.Wait()
	return &Hold{disk: d}
}

// Release removes what was put off, but for the versions to keep, which were
// let go of in a state of the database that is no more. Of no Hold it does
// nothing.
func (h *Hold) Release(keep map[string]struct{}) (err error) {
	if h == nil {
		return nil
	}
	h.once.Do(func() { err = h.disk.release(keep) })
	return err
}

func (d *Disk) release(keep map[string]struct{}) error {
	d.failed.spare(keep)
	d.mu.Lock()
	d.holds--
	rest := d.held[:0]
	for _, v := range d.held {
		if _, ok := keep[v]; !ok {
			rest = append(rest, v)
		}
	}
	d.held = rest
	if d.holds > 0 || len(rest) == 0 {
		d.mu.Unlock()
		return nil
	}
	d.held = nil
	d.mu.Unlock()
	return d.Remove(context.Background(), rest...)
}

// holdBack remembers versions to remove later, or notes a removal that may
// begin, which ends with done.
func (d *Disk) holdBack(versions []string) (held bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.holds == 0 {
		d.removals.Add(1)
		return false
	}
	d.held = append(d.held, versions[:min(len(versions), maxHeld-len(d.held))]...)
	return true
}

// LinkTo gives every version a second name below dir, where it makes
// objects/…, and returns how many there are and their size. Where dir is on
// another file system they are copied. Those that are to be kept beyond the
// store are on the disk then. Removals must be on hold.
func (d *Disk) LinkTo(ctx context.Context, dir string, keep bool) (count int, size int64, err error) {
	root, _, err := d.open()
	if err != nil {
		return 0, 0, err
	}
	durable := syncing{made: keep || d.cfg.Durable, linked: keep && !d.cfg.Durable}
	return linkObjects(ctx, root.Name(), dir, durable, d.whole)
}

// LinkFrom is the way back: it gives the versions below dir, as LinkTo has
// left them, a name in the store, where it lacks them. Those that it has of
// its own stay. It returns which versions there are below dir.
func (d *Disk) LinkFrom(ctx context.Context, dir string) (map[string]struct{}, error) {
	root, _, err := d.open()
	if err != nil {
		return nil, err
	}
	versions := map[string]struct{}{}
	_, _, err = linkObjects(ctx, dir, root.Name(), syncing{made: d.cfg.Durable}, func(version string) bool {
		versions[version] = struct{}{}
		return true
	})
	return versions, err
}

// Disown has the next sweep take the directory for that of the database it
// then asks: the files are those of another one's snapshot.
func (d *Disk) Disown() error {
	root, _, err := d.open()
	if err != nil {
		return err
	}
	if err := root.Remove(ownerFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// TempDir is a directory in the store that the next Start removes; it need not
// be there.
func (d *Disk) TempDir(name string) string { return filepath.Join(d.cfg.Dir, tmpDir, name) }

// Versions lists what the store has whole.
func (d *Disk) Versions() ([]string, error) {
	root, _, err := d.open()
	if err != nil {
		return nil, err
	}
	shards, err := names(root, objectsDir)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, s := range shards {
		versions, err := names(root, objectsDir+"/"+s)
		if err != nil {
			return nil, err
		}
		for _, v := range versions {
			if d.whole(v) {
				all = append(all, v)
			}
		}
	}
	return all, nil
}

// LinkObjects does what LinkTo does for a store that is not open here.
func LinkObjects(ctx context.Context, store, dir string) (count int, size int64, err error) {
	return linkObjects(ctx, store, dir, syncing{made: true}, nil)
}

// syncing says what is made durable: names and copies, and files that were there.
type syncing struct{ made, linked bool }

// linkObjects gives the versions below from that take takes, nil takes all, a
// name below to. A directory from without objects has none.
func linkObjects(ctx context.Context, from, to string, durable syncing, take func(version string) bool) (count int, size int64, err error) {
	shards, err := os.ReadDir(filepath.Join(from, objectsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	for _, s := range shards {
		source, target := filepath.Join(from, objectsDir, s.Name()), filepath.Join(to, objectsDir, s.Name())
		files, err := os.ReadDir(source)
		if err != nil {
			return count, size, err
		}
		made := false
		for _, f := range files {
			if !ValidVersion(f.Name()) || f.Name()[:2] != s.Name() || !f.Type().IsRegular() {
				continue
			}
			if err := ctx.Err(); err != nil {
				return count, size, err
			}
			if !made {
				made = true
				if err := os.MkdirAll(target, 0o700); err != nil {
					return count, size, err
				}
			}
			if take != nil && !take(f.Name()) {
				continue
			}
			n, err := linkVersion(filepath.Join(source, f.Name()), filepath.Join(target, f.Name()), durable)
			if errors.Is(err, fs.ErrNotExist) {
				continue // a crash's leftover that a sweep removes
			}
			if err != nil {
				return count, size, err
			}
			count, size = count+1, size+n
		}
		if made && durable.made {
			if err := Sync(target); err != nil {
				return count, size, err
			}
		}
	}
	if durable.made && count > 0 {
		return count, size, Sync(filepath.Join(to, objectsDir))
	}
	return count, size, nil
}

// Sync makes a file, or the names in a directory, durable.
func Sync(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(syncDirectory(f), f.Close())
}

// linkVersion gives a file a second name, or makes a copy of it where that
// cannot be.
func linkVersion(from, to string, durable syncing) (size int64, err error) {
	info, err := os.Stat(from)
	if err != nil {
		return 0, err
	}
	err = os.Link(from, to)
	if err == nil && durable.linked {
		return info.Size(), Sync(to)
	}
	if err == nil || errors.Is(err, fs.ErrExist) {
		return info.Size(), nil
	}
	src, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	// beside, so that nothing ever has the name of a version that is not whole
	tmp, err := os.CreateTemp(filepath.Dir(to), ".new-")
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(tmp, src)
	if err == nil && durable.made {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), to)
	}
	if err != nil {
		return 0, errors.Join(err, os.Remove(tmp.Name()))
	}
	return info.Size(), nil
}
