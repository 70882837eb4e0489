//go:build unix

package pg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// CREATE DATABASE copies template1, and dumps ask for template0, so both must be there; but they are half of a fresh data
// directory, and nobody writes to them. So they are kept out of a clone: both are symbolic links to one directory beside
// the cached template, made once. (A durable data directory gets copies.)
const (
	template1Dir = "base/1" // the object ids are fixed in PostgreSQL
	template0Dir = "base/4"
)

// basePath is where the files of template1 stand beside a stored template.
func basePath(dir, key string) string { return filepath.Join(dir, key+".base") }

// storeBase writes the files of template1 beside their place and renames them there.
func storeBase(dir, key string, base *image) error {
	acct, err := processAccount()
	if err != nil {
		return err
	}
	if err := acct.canReach(dir); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, ".new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	made, dest := filepath.Join(tmp, "base"), basePath(dir, key)
	if err := base.writeTo(made, acct); err != nil {
		return err
	}
	// what may stand there is damaged, or belongs to a template that is: clusters that still use it lose template1
	if err := os.RemoveAll(dest); err != nil {
		return err
	}
	return os.Rename(made, dest)
}

var errNoBase = errors.New("the files of template1 beside it are missing")

// linkBase makes the clones of the image share the files of template1 in path.
func (im *image) linkBase(path string) error {
	for _, name := range []string{"PG_VERSION", "pg_filenode.map"} {
		if !isFile(filepath.Join(path, name)) {
			return fmt.Errorf("%w in %s", errNoBase, path)
		}
	}
	im.links = []imageLink{{template1Dir, path}, {template0Dir, path}}
	return nil
}
