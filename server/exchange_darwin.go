package server

import (
	"errors"

	"golang.org/x/sys/unix"
)

// exchangeNames has two names change what they name, in one step. Not every
// file system can.
func exchangeNames(a, b string) error {
	err := unix.RenamexNp(a, b, unix.RENAME_SWAP)
	if err == unix.EINVAL || err == unix.ENOTSUP || err == unix.EXDEV {
		return errors.ErrUnsupported
	}
	return err
}
