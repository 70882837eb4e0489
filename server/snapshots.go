package server

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/storage/blob"
	"github.com/suparust/suparust/server/pg"
)

// Snapshot is the database and the files of a server at one instant. A named
// one is a folder in Config.SnapshotDir that later processes find; one without
// a name ends with the process that has taken it, or with Remove.
//
// It holds what the database holds, users and sessions among it, and the bytes
// of the objects that it names. It does not hold the mailbox, the clock, rate
// limits, resumable uploads that were not complete, and files in an S3 bucket.
type Snapshot struct {
	SnapshotInfo

	pg     *pg.Snapshot
	files  string            // where the objects are; "" when there are none
	of     *Server           // that has taken it, in this process
	schema *catalog.Snapshot // what that one knew of the schema
}

// SnapshotInfo describes a snapshot.
type SnapshotInfo struct {
	Name       string    `json:"name"`
	Created    time.Time `json:"created"`
	PostgreSQL int       `json:"postgres"`   // major version
	Suparust   string    `json:"suparust"`   // version
	Migrations string    `json:"migrations"` // hash of the platform's and the project's
	Bytes      int64     `json:"bytes"`      // of the database
	Files      int       `json:"files"`      // in Storage
	FileBytes  int64     `json:"file_bytes"`
	// Settled is a hash of all that a start brings into the database: where it
	// is the same there is nothing to do.
	Settled string `json:"settled"`
}

// The content of a snapshot's folder. The folder is made under another name and
// gets its own when all of it is there.
const (
	snapshotFile     = "snapshot.json"
	snapshotDatabase = "database"
	snapshotFiles    = "files"
	snapshotLock     = "lock"  // held while it is made
	snapshotPart     = ".new-" // begins the name of one that is being made or removed
	snapshotOld      = ".old-" // stands before the name of one that is just being replaced
)

// ErrNoSnapshot says that there is no snapshot of a name.
var ErrNoSnapshot = pg.ErrNoSnapshot

// Restarted tells that PostgreSQL was stopped and started again for it.
func (n *Snapshot) Restarted() bool { return n.pg.Stopped() }

// Remove deletes the snapshot.
func (n *Snapshot) Remove() error {
	if n.Name != "" {
		return removeFolder(filepath.Dir(n.pg.Dir()))
	}
	err := n.pg.Remove()
	if n.files != "" {
		err = errors.Join(err, os.RemoveAll(n.files))
	}
	return err
}

var snapshotName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func checkSnapshotName(name string) error {
	if !snapshotName.MatchString(name) {
		return snapshotNameError(name)
	}
	return nil
}

// snapshotNameError is a name that no snapshot can have.
type snapshotNameError string

func (e snapshotNameError) Error() string {
	return fmt.Sprintf("%q cannot name a snapshot: use up to 64 letters, digits, dots, dashes and underscores, the first of them a letter or a digit", string(e))
}

// snapshotDir is where named snapshots are kept.
func (c *Config) snapshotDir() (string, error) {
	switch {
	case c.Database.URL != "":
		return "", errExternalSnapshot
	case c.SnapshotDir != "":
		return filepath.Abs(c.SnapshotDir)
	case c.Database.DataDir != "":
		return filepath.Abs(besideData(c.Database.DataDir))
	case c.projectData != "":
		return filepath.Abs(besideData(c.projectData))
	}
	return "", errNoSnapshotDir
}

// besideData is where the snapshots of a data directory are.
func besideData(dataDir string) string { return strings.TrimRight(dataDir, "/") + "-snapshots" }

var errNoSnapshotDir = errors.New("there is no directory for snapshots with a name: set SUPARUST_SNAPSHOT_DIR")

var errExternalSnapshot = errors.New("a snapshot is a copy of PostgreSQL's own files, and those of the external database SUPARUST_DB_URL are not here: use the means of that PostgreSQL, or an embedded one")

// Snapshots lists the named snapshots of a configuration, the newest first.
func Snapshots(c Config) ([]SnapshotInfo, error) {
	dir, err := c.snapshotDir()
	if err != nil {
		return nil, err
	}
	names, err := snapshotFolders(dir)
	if err != nil {
		return nil, err
	}
	var list []SnapshotInfo
	for _, name := range names {
		info, err := readSnapshotInfo(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // somebody else's folder, or just removed
		}
		if err != nil {
			return nil, err
		}
		list = append(list, info)
	}
	slices.SortFunc(list, func(a, b SnapshotInfo) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(a.Name, b.Name))
	})
	return list, nil
}

func readSnapshotInfo(dir string) (info SnapshotInfo, err error) {
	b, err := os.ReadFile(filepath.Join(dir, snapshotFile))
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(b, &info); err != nil {
		return info, fmt.Errorf("the snapshot in %s is damaged: delete it and save it anew: %w", dir, err)
	}
	info.Name = filepath.Base(dir)
	return info, nil
}

// OpenSnapshot finds a named snapshot of a configuration.
func OpenSnapshot(c Config, name string) (*Snapshot, error) {
	if err := checkSnapshotName(name); err != nil {
		return nil, err
	}
	dir, err := c.snapshotDir()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(dir, name)
	n, err := openFolder(folder)
	for again := 0; again < 10 && errors.Is(err, ErrNoSnapshot); again++ {
		if errors.Is(bringBack(folder), fs.ErrNotExist) && again > 0 {
			break // there is none
		}
		n, err = openFolder(folder) // it is there again, or is just being replaced
	}
	if errors.Is(err, ErrNoSnapshot) {
		return nil, noSnapshot(c, name, dir)
	}
	return n, err
}

// openFolder opens the snapshot in a folder.
func openFolder(folder string) (*Snapshot, error) {
	info, err := readSnapshotInfo(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoSnapshot
	}
	if err != nil {
		return nil, err
	}
	n := &Snapshot{SnapshotInfo: info, files: filepath.Join(folder, snapshotFiles)}
	if n.pg, err = pg.OpenSnapshot(filepath.Join(folder, snapshotDatabase)); err != nil {
		return nil, err
	}
	if !n.Created.Equal(n.pg.Created()) {
		return nil, ErrNoSnapshot // the folder is another one's by now
	}
	return n, nil
}

// noSnapshot says which there are.
func noSnapshot(c Config, name, dir string) error {
	list, err := Snapshots(c)
	if err != nil {
		return fmt.Errorf("%w of the name %s in %s", ErrNoSnapshot, name, dir)
	}
	if len(list) == 0 {
		return fmt.Errorf("%w of the name %s, and none at all in %s: save one first", ErrNoSnapshot, name, dir)
	}
	var names []string
	for _, i := range list {
		names = append(names, i.Name)
	}
	return fmt.Errorf("%w of the name %s in %s; there are: %s", ErrNoSnapshot, name, dir, strings.Join(names, ", "))
}

// DeleteSnapshot deletes a named snapshot, also one that is damaged. Servers
// that started from it go on.
func DeleteSnapshot(c Config, name string) error {
	if _, err := OpenSnapshot(c, name); errors.Is(err, ErrNoSnapshot) || checkSnapshotName(name) != nil {
		return err
	}
	dir, err := c.snapshotDir()
	if err != nil {
		return err
	}
	sweepFolders(dir)
	return removeFolder(filepath.Join(dir, name))
}

// SnapshotExistsError says that a snapshot of a name is there already.
type SnapshotExistsError struct{ SnapshotInfo }

func (e *SnapshotExistsError) Error() string {
	return fmt.Sprintf("there is a snapshot %s of %s: choose another name, or ask for it to be replaced", e.Name, e.Created.Local().Format(time.DateTime))
}

// CheckNewSnapshot tells whether a snapshot can be saved under a name. One that
// is there is a *SnapshotExistsError.
func (c *Config) CheckNewSnapshot(name string) error {
	old, err := OpenSnapshot(*c, name)
	switch {
	case errors.Is(err, ErrNoSnapshot):
		return nil
	case err != nil:
		return err
	}
	return &SnapshotExistsError{old.SnapshotInfo}
}

// describe fills in what is known of a snapshot that was taken.
func (n *Snapshot) describe(c *Config, name string) error {
	src, err := c.source()
	if err != nil {
		return err
	}
	key, err := c.templateKey(src)
	if err != nil {
		return err
	}
	settled, err := c.settledKey()
	if err != nil {
		return err
	}
	n.Name, n.Created, n.PostgreSQL, n.Suparust = name, n.pg.Created(), n.pg.Major(), Version
	n.Migrations, n.Settled, n.Bytes = key, settled, n.pg.Size()
	return nil
}

// settledKey names all that a start brings into a database.
func (c *Config) settledKey() (string, error) {
	src, err := c.source()
	if err != nil {
		return "", err
	}
	key, err := c.templateKey(src)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%+v", Version, key, c.platform())
	return hex.EncodeToString(h.Sum(nil)), nil
}

// SaveSnapshot saves the database and the files of a server that does not run,
// or of one that runs in another process: that one stands still for some
// milliseconds, and its connections stay.
func SaveSnapshot(ctx context.Context, c Config, name string) (_ *SnapshotInfo, err error) {
	folder, err := c.newFolder(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, folder.abandon())
		}
	}()
	n := &Snapshot{files: filepath.Join(folder.part, snapshotFiles)}
	n.pg, err = pg.SnapshotDataDir(ctx, c.Database.DataDir, pg.SnapshotOptions{
		Dir: filepath.Join(folder.part, snapshotDatabase),
		Still: func() (err error) {
			if c.Storage.Backend != backendS3 && c.Storage.Root != "" {
				n.Files, n.FileBytes, err = blob.LinkObjects(ctx, c.Storage.Root, n.files)
			}
			return err
		},
	})
	if err == nil {
		err = n.describe(&c, name)
	}
	if err != nil {
		return nil, err
	}
	n.Settled = "" // whoever starts from it looks
	if err := n.seal(folder); err != nil {
		return nil, err
	}
	return &n.SnapshotInfo, nil
}

// RestoreSnapshot brings the database and the files of a server that does not
// run back to a named snapshot.
func RestoreSnapshot(ctx context.Context, c Config, name string) (*SnapshotInfo, error) {
	n, err := OpenSnapshot(c, name)
	if err != nil {
		return nil, err
	}
	if err := c.restoreOffline(ctx, n); err != nil {
		return nil, err
	}
	return &n.SnapshotInfo, nil
}

// restoreOffline puts a snapshot where a server will start. The files come
// first: without a row they do no harm.
func (c *Config) restoreOffline(ctx context.Context, n *Snapshot) error {
	if c.Storage.Backend != backendS3 && c.Storage.Root != "" {
		root, err := filepath.Abs(c.Storage.Root)
		if err != nil {
			return err
		}
		disk := blob.NewDisk(blob.DiskConfig{Dir: root, Durable: true, Logger: c.Logger})
		if err := disk.Start(ctx); err != nil {
			return err
		}
		if n.files != "" {
			_, err = disk.LinkFrom(ctx, n.files)
		}
		if err = errors.Join(err, disk.Disown(), disk.Close()); err != nil {
			return fmt.Errorf("bring the files of the snapshot back: %w", err)
		}
	}
	return pg.RestoreDataDir(ctx, c.Database.DataDir, n.pg)
}
