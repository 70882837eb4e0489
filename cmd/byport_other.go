//go:build !linux

package cmd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// listener finds the process of this user that listens on a TCP port of any address; nil when there is none, or no lsof.
func listener(port int) (*process, error) {
	out, err := lsof("-a", "-u", strconv.Itoa(os.Geteuid()), "-iTCP:"+strconv.Itoa(port), "-sTCP:LISTEN", "-Fp")
	if err != nil || out == "" {
		return nil, err
	}
	pid, err := strconv.Atoi(strings.TrimPrefix(strings.SplitN(out, "\n", 2)[0], "p"))
	if err != nil {
		return nil, fmt.Errorf("lsof names no process of port %d: %q", port, out)
	}
	if out, err = lsof("-a", "-p", strconv.Itoa(pid), "-Ffn"); err != nil {
		return nil, err
	}
	p := process{pid: pid}
	kind := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "f"):
			kind = line
		case !strings.HasPrefix(line, "n/"):
		case kind == "ftxt" && p.program == "":
			p.program = line[strings.LastIndex(line, "/")+1:]
		default:
			p.files = append(p.files, strings.TrimSuffix(line[1:], " (deleted)"))
		}
	}
	return &p, nil
}

// lsof lists open files. It ends with 1 where there are none.
func lsof(args ...string) (string, error) {
	out, err := exec.Command("lsof", append([]string{"-nP"}, args...)...).Output()
	var exit *exec.ExitError
	if errors.Is(err, exec.ErrNotFound) || errors.As(err, &exit) {
		err = nil
	}
	return string(out), err
}

// environOf is the environment that a process was started with: not to be had here.
func environOf(int) []string { return nil }

// lives reports whether a process runs.
func lives(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && p.Signal(syscall.Signal(0)) == nil
}
