//go:build !unix

package blob

import (
	"errors"
	"io/fs"
	"os"
)

// directories are those of a Disk, reached through its root.
type directories struct{ root *os.Root }

func openDirectories(root *os.Root) (*directories, error) { return &directories{root}, nil }

func (d *directories) close() error { return nil }

// create makes the temporary file of a version.
func (d *directories) create(version string) (file, error) {
	return d.root.OpenFile(tmpDir+"/"+version, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// createObject makes the file of a version in its place, fs.ErrNotExist where
// its directory is missing.
func (d *directories) createObject(version string) (file, error) {
	f, err := d.root.OpenFile(object(version), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, ErrExists
	case err != nil:
		return nil, err
	}
	return f, nil
}

// rename gives the temporary file of a version its place. It would replace a
// file that is there, but versions are random, so looking is enough.
func (d *directories) rename(version string) error {
	if _, err := d.root.Lstat(object(version)); err == nil {
		return ErrExists
	}
	return d.root.Rename(tmpDir+"/"+version, object(version))
}

// open opens a version.
func (d *directories) open(version string) (*os.File, error) { return d.root.Open(object(version)) }

// remove deletes a version.
func (d *directories) remove(version string) error { return d.root.Remove(object(version)) }

// sync makes the names in the directory of a version durable.
func (d *directories) sync(version string) error { return syncPath(d.root, shard(version)) }
