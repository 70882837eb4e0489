package pg

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Snapshot is the data directory of a cluster at one instant, kept in a directory of its own: clusters are brought back
// to it or start from it, in this process or another one. Nothing ever writes into it, and nothing of it is shared with
// a data directory: PostgreSQL writes its files in place.
//
//	<dir>/cluster.json          what it is, with the names of the files; written last
//	     /cluster-<random>.data the content of the files, one after the other
//
// One that is replaced by another in the same directory is gone: the name of what it holds is its own.
type Snapshot struct {
	dir  string
	info snapshotInfo
	run  *runDir // of one that ends with the process

	archive *archiveWriter // while it is made
}

const (
	snapshotInfoName  = "cluster.json"
	snapshotArchive   = "cluster.data" // of one that has no name of its own
	snapshotTemplate1 = "template1"    // stands before the names of files that throw-away clusters share, and is where they get their own
	snapshotFormat    = 1
)

type snapshotInfo struct {
	Format  int       `json:"format"`
	Created time.Time `json:"created"`
	Major   int       `json:"postgres"`
	Version string    `json:"postgres_version"`
	Bytes   int64     `json:"bytes"`
	Archive string    `json:"archive,omitempty"` // the file with the content; "" in those of before it had a name of its own
	Stopped bool      `json:"stopped"`           // the server was, so that it is no crash that a start recovers from
	// Links are the directories that the data directory links to, by their name in it.
	Links map[string]string `json:"links,omitempty"`
	Dirs  []string          `json:"dirs"` // parents before children
	Files []archiveFile     `json:"files"`
}

// archiveFile is one file of a snapshot.
type archiveFile struct {
	Name string `json:"n"`
	Size int64  `json:"s"`
	At   int64  `json:"a"` // where it begins
}

// SnapshotOptions of Cluster.Snapshot.
type SnapshotOptions struct {
	// Dir is made and holds the snapshot, which is on the disk then; "" takes one in memory, where there is room, that ends
	// with the process.
	Dir string
	// Still is called while nothing can be committed, for files beside the database that are to be of the same instant.
	Still func() error
	// BeforeStop is called when the server has to be stopped and started again, which ends its connections: tables
	// that are not logged are whole only then.
	BeforeStop func()
}

// Dir is where the snapshot is kept.
func (s *Snapshot) Dir() string { return s.dir }

// MovedTo is the snapshot when its directory has another name.
func (s *Snapshot) MovedTo(dir string) *Snapshot {
	moved := *s
	moved.dir = dir
	return &moved
}

// archiveName is the file with the content.
func (s *Snapshot) archiveName() string { return cmp.Or(s.info.Archive, snapshotArchive) }

// Created is when it was taken.
func (s *Snapshot) Created() time.Time { return s.info.Created }

// Major is the major version of the PostgreSQL that it was taken of, and Version the whole of it.
func (s *Snapshot) Major() int { return s.info.Major }

// Version is the version of the PostgreSQL that it was taken of.
func (s *Snapshot) Version() string { return s.info.Version }

// Size is how many bytes the files have.
func (s *Snapshot) Size() int64 { return s.info.Bytes }

// Stopped tells that the server was stopped for it.
func (s *Snapshot) Stopped() bool { return s.info.Stopped }

// Remove deletes the snapshot. Clusters that started from it do not need it any more.
func (s *Snapshot) Remove() error {
	if s.run != nil {
		return s.run.remove()
	}
	return os.RemoveAll(s.dir)
}

// ErrNoSnapshot says that a directory holds no snapshot.
var ErrNoSnapshot = errors.New("there is no snapshot")

// ErrKept says that a cluster's data directory is kept, so that it has no start to go back to.
var ErrKept = errors.New("the database is kept beyond the server's end and has no start to go back to: save a snapshot, and restore that")

// OpenSnapshot finds the snapshot in a directory.
func OpenSnapshot(dir string) (*Snapshot, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{dir: dir}
	b, err := os.ReadFile(filepath.Join(dir, snapshotInfoName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s", ErrNoSnapshot, dir)
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &s.info); err != nil {
		return nil, fmt.Errorf("the snapshot in %s is damaged: delete it and save it anew: %w", dir, err)
	}
	if s.info.Format != snapshotFormat {
		return nil, fmt.Errorf("the snapshot in %s has format %d, this release reads format %d: save it anew", dir, s.info.Format, snapshotFormat)
	}
	return s, s.checkArchive()
}

// checkArchive refuses a snapshot of which a part is missing: it may have been copied here.
func (s *Snapshot) checkArchive() error {
	name := s.archiveName()
	if filepath.Base(name) != name {
		return fmt.Errorf("the snapshot in %s is damaged: %q is not the name of a file", s.dir, name)
	}
	info, err := os.Stat(filepath.Join(s.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w in %s", ErrNoSnapshot, s.dir)
	}
	if err != nil {
		return err
	}
	for _, f := range s.info.Files {
		if f.At < 0 || f.Size < 0 || f.Size > info.Size() || f.At > info.Size()-f.Size {
			return fmt.Errorf("the snapshot in %s is damaged: delete it and save it anew: a part of %s is missing", s.dir, name)
		}
	}
	return nil
}

// seal writes what the snapshot is, when all else of it is there.
func (s *Snapshot) seal() error {
	b, err := json.Marshal(s.info)
	if err != nil {
		return err
	}
	name := filepath.Join(s.dir, snapshotInfoName)
	if err := os.WriteFile(name, append(b, '\n'), 0o600); err != nil || s.run != nil {
		return err
	}
	return errors.Join(syncPath(filepath.Join(s.dir, s.archiveName())), syncPath(name), syncPath(s.dir))
}

// SnapshotVersionError says that a snapshot is of another major version than the binaries'.
type SnapshotVersionError struct {
	Major   int
	Version string // of the binaries
}

func (e *SnapshotVersionError) Error() string {
	return fmt.Sprintf("the snapshot was saved by PostgreSQL %d and cannot be run by PostgreSQL %s: set SUPARUST_PG_VERSION=%d, or save it anew", e.Major, e.Version, e.Major)
}

// fits tells whether the binaries can run it.
func (s *Snapshot) fits(bin *Binaries) error {
	if bin.Major != s.info.Major {
		return &SnapshotVersionError{Major: s.info.Major, Version: bin.Version}
	}
	return nil
}
