//go:build linux || (darwin && !ios)

package pg

import "golang.org/x/sys/unix"

// removeSharedMemory frees a server's System V segment; a server that was killed cannot.
func removeSharedMemory(id int) {
	if id > 0 {
		_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	}
}

// sharedMemoryInUse tells whether processes are still attached to a server's segment: its backends live on.
func sharedMemoryInUse(id int) bool {
	if id <= 0 {
		return false
	}
	var desc unix.SysvShmDesc
	if _, err := unix.SysvShmCtl(id, unix.IPC_STAT, &desc); err != nil {
		return false
	}
	return desc.Nattch > 0
}
