//go:build linux || (darwin && !ios)

package pg

import "golang.org/x/sys/unix"

func segmentExists(id int) bool {
	var desc unix.SysvShmDesc
	_, err := unix.SysvShmCtl(id, unix.IPC_STAT, &desc)
	return err == nil
}
