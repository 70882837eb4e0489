package cmd

import (
	"context"
	"io"
	"os"
)

// untilStdinCloses returns a context that ends, too, when standard input does: the system closes it for a program that
// holds its other end, however that program ends.
func untilStdinCloses(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() { // a read cannot be interrupted: it ends with the process at the latest
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx, cancel
}
