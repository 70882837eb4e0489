package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// childAttr has the kernel end a command whose parent was killed.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }

// leftovers are the living processes whose environment holds the mark, daemons included, and those of the process group
// that target names as a negative number.
func leftovers(target int, mark string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if has(pid, "environ", mark) {
			pids = append(pids, pid)
			continue
		}
		// one may have emptied its environment; those that have ended and wait for their parent have no command line
		if pgid, err := syscall.Getpgid(pid); err == nil && pgid == -target && has(pid, "cmdline", "") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// has tells whether a file that the kernel shows of a process is not empty and holds a text.
func has(pid int, file, text string) bool {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), file))
	return err == nil && len(data) > 0 && bytes.Contains(data, []byte(text))
}
