package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"
)

// Limits are bounds in bytes; 0 is the default.
type Limits struct {
	// MaxBody is the largest request body, 64 MiB by default.
	MaxBody int64
	// MaxResponse is the largest body of an answer, 256 MiB by default. That of
	// an answer made in one piece is the DB's MaxMessage.
	MaxResponse int64
	// MaxMemory is what all large bodies and answers together may take, 1 GiB by
	// default. Requests wait for their share.
	MaxMemory int64
}

func (l *Limits) complete() {
	for _, x := range []struct {
		limit *int64
		usual int64
	}{{&l.MaxBody, 64 << 20}, {&l.MaxResponse, 256 << 20}, {&l.MaxMemory, 1 << 30}} {
		if *x.limit <= 0 {
			*x.limit = x.usual
		}
	}
}

const (
	// smallHold is what a request may hold without being counted.
	smallHold = 1 << 20
	// bodyCost is how much memory a byte of a body takes: it is there, the
	// driver has a copy of it to send, and what is left of its growth is garbage.
	bodyCost = 3
	// memoryWait is how long a request waits for memory.
	memoryWait = 10 * time.Second
)

// errMemory says that the memory for large bodies and answers was taken for
// all the time of waiting.
var errMemory = errors.New("timed out waiting for the memory of other large requests")

func memoryTimeout() *Error {
	return &Error{Code: "PGRST003", Status: http.StatusGatewayTimeout, Message: "Timed out waiting for the memory of other large requests.",
		Hint: "Send the request again later, or split it into smaller ones."}
}

// memory is what large bodies and answers share.
type memory struct {
	free *semaphore.Weighted
	size int64
	wait time.Duration
}

func newMemory(size int64) *memory {
	return &memory{free: semaphore.NewWeighted(size), size: size, wait: memoryWait}
}

// hold is a request's share. A request that needs more than there is gets all.
type hold struct {
	of    *memory
	taken int64
}

// take waits for n bytes more.
func (h *hold) take(ctx context.Context, n int64) error {
	if n = min(n, h.of.size-h.taken); n <= 0 {
		return nil
	}
	if !h.of.free.TryAcquire(n) {
		wait, cancel := context.WithTimeout(ctx, h.of.wait)
		defer cancel()
		if h.of.free.Acquire(wait, n) != nil {
			if err := ctx.Err(); err != nil {
				return err
			}
			return errMemory
		}
	}
	h.taken += n
	return nil
}

// release gives everything back.
func (h *hold) release() {
	if h.taken > 0 {
		h.of.free.Release(h.taken)
		h.taken = 0
	}
}

// heldBody is a body for whose bytes, and the text made of them, memory is taken
// as they come, so that nobody gets any for a promise.
type heldBody struct {
	io.Reader
	ctx   context.Context //nolint:containedctx // it is that of the request whose body this is
	hold  *hold
	read  int64
	asked int64
}

func (b *heldBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += int64(n)
	if herr := b.Made(b.read); herr != nil {
		return 0, herr
	}
	return n, err
}

// Made implements request.Maker.
func (b *heldBody) Made(size int64) error {
	for size > smallHold && b.asked < size {
		if err := b.hold.take(b.ctx, bodyCost*smallHold); err != nil {
			return err
		}
		b.asked += smallHold
	}
	return nil
}
