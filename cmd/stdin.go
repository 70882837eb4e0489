package cmd

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// untilStdinCloses returns a context that ends, too, when standard input does: the system closes it for a program that
// holds its other end, however that program ends. Whoever read the log has ended with it: that must not end the server
// before it has stopped its database.
func untilStdinCloses(ctx context.Context) (context.Context, context.CancelFunc) {
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(ctx)
	go func() { // a read cannot be interrupted: it ends with the process at the latest
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx, cancel
}
