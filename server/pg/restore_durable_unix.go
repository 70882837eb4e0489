//go:build unix

package pg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// A data directory that is kept is replaced from within, for it may be a mount point or stand where nothing else may be
// made. At every step either the old or the new data are whole, and finishRestore goes on from where a dead process
// stopped:
//
//	.suparust-restoring  the new data while they are copied; what a dead process leaves is removed
//	.suparust-next       the new data, whole: from here on they win. The old ones move to .suparust-old, PG_VERSION first
//	.suparust-now        .suparust-next, when the old ones are out of the way. They move up, PG_VERSION last
//	.suparust-old        the old data, until the server runs on the new ones

// RestoreDataDir replaces the data in a data directory that no server uses by those of a snapshot. A directory that is
// not there is made.
func RestoreDataDir(ctx context.Context, dataDir string, s *Snapshot) error {
	path, err := filepath.Abs(dataDir)
	if err != nil {
		return err
	}
	d, err := openDataDir(path, orDiscard(nil))
	if err != nil {
		return err
	}
	err = d.restore(ctx, s)
	return errors.Join(err, d.lock.Close())
}

// restore replaces the data of a directory without a server.
func (d *durable) restore(ctx context.Context, s *Snapshot) error {
	if err := d.takeOver(ctx); err != nil {
		return err
	}
	if version, err := dataVersion(d.path); err != nil {
		return err
	} else if version == "" {
		if err := d.refuseForeign(nil); err != nil {
			return err
		}
	}
	if err := s.writeNext(ctx, d.path, d.acct); err != nil {
		return err
	}
	if err := installNext(d.path); err != nil {
		return err
	}
	return errors.Join(d.own(), removeTree(d.path, restoreOld))
}

// writeNext copies the snapshot into the data directory, beside what is there.
func (s *Snapshot) writeNext(ctx context.Context, dataDir string, owner account) error {
	err := writeBeside(dataDir, restoreNext, func(dir string) error { return s.write(ctx, dir, owner, "") })
	if err != nil {
		return fmt.Errorf("the snapshot could not be copied to %s: %w", dataDir, s.explain(err))
	}
	return nil
}

// writeBeside has write make a directory in a data directory, which has its name when all of it is on the disk.
func writeBeside(dataDir, name string, write func(dir string) error) error {
	part := filepath.Join(dataDir, restorePart)
	whole := filepath.Join(part, rand.Text())
	err := os.RemoveAll(part)
	if err == nil {
		err = os.Mkdir(part, 0o700)
	}
	if err == nil {
		spreadBelow(part)
		err = write(whole)
	}
	if err == nil {
		err = syncTree(part)
	}
	if err == nil {
		err = os.Rename(whole, filepath.Join(dataDir, name))
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(part))
	}
	return errors.Join(os.Remove(part), syncPath(dataDir))
}

// installNext makes .suparust-next the data of the directory. It may be called again wherever it was interrupted.
func installNext(dataDir string) error {
	in := func(names ...string) string { return filepath.Join(append([]string{dataDir}, names...)...) }
	if exists(in(restoreNext)) {
		if err := os.Mkdir(in(restoreOld), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := moveAll(dataDir, in(restoreOld), isData, true); err != nil {
			return err
		}
		if err := errors.Join(syncPath(dataDir), os.Rename(in(restoreNext), in(restoreNow)), syncPath(dataDir)); err != nil {
			return err
		}
	}
	if !exists(in(restoreNow)) {
		return nil
	}
	if err := moveAll(in(restoreNow), dataDir, func(string) bool { return true }, false); err != nil {
		return err
	}
	return errors.Join(os.Remove(in(restoreNow)), syncPath(dataDir))
}

// moveAll moves entries to another directory, PG_VERSION first or last.
func moveAll(from, to string, which func(string) bool, versionFirst bool) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	const version = "PG_VERSION"
	move := func(name string) error { return os.Rename(filepath.Join(from, name), filepath.Join(to, name)) }
	has := false
	for _, e := range entries {
		has = has || e.Name() == version
	}
	if has && versionFirst {
		if err := errors.Join(move(version), syncPath(from)); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if e.Name() != version && which(e.Name()) {
			if err := move(e.Name()); err != nil {
				return err
			}
		}
	}
	if has && !versionFirst {
		return errors.Join(syncPath(to), move(version))
	}
	return nil
}

// finishRestore completes what a process that died has begun.
func (d *durable) finishRestore() error {
	if err := errors.Join(removeTree(d.path, restorePart), removeTree(d.path, restoreSpare)); err != nil {
		return err
	}
	if exists(filepath.Join(d.path, restoreNext)) || exists(filepath.Join(d.path, restoreNow)) {
		d.log.Info("a restore of this data directory was interrupted and is completed", "directory", d.path)
		if err := errors.Join(installNext(d.path), d.own()); err != nil {
			return fmt.Errorf("the interrupted restore in %s cannot be completed: %w", d.path, err)
		}
	}
	return removeTree(d.path, restoreOld)
}

func removeTree(dir, name string) error { return os.RemoveAll(filepath.Join(dir, name)) }

// restoreDurable is Restore of a data directory that is kept.
func (c *Cluster) restoreDurable(ctx context.Context, s *Snapshot, beforeStop func()) error {
	taken, err := c.takeSpare(ctx, s)
	if err == nil && !taken {
		err = s.writeNext(ctx, c.dataDir, c.acct)
	}
	if err != nil {
		return errors.Join(err, c.dropNext())
	}
	if beforeStop != nil {
		beforeStop()
	}
	err = c.replaced(ctx, func() error {
		c.current().stop(syscall.SIGQUIT, stopGrace) // what it would still write is thrown away
		// one that had to be killed may have left processes that write
		if err := (&durable{path: c.dataDir, log: c.logger}).awaitPredecessor(ctx); err != nil {
			return err
		}
		return installNext(c.dataDir)
	})
	if err != nil && c.stillStopped() {
		// back to what there was, in the same way
		e := c.replaced(ctx, func() error {
			if exists(filepath.Join(c.dataDir, restoreNext)) || exists(filepath.Join(c.dataDir, restoreNow)) {
				return errors.New("the data directory is left as it is: its next start completes the restore")
			}
			if err := os.Rename(filepath.Join(c.dataDir, restoreOld), filepath.Join(c.dataDir, restoreNext)); err != nil {
				return err
			}
			return installNext(c.dataDir)
		})
		err = errors.Join(err, e)
	}
	switch {
	case err == nil:
		if err := os.Rename(filepath.Join(c.dataDir, restoreOld), filepath.Join(c.dataDir, restoreSpare)); err != nil {
			c.logger.Warn("the replaced data could not be removed; the next start removes them", "error", err)
		}
		c.keepSpare(s)
	case !c.stillStopped(): // it runs on what it had
		err = errors.Join(err, c.dropNext(), removeTree(c.dataDir, restoreOld))
	}
	return c.restored(ctx, err)
}

// dropNext removes data that are not to be installed, in one step for whoever starts on the directory next.
func (c *Cluster) dropNext() error {
	err := os.Rename(filepath.Join(c.dataDir, restoreNext), filepath.Join(c.dataDir, restoreSpare))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err = errors.Join(err, syncPath(c.dataDir))
	c.removeSpare()
	return err
}
