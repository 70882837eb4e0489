//go:build unix

package pg

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

// Machine is what clusters find on this machine.
type Machine struct {
	// Account says as whom PostgreSQL runs; AccountErr why nobody can.
	Account    string
	AccountErr error
	// Memory is where clusters for tests live while there is room, Disk where they live without; DiskErr says why they cannot.
	Memory     string
	MemoryFree int64 // -1 when it is no memory, or closed to this user
	Disk       string
	DiskFree   int64
	DiskErr    error
	// Leftovers are directories of processes that died; the next cluster's start removes them.
	Leftovers []string
}

// RoomInMemory is what memory must have free for one cluster to live there.
func (m *Machine) RoomInMemory() int64 { return memoryReserve + memoryPerCluster }

// Examine looks at the machine and changes nothing.
func Examine() Machine {
	m := Machine{Memory: memoryBase, MemoryFree: -1}
	acct, err := processAccount()
	if err != nil {
		m.AccountErr = err
		return m
	}
	switch acct.mode {
	case asSelf:
		m.Account = fmt.Sprintf("as this user (uid %d)", acct.uid)
	case asOther:
		m.Account = fmt.Sprintf("as uid %d, because it refuses to run as root", acct.uid)
	case asMapped:
		m.Account = "in a user namespace, because it refuses to run as root"
	}
	if free, ok := memoryFree(memoryBase); ok {
		m.MemoryFree = free
	}
	if m.Disk, m.DiskErr = diskBase(acct); m.DiskErr == nil {
		m.DiskFree = Free(m.Disk)
	}
	for _, base := range []string{m.Memory, m.Disk} {
		m.Leftovers = append(m.Leftovers, leftoversIn(base)...)
	}
	return m
}

// Free is how many bytes this user may still write to the filesystem at path, -1 when nobody can tell.
func Free(path string) int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return -1
	}
	return int64(st.Bavail) * int64(st.Bsize) //nolint:unconvert // other types on other systems
}

// leftoversIn lists our own user's run roots that nobody holds.
func leftoversIn(base string) []string {
	if base == "" {
		return nil
	}
	entries, err := os.ReadDir(base)
	if err != nil {
		return nil
	}
	var dead []string
	for _, e := range entries {
		root := filepath.Join(base, e.Name())
		info, err := os.Lstat(root)
		if err != nil || !info.IsDir() || !strings.HasPrefix(e.Name(), runPrefix) {
			continue
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
			continue
		}
		lock := flock.New(filepath.Join(root, lockName), flock.SetFlag(os.O_RDONLY)) // none is made where there is none
		if ok, err := lock.TryRLock(); err == nil && ok {
			dead = append(dead, root)
		}
		_ = lock.Close()
	}
	return dead
}
