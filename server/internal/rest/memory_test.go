package rest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestMemoryIsShared(t *testing.T) {
	t.Parallel()
	m := newMemory(10)
	m.wait = 10 * time.Millisecond
	a, b := hold{of: m}, hold{of: m}
	ctx := t.Context()
	if err := a.take(ctx, 7); err != nil {
		t.Fatal(err)
	}
	if err := b.take(ctx, 4); !errors.Is(err, errMemory) {
		t.Errorf("too much is given: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := b.take(gone, 4); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that is gone waits: %v", err)
	}
	if err := b.take(ctx, 3); err != nil {
		t.Errorf("what is there is not given: %v", err)
	}
	m.wait = time.Minute
	waits := make(chan error)
	go func() { waits <- a.take(ctx, 2) }()
	b.release()
	if err := <-waits; err != nil {
		t.Errorf("what was released is not given: %v", err)
	}
	a.release()
	if err := b.take(ctx, 1000); err != nil || b.taken != 10 {
		t.Errorf("%d of 10, %v: who wants more than there is gets all", b.taken, err)
	}
	if err := b.take(ctx, 1000); err != nil {
		t.Error(err)
	}
	b.release()
	b.release()
	if !m.free.TryAcquire(10) {
		t.Error("something was not released")
	}
}

func TestHeldBody(t *testing.T) {
	t.Parallel()
	m := newMemory(100 << 20)
	for size, want := range map[int]int64{smallHold: 0, smallHold + 1: 2 * bodyCost * smallHold, 5 * smallHold: 5 * bodyCost * smallHold} {
		h := hold{of: m}
		body := &heldBody{Reader: strings.NewReader(strings.Repeat("x", size)), ctx: t.Context(), hold: &h}
		n, err := io.Copy(io.Discard, io.MultiReader(body))
		if n != int64(size) || err != nil || h.taken != want {
			t.Errorf("%d of %d bytes, %v: %d of memory, want %d", n, size, err, h.taken, want)
		}
		h.release()
	}
}
