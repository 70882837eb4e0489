package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// relay hears the signals that are meant for the command of suparust exec.
type relay struct{ signals chan os.Signal }

func (r *relay) close() { signal.Stop(r.signals) }

// untilSignal returns a context that the first signal cancels. settled ends the watch and returns that signal, 0 when none
// has come: later ones are the command's.
func (r *relay) untilSignal() (ctx context.Context, settled func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	stop, came := make(chan struct{}), make(chan int, 1)
	go func() {
		select {
		case sig := <-r.signals:
			cancel()
			came <- int(sig.(syscall.Signal))
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

// exitCode is what a shell would say of the end of a command.
func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return exitOK, nil
	case !errors.As(err, &exit):
		return exitBackend, fmt.Errorf("wait for the command: %w", err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignal + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}
