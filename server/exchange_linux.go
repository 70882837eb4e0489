package server

import (
	"errors"

	"golang.org/x/sys/unix"
)

// exchangeNames has two names change what they name, in one step. Not every
// file system can.
func exchangeNames(a, b string) error {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	if err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP || err == unix.EXDEV {
		return errors.ErrUnsupported
	}
	return err
}
