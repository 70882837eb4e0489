//go:build !unix

package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
)

// relay hears Ctrl-C, which the console sends to the command as well.
type relay struct{ signals chan os.Signal }

func newRelay() *relay {
	r := &relay{signals: make(chan os.Signal, 16)}
	signal.Notify(r.signals, os.Interrupt)
	return r
}

func (r *relay) close() { signal.Stop(r.signals) }

// untilSignal returns a context that Ctrl-C cancels; settled tells whether it came.
func (r *relay) untilSignal() (ctx context.Context, settled func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	stop, came := make(chan struct{}), make(chan int, 1)
	go func() {
		select {
		case <-r.signals:
			cancel()
			came <- 2
		case <-stop:
			came <- 0
		}
	}()
	return ctx, func() int {
		close(stop)
		defer cancel()
		return <-came
	}
}

// runChild runs a command with our input and outputs and returns its exit code.
func (a *app) runChild(_ *relay, path string, args, env []string) (int, error) {
	cmd := &exec.Cmd{Path: path, Args: args, Env: env, Stdin: a.In, Stdout: a.Out, Stderr: a.Err}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return exitOK, nil
	case errors.As(err, &exit):
		return exit.ExitCode(), nil
	}
	return exitNotFound, fmt.Errorf("the command %s cannot be started: %w", args[0], pathless(err))
}
