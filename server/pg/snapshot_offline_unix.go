//go:build unix

package pg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
	"github.com/jackc/pgx/v5"
)

// SnapshotDataDir copies a data directory that is kept: of a server that does not run, or of one that another process
// runs, which stands still meanwhile and keeps its connections.
func SnapshotDataDir(ctx context.Context, dataDir string, o SnapshotOptions) (_ *Snapshot, err error) {
	path, err := filepath.Abs(dataDir)
	if err != nil {
		return nil, err
	}
	major, err := DataDirMajor(path)
	if err == nil && major == 0 {
		err = fmt.Errorf("there is no database in %s: start the server once", path)
	}
	if err != nil {
		return nil, err
	}
	s, err := newSnapshot(o.Dir, selfAccount(), &Binaries{Major: major, Version: fmt.Sprint(major)}, path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = s.abandon(err)
		}
	}()
	lock := flock.New(filepath.Join(path, dataLockName), flock.SetPermissions(0o600))
	free, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("the data directory %s cannot be used: %w", path, err)
	}
	if free {
		return s, errors.Join(s.copyOffline(ctx, path, lock, o), lock.Close())
	}
	return s, errors.Join(s.copyForeign(ctx, path, o), lock.Close())
}

// copyOffline copies the data directory of a server that does not run; the lock on it is ours.
func (s *Snapshot) copyOffline(ctx context.Context, path string, lock *flock.Flock, o SnapshotOptions) error {
	acct, err := processAccount()
	if err != nil {
		return err
	}
	d := &durable{path: path, acct: acct, lock: lock, log: orDiscard(nil)}
	if err := d.takeOver(ctx); err != nil {
		return err
	}
	s.info.Stopped = true
	err = s.copyData(ctx, path)
	if err == nil && o.Still != nil {
		err = o.Still()
	}
	if err != nil {
		return err
	}
	return s.finish(ctx)
}

// copyForeign copies the data directory of a server that another process runs.
func (s *Snapshot) copyForeign(ctx context.Context, path string, o SnapshotOptions) error {
	const stop = "stop the server, or start it with SUPARUST_CONTROL=true, and save the snapshot then"
	pf, err := readPidFile(path)
	if err != nil || !isPostgresOn(pf.pid, path) || pf.socketDir == "" {
		return fmt.Errorf("the server of the data directory %s is just starting or ending: try again in a moment", path)
	}
	if unlogged, err := hasUnlogged(path); unlogged || err != nil {
		return errors.Join(err, fmt.Errorf("%w, which are whole only when PostgreSQL is stopped: %s", errUnlogged, stop))
	}
	cfg, err := socketConfig(pf.socketDir, pf.port, superuser, "postgres")
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("the running PostgreSQL cannot be reached from here (%w): %s, or run this as the server's user", err, stop)
	}
	if err := checkpointOn(ctx, conn); err != nil {
		return err
	}
	if err := s.copyFrozen(ctx, pf.pid, path, o.Still); err != nil {
		if errors.Is(err, os.ErrPermission) {
			return fmt.Errorf("%w: %s, or run this as the server's user", err, stop)
		}
		return err
	}
	return nil
}

// linkTo gives a snapshot a second place in dir, where that is on the same file system: it can be used when the first
// is gone.
func (s *Snapshot) linkTo(dir string) *Snapshot {
	second := *s
	second.dir, second.run = dir, s.run
	if os.Mkdir(dir, 0o700) != nil {
		return s
	}
	for _, name := range []string{s.archiveName(), snapshotInfoName} {
		if err := os.Link(filepath.Join(s.dir, name), filepath.Join(dir, name)); err != nil {
			_ = os.RemoveAll(dir) // it goes with the run directory if not now
			return s
		}
	}
	return &second
}

// explain says what to do about an error of a copy of the snapshot.
func (s *Snapshot) explain(err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist) && !exists(filepath.Join(s.dir, s.archiveName())):
		return fmt.Errorf("%w: the one in %s was removed or replaced (%w)", ErrNoSnapshot, strings.TrimSuffix(s.dir, "/database"), err)
	case isFull(err):
		return fmt.Errorf("there is no room for its %d MB: free some: %w", s.info.Bytes>>20, err)
	}
	return err
}
