//go:build !linux

package blob_test

import "testing"

func mountSmall(t *testing.T, _ string) (unmount func()) {
	t.Helper()
	t.Skip("a small file system is mounted on Linux only")
	return nil
}
