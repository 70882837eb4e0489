package pg

import "golang.org/x/sys/unix"

// memoryFree returns the free bytes of the filesystem at path and whether it is memory.
func memoryFree(path string) (int64, bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil || int64(st.Type) != unix.TMPFS_MAGIC { //nolint:unconvert // narrower on other processors
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), unix.Access(path, unix.W_OK) == nil //nolint:unconvert // see above
}
