//go:build unix && !linux

package pg

import (
	"os/exec"
	"syscall"
)

// spawn starts cmd as the account, in a process group of its own. The kernel has no parent-death signal here: the
// watchdog alone stops what is left when this process dies.
func spawn(cmd *exec.Cmd, a account, _ syscall.Signal) error {
	attr := a.sysProcAttr()
	attr.Setpgid = true
	cmd.SysProcAttr = attr
	return cmd.Start()
}
