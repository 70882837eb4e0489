package blob_test

import (
	"syscall"
	"testing"
)

// mountSmall mounts a file system of 1 MiB on dir, or skips the test where
// that is not allowed.
func mountSmall(t *testing.T, dir string) (unmount func()) {
	t.Helper()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mounting a small file system is not allowed here: %v", err)
	}
	return func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}
}
