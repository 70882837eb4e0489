//go:build unix

package pg

import (
	"fmt"
	"os"
	"syscall"
)

// ownedByUs refuses a cache that another user could have prepared: what is in it gets executed.
func ownedByUs(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) == os.Geteuid() || st.Uid == 0 {
		return nil
	}
	return fmt.Errorf("the cache directory %s belongs to uid %d: set SUPARUST_CACHE_DIR to one of your own", dir, st.Uid)
}
