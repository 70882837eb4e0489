package storage

import (
	"context"
	"sync"
	"time"
)

// finishTimeout bounds the end of a write whose client may be gone, to within
// twice as much. What takes as long as there are bytes is no part of the end.
const finishTimeout = time.Minute

// finishes hands out the contexts for the ends of writes. Those of the same
// minute end by one timer: a timer of its own for every write wakes a thread
// that waits for the network.
type finishes struct {
	timeout time.Duration // finishTimeout; less where a test cannot wait

	mu    sync.Mutex
	until time.Time // when the current one is replaced
	ctx   context.Context
	end   context.CancelFunc
}

// begin returns a context that is over no sooner than the timeout from now.
func (f *finishes) begin() context.Context {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if f.ctx == nil || now.After(f.until) {
		f.until = now.Add(f.timeout)
		f.ctx, f.end = context.WithDeadline(context.Background(), f.until.Add(f.timeout))
	}
	return f.ctx
}

// close ends the timer.
func (f *finishes) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.end != nil {
		f.end()
	}
}

// finishing is a context for the end of a write: the client's going away no
// longer stops it.
func (c *call) finishing() context.Context {
	return &finish{Context: c.h.finishes.begin(), request: c.ctx()}
}

// finish is a context of finishes with the values of a request.
type finish struct {
	context.Context
	request context.Context
}

// Value implements context.Context.
func (f *finish) Value(key any) any {
	if v := f.Context.Value(key); v != nil {
		return v
	}
	return f.request.Value(key)
}
