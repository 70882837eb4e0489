//go:build !unix

package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
)

// newRelay begins to hear Ctrl-C, which the console sends to the command as well.
func newRelay() *relay {
	r := &relay{signals: make(chan os.Signal, 16)}
	signal.Notify(r.signals, os.Interrupt)
	return r
}

// runChild runs a command with our input and outputs and returns its exit code.
func (a *app) runChild(_ *relay, path string, args, env []string) (int, error) {
	cmd := &exec.Cmd{Path: path, Args: args, Env: env, Stdin: a.In, Stdout: a.Out, Stderr: a.Err}
	if err := cmd.Start(); err != nil {
		return exitNotFound, fmt.Errorf("the command %s cannot be started: %w", args[0], pathless(err))
	}
	return exitCode(cmd.Wait())
}
