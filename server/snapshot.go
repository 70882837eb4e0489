package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/storage/blob"
	"github.com/suparust/suparust/server/pg"
)

// Snapshot saves the database and the files as they are at one instant.
// Requests and connections go on: they notice a pause of some milliseconds.
// Only where the database has unlogged tables PostgreSQL is stopped for it, in
// an orderly way, and started again.
//
// With a name it is a folder in Config.SnapshotDir, in the place of an older
// one of that name; with "" it ends with the process.
func (s *Server) Snapshot(ctx context.Context, name string) (_ *Snapshot, err error) {
	done, err := s.beginRestart()
	if err != nil {
		return nil, err
	}
	defer done()
	var folder *newFolder
	var database string
	if name != "" {
		if folder, err = s.cfg.newFolder(name); err != nil {
			return nil, err
		}
		database = filepath.Join(folder.part, snapshotDatabase)
	}
	n := &Snapshot{of: s, schema: s.rest.KnownSchema()}
	defer func() {
		if err == nil {
			return
		}
		if folder != nil {
			err = errors.Join(err, folder.abandon())
		} else if n.pg != nil {
			err = errors.Join(err, n.Remove())
		}
	}()
	var hold *blob.Hold
	if s.disk != nil {
		hold = s.disk.Hold() // bytes may not go that the copy of the database names
		defer func() { err = errors.Join(err, hold.Release(nil)) }()
	}
	_, err = s.stoppable(ctx, func(beforeStop func()) (err error) {
		n.pg, err = s.db.cluster.Snapshot(ctx, pg.SnapshotOptions{Dir: database, BeforeStop: beforeStop})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("save the snapshot: %w", err)
	}
	if s.disk != nil {
		n.files = s.filesOf(n, folder)
		if n.Files, n.FileBytes, err = s.disk.LinkTo(ctx, n.files, folder != nil); err != nil {
			return nil, fmt.Errorf("save the files of the snapshot: %w", err)
		}
	} else {
		s.cfg.Logger.Warn("the files are in an S3 bucket and no part of the snapshot", "snapshot", name)
	}
	if err := n.describe(&s.cfg, name); err != nil {
		return nil, err
	}
	if folder != nil {
		return n, n.seal(folder)
	}
	return n, nil
}

// filesOf is where the files of a snapshot go: in its folder, beside the files
// of the database, or, where those are in memory and Storage is not, where the
// next start of a store removes what is left.
func (s *Server) filesOf(n *Snapshot, folder *newFolder) string {
	switch {
	case folder != nil:
		return filepath.Join(folder.part, snapshotFiles)
	case s.cfg.Storage.Root == "":
		return filepath.Join(n.pg.Dir(), snapshotFiles)
	}
	return s.disk.TempDir("snapshot-" + rand.Text())
}

// Restore brings the database and the files back to the snapshot of that name.
// See RestoreSnapshot.
func (s *Server) Restore(ctx context.Context, name string) error {
	n, err := OpenSnapshot(s.cfg, name)
	if err != nil {
		return err
	}
	return s.RestoreSnapshot(ctx, n)
}

// RestoreSnapshot brings the database and the files back to a snapshot.
// Connections to the database end, none is waited for; the database stays at
// its address. Requests that come meanwhile wait. Those under way fail or end
// as they would in a crash of PostgreSQL.
//
// The mailbox and the clock stay as they are, and so do keys: tokens of users
// and sessions that the snapshot has are good again.
func (s *Server) RestoreSnapshot(ctx context.Context, n *Snapshot) error {
	settled := true
	if n.of != s { // it may be of a server with other settings or migrations
		key, err := s.cfg.settledKey()
		if err != nil {
			return err
		}
		settled = n.Settled == key
	}
	return s.replace(ctx, n, s.clock.offset, func(ctx context.Context, beforeStop func()) error {
		if err := s.db.cluster.Restore(ctx, n.pg, beforeStop); err != nil {
			return fmt.Errorf("restore the snapshot: %w", err)
		}
		if !settled {
			return s.db.update(ctx, &s.cfg)
		}
		return nil
	})
}

// Reset brings the server back to the state after Start, or at the last Mark:
// the database and the files, an empty mailbox, the clock as it was. It does
// what RestoreSnapshot does to connections and requests. Only a database that
// ends with the server can be reset.
func (s *Server) Reset(ctx context.Context) error {
	s.clock.moving.Lock()
	defer s.clock.moving.Unlock()
	s.baseMu.Lock()
	n, ahead := s.baseline, s.baselineAhead
	s.baseMu.Unlock()
	if err := s.replace(ctx, n, func() time.Duration { return ahead }, s.db.resetCluster); err != nil {
		return err
	}
	s.cfg.Mailbox.Delete()
	s.clock.setOffset(ahead)
	return nil
}

// Resets tells whether the database is one that Reset can bring back: the
// server's own, and none that is kept.
func (s *Server) Resets() bool { return s.Cluster() != nil && s.cfg.Database.DataDir == "" }

// OpenSnapshot finds a named snapshot.
func (s *Server) OpenSnapshot(name string) (*Snapshot, error) { return OpenSnapshot(s.cfg, name) }

// Mark makes the present state the one that Reset goes back to. Nobody else may
// be writing. conn, of the role postgres, spares it a connection of its own; it
// may be nil. restarted tells that connections have ended, for there are
// unlogged tables; see Snapshot.
func (s *Server) Mark(ctx context.Context, conn *pgx.Conn) (restarted bool, err error) {
	done, err := s.beginRestart()
	if err != nil {
		return false, err
	}
	defer done()
	return s.mark(ctx, conn)
}

func (s *Server) mark(ctx context.Context, conn *pgx.Conn) (restarted bool, err error) {
	restarted, err = s.stoppable(ctx, func(beforeStop func()) error { return s.db.cluster.Mark(ctx, conn, beforeStop) })
	if err != nil {
		return restarted, err
	}
	return restarted, s.markFiles(ctx)
}

// stoppable does what stops PostgreSQL and starts it again if it calls
// beforeStop first. Requests wait meanwhile.
func (s *Server) stoppable(ctx context.Context, do func(beforeStop func()) error) (stopped bool, err error) {
	var restarted func(context.Context, *catalog.Snapshot) error
	defer s.gate.open() // after a panic too
	err = do(func() {
		s.gate.close()
		restarted = s.rest.Restarting()
	})
	if restarted == nil {
		return false, err
	}
	s.db.renew()
	s.cronHeard()
	return true, errors.Join(err, restarted(context.WithoutCancel(ctx), s.rest.KnownSchema()))
}

// markFiles keeps the present files for Reset.
func (s *Server) markFiles(ctx context.Context) error {
	n := &Snapshot{}
	if s.disk != nil {
		n.files = s.disk.TempDir("baseline-" + rand.Text())
		var err error
		if n.Files, _, err = s.disk.LinkTo(ctx, n.files, false); err != nil {
			return err
		}
	}
	s.baseMu.Lock()
	old := s.baseline
	s.baseline, s.baselineAhead = n, s.clock.offset()
	s.baseMu.Unlock()
	if old != nil && old.files != "" {
		return os.RemoveAll(old.files)
	}
	return nil
}

// beginRestart refuses what cannot be and keeps others from doing it as well.
func (s *Server) beginRestart() (done func(), err error) {
	if !s.serves() {
		return nil, errNotServing
	}
	if s.db.cluster == nil {
		return nil, errExternalSnapshot
	}
	s.restarts.Lock()
	return s.restarts.Unlock, nil
}

// replace puts another state into the place of the database's and the files':
// restart does it to the database, n has the files, and ahead is what the clock
// is then. Files are put there before the rows that name them, and go when
// nothing names them any more.
func (s *Server) replace(ctx context.Context, n *Snapshot, ahead func() time.Duration, restart func(ctx context.Context, beforeStop func()) error) (err error) {
	done, err := s.beginRestart()
	if err != nil {
		return err
	}
	defer done()
	var (
		hold *blob.Hold
		kept map[string]struct{}
	)
	if s.disk != nil {
		hold = s.disk.Hold()
		if n != nil && n.files != "" {
			if kept, err = s.disk.LinkFrom(ctx, n.files); err != nil {
				return errors.Join(fmt.Errorf("bring the files back: %w", err), hold.Release(nil))
			}
		}
	}
	var schema *catalog.Snapshot
	if n != nil {
		schema = n.schema
	}
	var (
		gone      <-chan struct{}
		restarted func(context.Context, *catalog.Snapshot) error
		sendAgain func()
	)
	// it is carried through: a database that is half replaced is of no use to who went away
	ctx = context.WithoutCancel(ctx)
	defer s.gate.open() // after a panic too
	err = restart(ctx, func() {
		gone = s.gate.close()
		restarted = s.rest.Restarting()
		sendAgain = s.net.replaced()
	})
	if restarted == nil { // it has not come to that
		return errors.Join(err, hold.Release(nil))
	}
	if err != nil {
		kept, schema = nil, nil
	}
	s.db.renew()
	s.storage.Replaced()
	defer s.cronHeard() // its jobs may be others now
	if err == nil && s.cfg.SQLClock {
		err = s.db.moveClock(ctx, ahead())
	}
	sendAgain()
	err = errors.Join(err, restarted(ctx, schema))
	if hold != nil {
		var before []string
		if err == nil {
			err = s.disk.Disown() // the database may be another's
		}
		if err == nil {
			before, err = s.disk.Versions()
		}
		s.settling.Go(func() { s.settleFiles(gone, hold, kept, before) })
	}
	return err
}

// settleFiles removes the files that the state of the database before had, and
// the present one has not, when no request of that time is left that might
// still give or take one.
func (s *Server) settleFiles(gone <-chan struct{}, hold *blob.Hold, kept map[string]struct{}, before []string) {
	select {
	case <-gone:
	case <-s.ending.Done():
		select { // Shutdown waits for requests; if it gave some up, the next start finds what is left
		case <-gone:
		default:
			return
		}
	}
	err := hold.Release(kept)
	var loose []string
	for _, v := range before {
		if _, ok := kept[v]; !ok && blob.ValidVersion(v) {
			loose = append(loose, v)
		}
	}
	if len(loose) > 0 && s.ending.Err() == nil {
		err = errors.Join(err, s.storage.RemoveOrphans(s.ending, loose))
	}
	if err != nil && s.ending.Err() == nil {
		s.cfg.Logger.Warn("files that a restore has left over could not be removed; the next start removes them", "target", "storage", "error", err)
	}
}

func (d *database) resetCluster(ctx context.Context, beforeStop func()) error {
	return d.cluster.Reset(ctx, beforeStop)
}

// renew has the pools forget the connections to a server that has ended.
func (d *database) renew() {
	d.api.Renew(d.cluster.TakeConn())
	d.auth.Renew(nil)
}

// beginState brings the files of the snapshot that the server starts from, and
// the project's, and remembers what Reset goes back to where that is not what
// the database was started as.
func (s *Server) beginState(ctx context.Context) error {
	from := s.cfg.From
	ephemeral := s.db.cluster != nil && s.cfg.Database.DataDir == ""
	if from != nil && ephemeral && s.disk != nil && from.files != "" {
		if _, err := s.disk.LinkFrom(ctx, from.files); err != nil {
			return fmt.Errorf("bring the files of the snapshot: %w", err)
		}
	}
	seeded, err := s.seedObjects(ctx)
	switch {
	case err != nil || !ephemeral:
		return err
	case seeded || s.db.written:
		_, err := s.mark(ctx, nil)
		return err
	case from != nil:
		return s.markFiles(ctx)
	}
	return nil
}
