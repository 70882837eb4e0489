package pg

import (
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/suparust/suparust/internal/proctest"
)

// What is made in a directory of ext4's lies together, and where it is spread it does not: new files need not look for a
// place among those just removed.
func TestSpreadBelow(t *testing.T) {
	t.Parallel()
	dir := proctest.TempDirIn(t, "")
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	if fs.Type != unix.EXT4_SUPER_MAGIC || fs.Files < 1<<18 {
		t.Skipf("%s is not on a large ext4", dir)
	}
	acct, err := processAccount()
	if err != nil {
		t.Fatal(err)
	}
	regions := map[uint64]bool{}
	for range 8 {
		run, err := newRunDir(dir, acct)
		if err != nil {
			t.Fatal(err)
		}
		defer run.remove()
		info, err := os.Stat(run.path)
		if err != nil {
			t.Fatal(err)
		}
		regions[info.Sys().(*syscall.Stat_t).Ino/4096] = true
	}
	if len(regions) < 3 {
		t.Errorf("the directories of eight clusters lie in %d places", len(regions))
	}
}
