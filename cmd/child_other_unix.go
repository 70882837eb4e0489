//go:build unix && !linux

package cmd

import "syscall"

// childAttr is empty: here the watchdog alone ends a command whose parent was killed.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

// leftovers are the process group that target names as a negative number, while it has processes. The system does not show
// the environment of others.
func leftovers(target int, _ string) []int {
	if target > 0 || syscall.Kill(target, 0) != nil {
		return nil
	}
	return []int{target}
}
