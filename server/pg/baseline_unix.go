//go:build unix

package pg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A baseline is what Reset goes back to. Without one that is what the cluster started as, which costs nothing to
// remember. One that is marked later is the template and the write-ahead log since, which a recovery replays: a start
// may be marked in about a millisecond. Where that is not all, it is a snapshot.
type baseline struct {
	image     *image
	sequences [][2]string // object id and last value: recovery alone would skip some numbers
	snapshot  *Snapshot
}

// maxBaselineWAL bounds what is kept of the write-ahead log; beyond, a snapshot is smaller and quicker to go back to.
const maxBaselineWAL = 8 << 20

// Mark makes the present state the one that Reset goes back to. Nobody else may be writing. conn, a superuser's, is used
// for it when it is not nil. beforeStop, when not nil, is called when the server has to be stopped and started again for
// it; see SnapshotOptions.
func (c *Cluster) Mark(ctx context.Context, conn *pgx.Conn, beforeStop func()) error {
	c.op.Lock()
	defer c.op.Unlock()
	if c.durable {
		return ErrKept
	}
	if err := c.runs(); err != nil {
		return err
	}
	b, err := c.logBaseline(ctx, conn)
	if errors.Is(err, errNotInLog) {
		b = &baseline{}
		b.snapshot, err = c.snapshot(ctx, SnapshotOptions{BeforeStop: beforeStop})
	}
	if err != nil {
		return err
	}
	old := c.base
	c.base = b
	return old.remove()
}

func (b *baseline) remove() error {
	if b == nil || b.snapshot == nil {
		return nil
	}
	return b.snapshot.Remove()
}

// Reset brings the cluster back to the state at its start, or at the last Mark. It does what Restore does to
// connections, and calls beforeStop as that does.
func (c *Cluster) Reset(ctx context.Context, beforeStop func()) error {
	c.op.Lock()
	defer c.op.Unlock()
	var im *image
	switch b := c.base; {
	case c.durable:
		return ErrKept
	case b != nil && b.snapshot != nil:
		return c.restore(ctx, b.snapshot, beforeStop)
	case b != nil:
		im = b.image
	case c.config.Snapshot != nil:
		return c.restore(ctx, c.config.Snapshot, beforeStop)
	default:
		im = c.tmpl.image
	}
	if err := c.runs(); err != nil {
		return err
	}
	next := c.dataDir + ".next"
	if err := im.writeTo(next, c.acct); err != nil {
		return errors.Join(fmt.Errorf("the database could not be copied: %w", err), os.RemoveAll(next))
	}
	if err := c.swap(ctx, next, beforeStop); err != nil {
		return err
	}
	return c.base.setSequences(ctx, c)
}

// errNotInLog says that the template and the write-ahead log do not make the present state.
var errNotInLog = errors.New("the state is not in the write-ahead log alone")

// sequencesSQL reads what sequences have given out. A recovery brings them to the next value that the log has, which is
// up to 32 further.
const sequencesSQL = `select id::text, last::text
from (select c.oid as id from pg_catalog.pg_sequence s join pg_catalog.pg_class c on c.oid = s.seqrelid where c.relpersistence = 'p' offset 0) s,
	lateral pg_catalog.pg_sequence_last_value(id) last where last is not null`

// logBaseline is the template with the write-ahead log since.
func (c *Cluster) logBaseline(ctx context.Context, conn *pgx.Conn) (*baseline, error) {
	if c.tmpl == nil {
		return nil, errNotInLog
	}
	if err := c.onlyInLog(); err != nil {
		return nil, err
	}
	b := &baseline{}
	if conn == nil || conn.PgConn().ParameterStatus("is_superuser") != "on" {
		var err error
		if conn, err = c.superuserConn(ctx); err != nil {
			return nil, err
		}
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing of it is pending
	}
	results, err := conn.PgConn().Exec(ctx, "select pg_catalog.pg_switch_wal(); "+sequencesSQL).ReadAll() // the former flushes
	if err != nil {
		return nil, err
	}
	for _, row := range results[len(results)-1].Rows {
		b.sequences = append(b.sequences, [2]string{string(row[0]), string(row[1])})
	}
	if b.image, err = c.imageSinceTemplate(); err != nil {
		return nil, err
	}
	return b, nil
}

// onlyInLog refuses what the write-ahead log does not tell of: the content of unlogged tables, other databases, whose
// sequences would have to be asked for, and replication slots.
func (c *Cluster) onlyInLog() error {
	if unlogged, err := hasUnlogged(c.dataDir); unlogged || err != nil {
		return errors.Join(err, errNotInLog)
	}
	slots, err := os.ReadDir(filepath.Join(c.dataDir, "pg_replslot"))
	if err == nil && len(slots) > 0 {
		return errNotInLog
	}
	databases, e := os.ReadDir(filepath.Join(c.dataDir, "base"))
	known := 0
	for _, d := range c.tmpl.image.dirs {
		if strings.Count(d, "/") == 1 && strings.HasPrefix(d, "base/") {
			known++
		}
	}
	for _, l := range c.tmpl.image.links {
		if strings.HasPrefix(l.name, "base/") {
			known++
		}
	}
	for _, d := range databases {
		if strings.HasPrefix(d.Name(), "pgsql_tmp") {
			known++
		}
	}
	if e == nil && len(databases) > known {
		return errNotInLog
	}
	return errors.Join(err, e)
}

// imageSinceTemplate is the template's image with the log up to now and the configuration as it is.
func (c *Cluster) imageSinceTemplate() (*image, error) {
	im := &image{dirs: c.tmpl.image.dirs, links: c.tmpl.image.links}
	fresh := map[string][]byte{}
	control, err := os.ReadFile(filepath.Join(c.dataDir, controlName))
	if err != nil {
		return nil, err
	}
	fresh[controlName] = control
	var total int64
	entries, err := os.ReadDir(filepath.Join(c.dataDir, "pg_wal"))
	if err != nil {
		return nil, err
	}
	keep, err := walToKeep(c.dataDir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() || !keep(e.Name()) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(c.dataDir, "pg_wal", e.Name()))
		if err != nil {
			return nil, errors.Join(err, errNotInLog) // a checkpoint has just removed it
		}
		if total += int64(len(data)); total > maxBaselineWAL {
			return nil, errNotInLog
		}
		fresh["pg_wal/"+e.Name()] = data
	}
	for _, f := range c.tmpl.image.files {
		name := c.tmpl.image.pathOf(f)
		switch {
		case name == controlName:
			// since the template no checkpoint may have been: the log is replayed from there
			after, err := os.ReadFile(filepath.Join(c.dataDir, controlName))
			if err != nil {
				return nil, err
			}
			if !sameRedo(f.data, control) || !sameRedo(control, after) {
				return nil, errNotInLog
			}
			f.data = control
		case strings.HasPrefix(name, "pg_wal/") && !strings.HasPrefix(name, "pg_wal/archive_status/"):
			continue
		case f.dir < 0 && strings.HasSuffix(name, ".conf"):
			if f.data, err = os.ReadFile(filepath.Join(c.dataDir, name)); err != nil {
				return nil, err
			}
		}
		im.files = append(im.files, f)
	}
	wal := slices.Index(im.dirs, "pg_wal")
	for name, data := range fresh {
		if dir, base, _ := strings.Cut(name, "/"); dir == "pg_wal" {
			im.files = append(im.files, imageFile{dir: wal, name: base, data: data})
		}
	}
	for _, f := range im.files {
		im.bytes += int64(len(f.data))
	}
	return im, nil
}

// controlName is the file that knows the last checkpoint.
const controlName = "global/pg_control"

func sameRedo(a, b []byte) bool {
	const end = controlTimeline + 4
	return len(a) >= end && len(b) >= end && bytes.Equal(a[controlRedo:end], b[controlRedo:end])
}

// setSequences takes back what the recovery has skipped.
func (b *baseline) setSequences(ctx context.Context, c *Cluster) error {
	if b == nil || len(b.sequences) == 0 {
		return nil
	}
	conn, err := c.superuserConn(ctx)
	if err != nil {
		return err
	}
	var sql strings.Builder
	for _, s := range b.sequences {
		fmt.Fprintf(&sql, "select pg_catalog.setval(%s::oid::regclass, %s, true);", s[0], s[1]) // both are PostgreSQL's own numbers
	}
	_, err = conn.PgConn().Exec(ctx, sql.String()).ReadAll()
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

// superuserConn is a connection of the superuser that the platform's objects belong to.
func (c *Cluster) superuserConn(ctx context.Context) (*pgx.Conn, error) {
	cfg, err := c.ConnConfig(superuser, "postgres")
	if err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, cfg)
}
