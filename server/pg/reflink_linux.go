package pg

import "golang.org/x/sys/unix"

// cloneRange makes a part of dst share the blocks of src where the file system can: each keeps its content when the
// other one is written to.
func cloneRange(dst int, at int64, src int, from, size int64) bool {
	return unix.IoctlFileCloneRange(dst, &unix.FileCloneRange{Src_fd: int64(src), Src_offset: uint64(from), Src_length: uint64(size), Dest_offset: uint64(at)}) == nil
}
