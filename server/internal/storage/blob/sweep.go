package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// sweepBatch is how many versions are asked about at once.
const sweepBatch = 20_000

// Sweep implements Store. It looks at versions that were there before Start
// only: those made since are running uploads, or have their row already.
func (d *Disk) Sweep(ctx context.Context, o SweepOptions) (removed int, err error) {
	root, _, err := d.open()
	if err != nil {
		return 0, err
	}
	if !d.tracks() {
		return 0, nil
	}
	defer d.untrack()
	if o.Orphans == nil {
		return 0, nil
	}
	shards, err := names(root, objectsDir)
	if err != nil {
		return 0, err
	}
	owner, err := o.Owner(ctx)
	if err != nil {
		return 0, err
	}
	if err := d.claim(root, owner, len(shards) == 0); err != nil {
		return 0, err
	}
	var batch []string
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		orphans, err := o.Orphans(ctx, batch)
		batch = batch[:0]
		if err != nil {
			return err
		}
		for _, v := range orphans {
			if err := root.Remove(object(v)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			removed++
		}
		return ctx.Err()
	}
	for _, s := range shards {
		versions, err := names(root, objectsDir+"/"+s)
		if err != nil {
			return removed, err
		}
		for _, v := range d.withoutFresh(versions) {
			if batch = append(batch, v); len(batch) == sweepBatch {
				if err := flush(); err != nil {
					return removed, err
				}
			}
		}
	}
	return removed, flush()
}

// tracks reports whether versions since Start are remembered, without which
// none can be told to be an orphan.
func (d *Disk) tracks() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fresh != nil
}

func (d *Disk) untrack() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fresh = nil
}

func (d *Disk) withoutFresh(versions []string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := versions[:0]
	for _, v := range versions {
		if _, young := d.fresh[v]; !young && ValidVersion(v) {
			kept = append(kept, v)
		}
	}
	return kept
}

// claim makes owner the owner of a directory that has none. A directory of
// another owner is refused, because to that database's rows all of this one's
// files would look like garbage; unless there is no file.
func (d *Disk) claim(root *os.Root, owner string, empty bool) error {
	f, err := root.Open(ownerFile)
	if err == nil {
		b, e := io.ReadAll(io.LimitReader(f, 4<<10))
		f.Close()
		if e != nil {
			return e
		}
		if string(b) == owner {
			return nil
		}
		if !empty {
			return fmt.Errorf("%w: nothing was removed. If this is the same project after a restore or an upgrade, delete %s/%s and start again",
				ErrOtherOwner, d.cfg.Dir, ownerFile)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return root.WriteFile(ownerFile, []byte(owner), 0o600)
}

// names lists a directory.
func names(root *os.Root, dir string) ([]string, error) {
	f, err := root.Open(dir)
	if err != nil {
		return nil, err
	}
	all, err := f.Readdirnames(-1)
	return all, errors.Join(err, f.Close())
}
