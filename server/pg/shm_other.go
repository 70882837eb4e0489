//go:build !linux && !(darwin && !ios)

package pg

func removeSharedMemory(int) {}

func sharedMemoryInUse(int) bool { return false }
