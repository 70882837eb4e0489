package blob

import "golang.org/x/sys/unix"

// renameNew renames a file and replaces none.
func renameNew(fromDir int, from string, toDir int, to string) error {
	err := unix.Renameat2(fromDir, from, toDir, to, unix.RENAME_NOREPLACE)
	if err == unix.EEXIST {
		return ErrExists
	}
	if err != unix.EINVAL && err != unix.ENOSYS { // these are of file systems that only know how to replace
		return err
	}
	return renameLooking(fromDir, from, toDir, to)
}
