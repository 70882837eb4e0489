//go:build unix

package pg

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// A spare is a copy of the snapshot that a cluster with a kept data directory has saved or restored last, which is made
// in that directory, as .suparust-spare, while the server goes on. Going back to the same snapshot again, as tests do, is
// then a stop, some renames and a start. The data that a restore replaces become the next spare: in those only what
// differs has to be written.
type spare struct {
	archive string        // of the snapshot
	made    chan struct{} // closed when it is on the disk, or will not be
	ended   chan struct{} // closed when nothing works on it any more
	whole   bool          // valid when ended is closed
	cancel  context.CancelFunc
}

const (
	// spareLimit bounds the size of a spare: the writing of more would be felt.
	spareLimit = 128 << 20
	// spareRoom is what stays free on the disk beside it.
	spareRoom = 1 << 30
	// spareLife is how long one is kept that nobody asks for.
	spareLife = 10 * time.Minute
)

// keepSpare begins to make the spare of a snapshot, out of what there is of one. Where there should be none, what there
// is goes.
func (c *Cluster) keepSpare(s *Snapshot) {
	c.endSpare()
	ctx, cancel := context.WithCancel(context.Background())
	sp := &spare{made: make(chan struct{}), ended: make(chan struct{}), cancel: cancel}
	c.spare = sp
	var src *os.File
	if s != nil && s.fitsSpare(c.dataDir) {
		src, _ = s.openArchive() // at once: the snapshot may get another name now
	}
	if src != nil {
		sp.archive = s.info.Archive
	}
	go func() {
		defer close(sp.ended)
		if src != nil {
			err := errors.Join(s.writeSpare(ctx, src, c.dataDir, c.acct), src.Close())
			sp.whole = err == nil
			if err != nil && ctx.Err() == nil {
				c.logger.Debug("no copy of the snapshot is kept ready", "error", err)
			}
		}
		close(sp.made)
		if sp.whole {
			unwanted := time.NewTimer(c.spareLife)
			defer unwanted.Stop()
			select {
			case <-ctx.Done():
			case <-unwanted.C:
				sp.whole = false
			}
		}
		if !sp.whole && ctx.Err() == nil {
			c.removeSpare()
		}
	}()
}

// fitsSpare tells whether a copy of the snapshot is kept ready in a data directory.
func (s *Snapshot) fitsSpare(dataDir string) bool {
	return s.info.Archive != "" && len(s.info.Links) == 0 && s.info.Bytes <= spareLimit && Free(dataDir) >= s.info.Bytes+spareRoom
}

// writeSpare makes the spare, out of what there is of one.
func (s *Snapshot) writeSpare(ctx context.Context, src *os.File, dataDir string, owner account) error {
	at := filepath.Join(dataDir, restoreSpare)
	if exists(at) {
		if err := s.refresh(ctx, src, at, owner); err != nil {
			return err
		}
		return syncTree(at)
	}
	return writeBeside(dataDir, restoreSpare, func(dir string) error {
		return s.extractOver(ctx, src, ".", dir, owner, fileTree{})
	})
}

// takeSpare makes the spare the next data where it is one of the snapshot.
func (c *Cluster) takeSpare(ctx context.Context, s *Snapshot) (taken bool, err error) {
	sp := c.spare
	if sp == nil {
		return false, nil
	}
	wanted := sp.archive != "" && sp.archive == s.info.Archive && exists(filepath.Join(s.dir, sp.archive)) // it was not removed
	if wanted {
		select {
		case <-sp.made:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	c.endSpare()
	if !wanted || !sp.whole {
		c.removeSpare()
		return false, nil
	}
	err = os.Rename(filepath.Join(c.dataDir, restoreSpare), filepath.Join(c.dataDir, restoreNext))
	return err == nil, errors.Join(err, syncPath(c.dataDir))
}

// endSpare waits until nothing works on the spare. What there is of it stays.
func (c *Cluster) endSpare() {
	if c.spare != nil {
		c.spare.cancel()
		<-c.spare.ended
		c.spare = nil
	}
}

// removeSpare removes what there is of a spare.
func (c *Cluster) removeSpare() {
	if err := removeTree(c.dataDir, restoreSpare); err != nil {
		c.logger.Warn("a copy of data that is no longer needed could not be removed; the next start removes it", "error", err)
	}
}
