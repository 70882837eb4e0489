//go:build unix

package pg

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// canReach tells whether the account may pass through every directory on the way to path.
func (a account) canReach(path string) error {
	if a.mode != asOther {
		return nil // our own rights, which the use of the path will show
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	for dir := path; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if info.IsDir() && !a.mayPass(info) {
			return fmt.Errorf("the directory %s (mode %04o) is closed to uid %d, under which PostgreSQL runs because it refuses to run as root", dir, info.Mode().Perm(), a.uid)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func (a account) mayPass(info os.FileInfo) bool {
	perm := info.Mode().Perm()
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case ok && int(st.Uid) == a.uid:
		return perm&0o100 != 0
	case ok && int(st.Gid) == a.gid:
		return perm&0o010 != 0
	}
	return perm&0o001 != 0
}
