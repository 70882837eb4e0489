//go:build unix

package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// detach gives the command a session of its own: no terminal, none of its signals, and no file but those it was given.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return // then it has what this process was given
	}
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// closeOutput lets go of the standard output: what is written to it from now on goes nowhere.
func closeOutput() error {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	if err := unix.Dup2(int(null.Fd()), 1); err != nil {
		return fmt.Errorf("close the standard output: %w", err)
	}
	return nil
}

// ignoreBrokenPipe lets a write into a pipe that nobody reads fail instead of ending the process. Programs that it runs
// are not touched by it.
func ignoreBrokenPipe() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// reopenLog lets the standard error, which is the log, go to the file of that name as it is now.
func reopenLog(path string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("cannot open the log %s: %w", path, pathless(err))
	}
	defer f.Close()
	return unix.Dup2(int(f.Fd()), 2)
}
