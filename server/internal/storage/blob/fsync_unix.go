//go:build unix && !darwin

package blob

import "golang.org/x/sys/unix"

// fsync makes what was written durable.
func fsync(fd int) error { return unix.Fsync(fd) }
