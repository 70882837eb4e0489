//go:build unix

package pg

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// isPostgresOn tells whether pid lives and is a server that this package or somebody else started on the data
// directory, or with its sockets in that directory. Process ids are used again, so a number in a file proves nothing by
// itself.
func isPostgresOn(pid int, dir string) bool {
	if err := syscall.Kill(pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	if _, err := os.Stat("/proc/self/cmdline"); err == nil {
		proc := "/proc/" + strconv.Itoa(pid)
		if cwd, err := os.Readlink(proc + "/cwd"); err == nil {
			if resolved, err := filepath.EvalSymlinks(dir); err == nil && cwd == resolved {
				return true
			}
		}
		line, err := os.ReadFile(proc + "/cmdline")
		return err == nil && mentions(bytes.ReplaceAll(line, []byte{0}, []byte{' '}), dir)
	}
	line, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && mentions(line, dir)
}

// mentions tells whether a command line has the directory, or what is in it, as an argument or at the end of one.
func mentions(commandLine []byte, dir string) bool {
	for at, rest := 0, commandLine; ; {
		i := bytes.Index(rest, []byte(dir))
		if i < 0 {
			return false
		}
		at += i
		rest = rest[i+len(dir):]
		begins := at == 0 || bytes.IndexByte([]byte(" ="), commandLine[at-1]) >= 0
		if begins && (len(rest) == 0 || bytes.IndexByte([]byte(" \n/"), rest[0]) >= 0) {
			return true
		}
		at += len(dir)
	}
}

// startedByUs tells whether a server has its socket in a run root.
func startedByUs(pid int) bool {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		line, err = exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	}
	return err == nil && bytes.Contains(line, []byte("/"+runPrefix))
}
