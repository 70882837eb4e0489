//go:build unix && !linux

package pg

// spreadBelow is for file systems of Linux.
func spreadBelow(string) {}
