package blob

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// UploadDirConfig of an UploadDir.
type UploadDirConfig struct {
	Dir   string // made when missing; on a Disk's file system Finish copies nothing
	Store Store  // takes the finished bytes; started and closed by its owner
	// Durable syncs files and the directory before a method returns.
	Durable bool
	Logger  *slog.Logger // nil discards
}

// UploadDir is Uploads in a directory:
//
//	<version>        the bytes that have come, until they are in the Store
//	<version>.json   the note, and size and checksum once it is finished
//	<version>.lock   held while the upload is changed
//
// An upload exists as long as its .json does. Processes may share the
// directory.
type UploadDir struct {
	cfg  UploadDirConfig
	log  *slog.Logger
	bufs sync.Pool

	mu   sync.Mutex
	root *os.Root           // nil when not open
	sums map[string]partSum // of uploads this process is receiving
}

const (
	recordSuffix = ".json"
	lockSuffix   = ".lock"
	newSuffix    = ".new" // a record that is being written

	busyTimeout = 5 * time.Second
	busyRetry   = 20 * time.Millisecond

	// abandoned is the age at which files without a record are no longer those
	// of an upload that is being made.
	abandoned = time.Hour
	maxRecord = 4 << 20
)

// record is the content of a .json.
type record struct {
	Note []byte `json:"note"`
	// Whole is set before the bytes go into the Store.
	Whole *Info `json:"whole,omitempty"`
}

// NewUploadDir makes the uploads of c. It touches nothing before Start.
func NewUploadDir(c UploadDirConfig) *UploadDir {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &UploadDir{
		cfg: c, log: c.Logger, sums: map[string]partSum{},
		bufs: sync.Pool{New: newBuffer},
	}
}

// Start opens the directory, making it when it is missing.
func (d *UploadDir) Start(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root != nil {
		return nil
	}
	if err := os.MkdirAll(d.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("the directory of uploads cannot be made: %w", err)
	}
	root, err := os.OpenRoot(d.cfg.Dir)
	if err != nil {
		return fmt.Errorf("the directory of uploads cannot be used: %w", err)
	}
	d.root = root
	return nil
}

// removeAbandoned removes what a crash has left in the middle of Create or
// Discard.
func removeAbandoned(root *os.Root, now time.Time) error {
	all, err := names(root, ".")
	if err != nil {
		return err
	}
	uploads := map[string]bool{}
	for _, name := range all {
		if v, ok := strings.CutSuffix(name, recordSuffix); ok {
			uploads[v] = true
		}
	}
	for _, name := range all {
		version, suffix, _ := strings.Cut(name, ".")
		if !ValidVersion(version) || uploads[version] && "."+suffix != recordSuffix+newSuffix {
			continue
		}
		info, err := root.Lstat(name)
		if err != nil || now.Sub(info.ModTime()) < abandoned {
			continue // gone, or young
		}
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Close implements Uploads.
func (d *UploadDir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root == nil {
		return nil
	}
	err := d.root.Close()
	d.root = nil
	clear(d.sums)
	return err
}

func (d *UploadDir) open(version string) (*os.Root, error) {
	if !ValidVersion(version) {
		return nil, ErrNotFound
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root == nil {
		return nil, ErrClosed
	}
	return d.root, nil
}

// change opens an upload, reads its record and keeps others from changing it
// until done is called.
func (d *UploadDir) change(ctx context.Context, version string) (root *os.Root, rec record, done func(), err error) {
	root, done, err = d.hold(ctx, version)
	if err != nil {
		return nil, rec, nil, err
	}
	if rec, err = readRecord(root, version); err != nil {
		done()
		if errors.Is(err, ErrNotFound) { // discarded meanwhile
			err = errors.Join(err, d.removeAll(root, version+lockSuffix))
		}
		return nil, rec, nil, err
	}
	return root, rec, done, nil
}

// hold is change without the record: the upload may have been discarded
// meanwhile.
func (d *UploadDir) hold(ctx context.Context, version string) (root *os.Root, done func(), err error) {
	root, err = d.open(version)
	if err != nil {
		return nil, nil, err
	}
	if err := exists(root, version); err != nil {
		return nil, nil, err
	}
	lock := flock.New(filepath.Join(d.cfg.Dir, version+lockSuffix), flock.SetPermissions(0o600))
	if err := lockSoon(ctx, lock); err != nil {
		return nil, nil, err
	}
	return root, func() {
		if err := lock.Close(); err != nil {
			d.log.Warn("the lock of an upload could not be given back", "error", err)
		}
	}, nil
}

// lockSoon takes a lock, and waits for it where another has it.
func lockSoon(ctx context.Context, lock *flock.Flock) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if got, err := lock.TryLock(); got || err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	got, err := lock.TryLockContext(ctx, busyRetry)
	if !got && errors.Is(err, context.DeadlineExceeded) {
		err = ErrBusy
	}
	return err
}

func exists(root *os.Root, version string) error {
	_, err := root.Lstat(version + recordSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	return err
}

// Create implements Uploads.
func (d *UploadDir) Create(_ context.Context, version string, note []byte) error {
	if !ValidVersion(version) {
		return fmt.Errorf("%q cannot name a version: it must be a lower case UUID", version)
	}
	root, err := d.open(version)
	if err != nil {
		return err
	}
	f, err := root.OpenFile(version, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return ErrExists
	}
	if err != nil {
		return err
	}
	if err = f.Close(); err == nil {
		err = d.writeRecord(root, version, record{Note: note})
	}
	if err != nil {
		return errors.Join(err, d.removeAll(root, version+recordSuffix, version))
	}
	d.setSum(version, newPartSum())
	return nil
}

// Get implements Uploads.
func (d *UploadDir) Get(_ context.Context, version string) (Upload, error) {
	root, err := d.open(version)
	if err != nil {
		return Upload{}, err
	}
	return get(root, version)
}

func get(root *os.Root, version string) (Upload, error) {
	// the bytes go when the upload is finished, which the record says before,
	// or when it is discarded, and the record was removed before
	for moved := false; ; moved = true {
		rec, err := readRecord(root, version)
		if err != nil {
			return Upload{}, err
		}
		u, err := rec.upload(root, version)
		if !errors.Is(err, fs.ErrNotExist) {
			return u, err
		}
		if moved {
			return Upload{}, ErrNotFound
		}
	}
}

// upload is what the record tells of, and the length of the bytes while they
// are here.
func (r record) upload(root *os.Root, version string) (Upload, error) {
	if r.Whole != nil {
		return Upload{Note: r.Note, Offset: r.Whole.Size, Finished: true}, nil
	}
	info, err := root.Lstat(version)
	if err != nil {
		return Upload{}, err
	}
	return Upload{Note: r.Note, Offset: info.Size()}, nil
}

// SetNote implements Uploads.
func (d *UploadDir) SetNote(ctx context.Context, version string, note []byte) error {
	root, rec, done, err := d.change(ctx, version)
	if err != nil {
		return err
	}
	defer done()
	rec.Note = note
	return d.writeRecord(root, version, rec)
}

// Discard implements Uploads. The record goes first: without it the rest is
// nobody's.
func (d *UploadDir) Discard(ctx context.Context, version string) error {
	root, done, err := d.hold(ctx, version)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	d.dropSum(version)
	err = d.removeAll(root, version+recordSuffix, version+recordSuffix+newSuffix, version)
	done() // some systems do not remove a file that is open
	return errors.Join(err, d.removeAll(root, version+lockSuffix))
}

func (d *UploadDir) removeAll(root *os.Root, names ...string) error {
	var errs error
	for _, name := range names {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = errors.Join(errs, err)
		}
	}
	return errs
}

// List implements Uploads.
func (d *UploadDir) List(ctx context.Context, visit func(string, Upload) error) error {
	d.mu.Lock()
	root := d.root
	d.mu.Unlock()
	if root == nil {
		return ErrClosed
	}
	if err := removeAbandoned(root, time.Now()); err != nil {
		return err
	}
	all, err := names(root, ".")
	if err != nil {
		return err
	}
	for _, name := range all {
		version, ok := strings.CutSuffix(name, recordSuffix)
		if !ok || !ValidVersion(version) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		u, err := get(root, version)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			d.log.Warn("an upload is left out: it cannot be read", "version", version, "error", err)
			continue
		}
		if err := visit(version, u); err != nil {
			return err
		}
	}
	return nil
}

func readRecord(root *os.Root, version string) (record, error) {
	var rec record
	f, err := root.Open(version + recordSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return rec, ErrNotFound
	}
	if err != nil {
		return rec, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err := errors.Join(err, f.Close()); err != nil {
		return rec, err
	}
	if err := json.Unmarshal(raw, &rec); err != nil {
		return rec, fmt.Errorf("the record of upload %s cannot be read: %w", version, err)
	}
	return rec, nil
}

// writeRecord replaces the record of an upload as a whole.
func (d *UploadDir) writeRecord(root *os.Root, version string, rec record) error {
	raw, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	tmp := version + recordSuffix + newSuffix
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err == nil && d.cfg.Durable {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(tmp, version+recordSuffix)
	}
	if err != nil {
		return errors.Join(err, root.Remove(tmp))
	}
	return d.sync(root)
}

// sync makes the names in the directory durable.
func (d *UploadDir) sync(root *os.Root) error {
	if !d.cfg.Durable {
		return nil
	}
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(syncDirectory(f), f.Close())
}
