//go:build !windows

package blob

import "os"

// syncDirectory makes the names in an open directory durable.
func syncDirectory(f *os.File) error { return f.Sync() }
