package pg

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncTree makes everything written below root durable. One call for the filesystem is several times quicker than one
// for each of a thousand files.
func syncTree(root string) error {
	f, err := os.Open(root)
	if err != nil {
		return err
	}
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		err = &os.PathError{Op: "syncfs", Path: root, Err: err}
		return errors.Join(err, f.Close())
	}
	return f.Close()
}
