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
// directory. Process ids are used again, so a number in a file proves nothing by itself.
func isPostgresOn(pid int, dataDir string) bool {
	if err := syscall.Kill(pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	if _, err := os.Stat("/proc/self/cmdline"); err == nil {
		proc := "/proc/" + strconv.Itoa(pid)
		if cwd, err := os.Readlink(proc + "/cwd"); err == nil {
			if resolved, err := filepath.EvalSymlinks(dataDir); err == nil && cwd == resolved {
				return true
			}
		}
		line, err := os.ReadFile(proc + "/cmdline")
		return err == nil && mentions(bytes.ReplaceAll(line, []byte{0}, []byte{' '}), dataDir)
	}
	line, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && mentions(line, dataDir)
}

func mentions(commandLine []byte, dataDir string) bool {
	i := bytes.Index(commandLine, []byte(dataDir))
	if i < 0 {
		return false
	}
	rest := commandLine[i+len(dataDir):]
	return len(rest) == 0 || rest[0] == ' ' || rest[0] == '\n' || rest[0] == '/'
}

// startedByUs tells whether a server has its socket in a run root.
func startedByUs(pid int) bool {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		line, err = exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	}
	return err == nil && bytes.Contains(line, []byte("/"+runPrefix))
}
