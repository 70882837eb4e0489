//go:build unix

package pg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Restore brings the cluster back to a snapshot: on the same port, with the same sockets. Connections end, none is
// waited for; what was written since is gone. The copy is made while the server still runs, so that it is away for its
// stop and start alone; beforeStop, when not nil, is called before those. When the server does not start from the copy,
// it goes on with what it had.
func (c *Cluster) Restore(ctx context.Context, s *Snapshot, beforeStop func()) error {
	c.op.Lock()
	defer c.op.Unlock()
	return c.restore(ctx, s, beforeStop)
}

func (c *Cluster) restore(ctx context.Context, s *Snapshot, beforeStop func()) error {
	if err := errors.Join(c.runs(), s.fits(c.bin)); err != nil {
		return err
	}
	if c.durable {
		return c.restoreDurable(ctx, s, beforeStop)
	}
	next := c.dataDir + ".next"
	if err := s.write(ctx, next, c.acct, filepath.Join(c.dir.path, snapshotTemplate1)); err != nil {
		return errors.Join(fmt.Errorf("the snapshot could not be copied: %w", s.explain(err)), os.RemoveAll(next))
	}
	return c.swap(ctx, next, beforeStop)
}

// swap makes the data directory next, on the same file system, that of an ephemeral cluster.
func (c *Cluster) swap(ctx context.Context, next string, beforeStop func()) error {
	old := c.dataDir + ".old"
	c.removal.Wait() // of the one before
	c.flush(context.Background())
	if beforeStop != nil {
		beforeStop()
	}
	err := c.replaced(ctx, func() error {
		srv := c.current()
		if !srv.stop(syscall.SIGQUIT, stopGrace) {
			c.logger.Warn("PostgreSQL did not stop when told and was killed", "pid", srv.pid)
		}
		freeKilled(c.dataDir)
		if err := os.Rename(c.dataDir, old); err != nil {
			return err
		}
		if err := os.Rename(next, c.dataDir); err != nil {
			return errors.Join(err, os.Rename(old, c.dataDir))
		}
		return nil
	})
	if err != nil && c.stillStopped() {
		err = errors.Join(err, c.replaced(ctx, func() error {
			return errors.Join(os.Rename(c.dataDir, next), os.Rename(old, c.dataDir))
		}))
	}
	if err != nil {
		err = errors.Join(err, os.RemoveAll(next))
	}
	c.removal.Go(func() {
		if err := os.RemoveAll(old); err != nil {
			c.logger.Warn("a replaced data directory could not be removed", "directory", old, "error", err)
		}
	})
	return c.restored(ctx, err)
}

// flush has the last commits, which an ephemeral cluster writes a little later, written now: they are needed should it
// have to go on with what it has. One that cannot be asked is replaced all the same.
func (c *Cluster) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := c.superuserConn(ctx)
	if err != nil {
		return
	}
	defer conn.Close(ctx)
	_, _ = conn.PgConn().Exec(ctx, "set synchronous_commit = on; select pg_logical_emit_message(true, '', '')").ReadAll() // see above
}

// restored ends a Restore: when the server runs, its first connection is opened for who comes first.
func (c *Cluster) restored(ctx context.Context, err error) error {
	if err == nil {
		return c.connectFirst(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.replacing { // nothing could be started again
		c.replacing = false
		c.tellExited()
	}
	return err
}

// errEnded says that there is no server whose state could be kept or replaced.
var errEnded = errors.New("PostgreSQL has ended and can no longer be started again")

// runs is errEnded when the server was stopped or has died.
func (c *Cluster) runs() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hasEnded() {
		return errEnded
	}
	return nil
}

// hasEnded is called with mu held.
func (c *Cluster) hasEnded() bool { return c.srv.waitExited(0) && !c.replacing }

// restartLimit bounds a stop and the start after it, with what that has to recover.
const restartLimit = 10 * time.Minute

// portPatience is how long a restart waits for its port, which another program's connection may have taken for a moment.
const portPatience = 5 * time.Second

// replaced stops the server, or whatever else change does, and starts another in its place on the same port.
func (c *Cluster) replaced(ctx context.Context, change func() error) error {
	// once the server is stopped, who asked for it may go away: it must run again
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restartLimit)
	defer cancel()
	if conn := c.TakeConn(); conn != nil {
		_ = conn.Close(ctx) // nobody has used it
	}
	done, err := startSlot(ctx)
	if err != nil {
		return err
	}
	defer done()
	c.mu.Lock()
	ended := c.hasEnded()
	c.replacing = !ended
	c.mu.Unlock()
	if ended {
		return errEnded
	}
	if err := change(); err != nil {
		// what it was stopped for has failed: it must run all the same
		return errors.Join(err, c.startAgain(ctx))
	}
	return c.startAgain(ctx)
}

// startAgain starts the server that was stopped, unless it never was.
func (c *Cluster) startAgain(ctx context.Context) error {
	old := c.current()
	if !old.waitExited(0) {
		c.serve(old)
		return nil
	}
	l := c.launch
	l.port = old.port
	for deadline := time.Now().Add(portPatience); ; {
		srv, err := l.start(ctx)
		if err == nil {
			c.serve(srv)
			return nil
		}
		if !errors.Is(err, errPortTaken) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stillStopped tells that the server was stopped and none has followed.
func (c *Cluster) stillStopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.replacing
}

// write writes the snapshot's data directory to a new directory. template1 is where the files of template1 are put that
// it links to, when those it linked to are gone; with "" it gets copies, to stand by itself.
func (s *Snapshot) write(ctx context.Context, to string, owner account, template1 string) error {
	if err := s.extract(ctx, ".", to, owner); err != nil {
		return err
	}
	for name, target := range s.info.Links {
		if name != template1Dir && name != template0Dir {
			return fmt.Errorf("the snapshot in %s is damaged: it links to %q", s.dir, target)
		}
		at := filepath.Join(to, filepath.FromSlash(name))
		if template1 == "" {
			if err := s.writeTemplate1(ctx, target, at, owner); err != nil {
				return err
			}
			continue
		}
		if (&image{}).linkBase(target) != nil {
			if err := s.writeTemplate1(ctx, target, template1, owner); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			target = template1
		}
		if err := os.Symlink(target, at); err != nil {
			return err
		}
	}
	return nil
}

// writeTemplate1 writes the files of template1, which one that ends with the process has not got itself.
func (s *Snapshot) writeTemplate1(ctx context.Context, linked, to string, owner account) error {
	if s.run == nil {
		return s.extract(ctx, snapshotTemplate1, to, owner)
	}
	im, err := readImage(linked)
	if err != nil {
		return err
	}
	im.whole = true
	return im.writeTo(to, owner)
}

// startSnapshotOn starts an ephemeral cluster as the snapshot, without its first connection.
func startSnapshotOn(ctx context.Context, c Config, bin *Binaries, acct account, args []string) (*Cluster, error) {
	s := c.Snapshot
	base, err := baseFor(acct, s.info.Bytes)
	if err != nil {
		return nil, err
	}
	dir, err := newRunDir(base, acct)
	if err != nil {
		return nil, err
	}
	cl := c.ephemeral(dir, bin, acct, args)
	err = s.write(ctx, cl.dataDir, acct, filepath.Join(dir.path, snapshotTemplate1))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the snapshot could not be copied: %w", s.explain(err)), dir.remove())
	}
	cl.config.Snapshot = s.linkTo(filepath.Join(dir.path, "origin")) // for Reset
	srv, err := cl.launch.start(ctx)
	if err != nil {
		return nil, errors.Join(err, dir.remove())
	}
	cl.serve(srv)
	return cl, nil
}
