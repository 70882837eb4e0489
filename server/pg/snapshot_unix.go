//go:build unix

package pg

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Snapshot copies the data directory as it is at one instant. Connections stay, and notice a pause of some milliseconds:
// the processes stand still while the files are copied, after a checkpoint, so that the next start from the copy has
// hardly anything to recover. Only where there are unlogged tables, which a recovery would empty, the server is stopped
// for it and started again.
func (c *Cluster) Snapshot(ctx context.Context, o SnapshotOptions) (*Snapshot, error) {
	c.op.Lock()
	defer c.op.Unlock()
	s, err := c.snapshot(ctx, o)
	if err == nil && c.durable && o.Dir != "" {
		c.keepSpare(s)
	}
	return s, err
}

func (c *Cluster) snapshot(ctx context.Context, o SnapshotOptions) (_ *Snapshot, err error) {
	if err := c.runs(); err != nil {
		return nil, err
	}
	s, err := newSnapshot(o.Dir, c.acct, c.bin, c.dataDir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = s.abandon(err)
		}
	}()
	unlogged, err := hasUnlogged(c.dataDir)
	if err != nil {
		return nil, err
	}
	if !unlogged {
		if err := c.checkpoint(ctx); err != nil {
			return nil, err
		}
		err := s.copyFrozen(ctx, c.current().pid, c.dataDir, o.Still)
		if !errors.Is(err, errUnlogged) {
			return s, err
		}
	}
	return s, c.copyStopped(ctx, s, o)
}

// newSnapshot makes the directory of a snapshot.
func newSnapshot(dir string, a account, bin *Binaries, dataDir string) (*Snapshot, error) {
	s := &Snapshot{info: snapshotInfo{Format: snapshotFormat, Created: time.Now().UTC(), Major: bin.Major, Version: bin.Version,
		Archive: "cluster-" + strings.ToLower(rand.Text()) + ".data"}}
	if dir != "" {
		var err error
		if s.dir, err = filepath.Abs(dir); err != nil {
			return nil, err
		}
		if err := os.Mkdir(s.dir, 0o700); err != nil {
			return nil, fmt.Errorf("the snapshot's directory cannot be made: %w", err)
		}
		return s, nil
	}
	base := memoryBase
	if !roomInMemory(base, 1<<30) { // else it need not be known
		var err error
		if base, err = baseFor(a, treeSize(dataDir)); err != nil {
			return nil, err
		}
	}
	var err error
	if s.run, err = newRunDir(base, a); err != nil {
		return nil, err
	}
	s.dir = s.run.path
	return s, nil
}

// baseFor is where a copy of so many bytes goes: memory, where there is room, else the disk.
func baseFor(a account, size int64) (string, error) {
	if roomInMemory(memoryBase, size) {
		return memoryBase, nil
	}
	return diskBase(a)
}

// treeSize is the size of the files below a directory, as far as they can be seen.
func treeSize(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // it goes while the server works
		}
		if info, err := d.Info(); err == nil {
			size += info.Size()
		}
		return nil
	})
	return size
}

// checkpoint has everything that was committed written to the data directory.
func (c *Cluster) checkpoint(ctx context.Context) error {
	conn, err := c.superuserConn(ctx)
	if err != nil {
		return fmt.Errorf("PostgreSQL could not be asked to write its data: %w", err)
	}
	return checkpointOn(ctx, conn)
}

func checkpointOn(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.PgConn().Exec(ctx, "checkpoint").ReadAll()
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

// copyFrozen copies the data directory of a running server that stands still meanwhile.
func (s *Snapshot) copyFrozen(ctx context.Context, postmaster int, dataDir string, still func() error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, freezeLimit)
	defer cancel()
	thaw, err := freeze(ctx, postmaster)
	if err != nil {
		return err
	}
	defer func() { _ = thaw() }() // a panic must not leave it so
	err = s.copyData(ctx, dataDir)
	if err == nil && still != nil {
		err = still()
	}
	if err = errors.Join(err, thaw()); err != nil {
		return err
	}
	return s.finish(ctx)
}

// copyStopped stops the server in an orderly way, copies and starts it again on the same port.
func (c *Cluster) copyStopped(ctx context.Context, s *Snapshot, o SnapshotOptions) error {
	if o.BeforeStop != nil {
		o.BeforeStop()
	}
	s.info.Stopped = true
	err := c.replaced(ctx, func() error {
		if !c.current().stop(syscall.SIGINT, durableStopLimit) {
			return errors.New("PostgreSQL did not stop in time for the snapshot")
		}
		err := s.copyData(ctx, c.dataDir)
		if err == nil && o.Still != nil {
			err = o.Still()
		}
		return err
	})
	if err != nil {
		return c.restored(ctx, err)
	}
	return s.finish(ctx)
}

// errUnlogged says that there are tables that a recovery empties.
var errUnlogged = errors.New("there are unlogged tables")

// initFork ends the name of the file that an unlogged relation begins anew from.
const initFork = "_init"

// hasUnlogged tells whether any database has an unlogged relation.
func hasUnlogged(dataDir string) (bool, error) {
	found := false
	err := filepath.WalkDir(filepath.Join(dataDir, "base"), func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went meanwhile
		}
		if err == nil && strings.HasSuffix(d.Name(), initFork) {
			found = true
			return fs.SkipAll
		}
		return err
	})
	return found, err
}

// copyData copies a data directory that nobody writes to.
func (s *Snapshot) copyData(ctx context.Context, dataDir string) error {
	wal, err := walToKeep(dataDir)
	if err != nil {
		return err
	}
	unlogged := false
	t := fileTree{root: dataDir}
	t.keep = func(name string, d fs.DirEntry) bool {
		if ctx.Err() != nil || unlogged {
			return false
		}
		if !s.info.Stopped && strings.HasSuffix(name, initFork) && strings.HasPrefix(name, "base/") {
			unlogged = true
			return false
		}
		if dir, base := path.Split(name); dir == "pg_wal/" && !d.IsDir() {
			return wal(base)
		}
		return keepInSnapshot(name)
	}
	s.info.Links = nil
	t.link = func(name, target string) error {
		if name != template1Dir && name != template0Dir {
			return fmt.Errorf("%s %w", name, errForeignFile)
		}
		if s.info.Links == nil {
			s.info.Links = map[string]string{}
		}
		s.info.Links[name] = target
		return nil
	}
	if err := t.list("."); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case unlogged:
		return errUnlogged
	}
	if s.archive, err = newArchive(filepath.Join(s.dir, s.archiveName())); err != nil {
		return err
	}
	return s.archive.add(ctx, &t)
}

// finish completes a snapshot while the server goes on.
func (s *Snapshot) finish(ctx context.Context) error {
	// one that may outlive the template keeps the files of template1 that stand beside that
	if target, ok := s.info.Links[template1Dir]; ok && s.run == nil {
		t := fileTree{root: target, as: snapshotTemplate1, keep: func(name string, _ fs.DirEntry) bool {
			return !strings.HasPrefix(path.Base(name), cacheFilePrefix)
		}}
		if err := t.list("."); err != nil {
			return err
		}
		if err := s.archive.add(ctx, &t); err != nil {
			return err
		}
	}
	w := s.archive
	s.archive = nil
	if err := w.close(); err != nil {
		return err
	}
	s.info.Dirs, s.info.Files = w.dirs, w.files
	for _, f := range w.files {
		s.info.Bytes += f.Size
	}
	return s.seal()
}

// abandon removes a snapshot that could not be completed, and says what to do about that.
func (s *Snapshot) abandon(err error) error {
	if isFull(err) {
		err = fmt.Errorf("there is no room for the snapshot in %s: free some or set SUPARUST_SNAPSHOT_DIR to a larger disk: %w", filepath.Dir(s.dir), err)
	}
	if s.archive != nil {
		_ = s.archive.close() // it goes
		s.archive = nil
	}
	return errors.Join(err, s.Remove())
}

// walToKeep tells by its name which file of pg_wal a start from the data directory needs: the segments from the last
// checkpoint's redo point on, without those that are only kept to be used again.
func walToKeep(dataDir string) (func(name string) bool, error) {
	control, err := os.ReadFile(filepath.Join(dataDir, "global", "pg_control"))
	if err != nil {
		return nil, err
	}
	if len(control) < controlTimeline+4 {
		return nil, errors.New("pg_control is cut off")
	}
	redo := binary.NativeEndian.Uint64(control[controlRedo:])
	return func(name string) bool {
		if len(name) != 24 || strings.Trim(name, "0123456789ABCDEF") != "" {
			return strings.HasSuffix(name, ".history")
		}
		begin, size, ok := segmentBegin(filepath.Join(dataDir, "pg_wal", name))
		return ok && begin+uint64(size) > redo && begin == segmentNamed(name, size)
	}, nil
}

// segmentBegin is where the write-ahead log in a segment begins by its first page; in one that is kept to be used again
// that is not what its name says.
func segmentBegin(file string) (begin uint64, size int64, ok bool) {
	f, err := os.Open(file)
	if err != nil {
		return 0, 0, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, 0, false
	}
	var header [16]byte
	if _, err := f.ReadAt(header[:], 0); err != nil {
		return 0, 0, false
	}
	return binary.NativeEndian.Uint64(header[8:]), info.Size(), true
}

// segmentNamed is where the segment of a name begins.
func segmentNamed(name string, size int64) uint64 {
	var timeline, high, low uint64
	if _, err := fmt.Sscanf(name, "%08X%08X%08X", &timeline, &high, &low); err != nil {
		return 0
	}
	return high<<32 + low*uint64(size)
}
