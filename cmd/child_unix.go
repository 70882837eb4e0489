//go:build unix

package cmd

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/suparust/suparust/server/pg"
)

// newRelay begins to hear. What was ignored before, as under nohup, stays so for us and for the command.
func newRelay() *relay {
	r := &relay{signals: make(chan os.Signal, 16)}
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2} {
		if !signal.Ignored(sig) {
			signal.Notify(r.signals, sig)
		}
	}
	return r
}

// markName is the variable whose value tells the processes of one command from all others.
const markName = "SUPARUST_EXEC"

// runChild runs a command with our input and outputs until it has ended, and everything that it started with it. It
// returns its exit code.
//
// Where we are a terminal's foreground job, the command belongs to that job, too, as under any shell script: the terminal
// itself sends Ctrl-C to both, and Ctrl-Z stops both. Anywhere else it is a process group of its own.
func (a *app) runChild(r *relay, path string, args, env []string) (int, error) {
	// the kernel sends the signal of the parent's death when the THREAD ends
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	mark := markName + "=" + rand.Text()
	shared := inForeground()
	cmd := &exec.Cmd{Path: path, Args: args, Env: append(env, mark), Stdin: a.In, Stdout: a.Out, Stderr: a.Err}
	cmd.SysProcAttr = childAttr()
	cmd.SysProcAttr.Setpgid = !shared
	if err := cmd.Start(); err != nil {
		if errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.ENOEXEC) {
			return exitNotExecutable, fmt.Errorf("the command %s cannot be executed: %w; a script needs a first line such as #!/bin/sh", args[0], pathless(err))
		}
		return exitNotFound, fmt.Errorf("the command %s cannot be started: %w", args[0], pathless(err))
	}
	target := cmd.Process.Pid
	if !shared {
		target = -target
	}
	defer pg.Guard(target, mark)()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case sig := <-r.signals:
			if !shared || sig != syscall.SIGINT && sig != syscall.SIGQUIT {
				_ = cmd.Process.Signal(sig) // it has ended: that is told next
			}
		case err := <-ended:
			endAll(func() []int { return leftovers(target, mark) })
			return exitCode(err)
		}
	}
}

// inForeground reports whether our process group is the one that a terminal sends its keys' signals to.
func inForeground() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	foreground, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && foreground == unix.Getpgrp()
}

// How long processes that the command left behind may take to end in order, and in disorder.
const (
	leftoverTerm = 2 * time.Second
	leftoverKill = 2 * time.Second
)

// endAll ends the processes that list finds, and those that they still start.
func endAll(list func() []int) {
	began := time.Now()
	told := map[int]bool{}
	for {
		pids := list()
		waited := time.Since(began)
		if len(pids) == 0 || waited > leftoverTerm+leftoverKill {
			return
		}
		for _, pid := range pids {
			switch {
			case waited > leftoverTerm:
				_ = unix.Kill(pid, unix.SIGKILL) // gone meanwhile is as good
			case !told[pid]:
				told[pid] = true
				_ = unix.Kill(pid, unix.SIGTERM)
				_ = unix.Kill(pid, unix.SIGCONT) // a stopped one hears nothing else
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
}
