//go:build unix

package sidebyside_test

import (
	"os"
	"syscall"
)

// nobody is an ordinary user that exists nearly everywhere.
const nobody = 65534

// ordinary has a process run as an ordinary user.
func ordinary() *syscall.SysProcAttr {
	if os.Geteuid() != 0 {
		return nil
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{}}}
}
