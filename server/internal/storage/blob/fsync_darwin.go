package blob

import "golang.org/x/sys/unix"

// fsync makes what was written durable. A plain fsync leaves it in the disk's
// own memory on this system.
func fsync(fd int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_FULLFSYNC, 0)
	return err
}
