package pg

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// accountThread runs functions on one thread that has become the account, while the rest of the process stays what it
// is. embedded-postgres starts its children without a way to say under whom: they inherit it from this thread.
type accountThread struct {
	calls chan func()
	err   error // why the thread could not change
}

func newAccountThread(a account) *accountThread {
	t := &accountThread{calls: make(chan func())}
	ready := make(chan struct{})
	go func() {
		if a.mode == asOther {
			// never unlocked: the thread ends with its goroutine and is not used for anything else
			runtime.LockOSThread()
			t.err = becomeOnThisThread(a.uid, a.gid)
		}
		close(ready)
		for call := range t.calls {
			call()
		}
	}()
	<-ready
	return t
}

// becomeOnThisThread uses raw system calls: the functions of package syscall change every thread of the process. All
// three ids change, for PostgreSQL refuses to run when the real one differs from the effective.
func becomeOnThisThread(uid, gid int) error {
	if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); e != 0 {
		return fmt.Errorf("setgroups: %w", e)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid)); e != 0 {
		return fmt.Errorf("setresgid: %w", e)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); e != 0 {
		return fmt.Errorf("setresuid: %w", e)
	}
	return nil
}

func (t *accountThread) do(f func() error) error {
	if t.err != nil {
		return t.err
	}
	var err error
	done := make(chan struct{})
	t.calls <- func() {
		defer close(done)
		err = f()
	}
	<-done
	return err
}

func (t *accountThread) close() { close(t.calls) }

// openHere tells whether this process has the file open.
func openHere(name string) bool {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return false
	}
	for _, fd := range fds {
		if target, err := os.Readlink(filepath.Join("/proc/self/fd", fd.Name())); err == nil && strings.TrimSuffix(target, " (deleted)") == name {
			return true
		}
	}
	return false
}
