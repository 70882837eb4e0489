//go:build !linux

package pg

// memoryFree returns the free bytes of the filesystem at path and whether it is memory; only Linux has one ready.
func memoryFree(string) (int64, bool) { return 0, false }
