package storage_test

import (
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk: an upload that the disk has no room for is refused and leaves
// nothing; what was there stays, and once there is room again the server goes
// on.
//
//covers:storage 26 83
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("mounting a small file system is not allowed here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	a := start(t)
	a.bucket("b", true)
	c := startChild(t, a, filepath.Join(dir, "store"))
	content := strings.Repeat("x", 2<<20)
	c.put("b/k", content)
	full := func(r answer) {
		t.Helper()
		r.fails(t, 507, "507", "Internal", "The server has no space left to store the object", "InternalError")
	}
	full(c.do("POST", "/object/b/large", a.service, io.LimitReader(zeros{}, 64<<20)))
	full(c.do("PUT", "/object/b/k", a.service, strings.Repeat("y", 3<<20)))
	body, kind := form(t, nil, "text/plain", strings.Repeat("z", 3<<20))
	full(c.do("POST", "/object/b/form", a.service, body, kind))
	c.do("GET", "/object/public/b/k", "", nil).is(t, 200, content)
	c.bytesMatchRows(t)
	c.do("DELETE", "/object/b/k", a.service, nil).ok(t)
	c.do("POST", "/object/b/large", a.service, strings.Repeat("y", 3<<20)).ok(t)
	c.bytesMatchRows(t)
}
