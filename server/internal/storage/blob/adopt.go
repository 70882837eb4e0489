package blob

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// adopt gives a finished file of the same file system a second name, in the
// store. The first one is left to its owner.
func (d *Disk) adopt(_ context.Context, version, file string) error {
	dirs, err := d.begin(version)
	if err != nil {
		return err
	}
	return d.place(dirs.root, version, func(name string) error {
		err := os.Link(file, filepath.Join(d.cfg.Dir, filepath.FromSlash(name)))
		switch {
		case errors.Is(err, fs.ErrExist):
			return ErrExists
		case err == nil, errors.Is(err, fs.ErrNotExist): // the latter makes place make the directory
			return err
		}
		return errors.Join(errCannotAdopt, err) // another file system, or one without links
	})
}
