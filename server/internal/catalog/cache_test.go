package catalog

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

// Callers that find the same snapshot stale share one load; one that finds the
// new one stale, too, makes another.
//
//covers:rest 237
func TestReloadIsShared(t *testing.T) {
	ctx := context.Background()
	var loads atomic.Int64
	entered, leave := make(chan struct{}), make(chan struct{})
	c := NewCache(func(context.Context) (*Snapshot, error) {
		if n := loads.Add(1); n == 2 {
			close(entered)
			<-leave
		}
		return &Snapshot{Version: loads.Load()}, nil
	})
	first, err := c.Get(ctx)
	if err != nil || first.Version != 1 {
		t.Fatal(first, err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			s, err := c.Reload(ctx, first)
			if err != nil || s.Version != 2 {
				t.Error(s, err)
			}
		})
	}
	<-entered
	if s, err := c.Get(ctx); err != nil || s != first {
		t.Error("a reader waits for the reload", s, err)
	}
	close(leave)
	wg.Wait()
	if loads.Load() != 2 {
		t.Errorf("%d loads, want 2", loads.Load())
	}
	second, _ := c.Get(ctx)
	if s, err := c.Reload(ctx, second); err != nil || s.Version != 3 {
		t.Error(s, err)
	}
}

func TestFailedReloadKeepsTheSnapshot(t *testing.T) {
	ctx := context.Background()
	fail := false
	c := NewCache(func(context.Context) (*Snapshot, error) {
		if fail {
			return nil, errors.New("gone")
		}
		return &Snapshot{}, nil
	})
	first, err := c.Get(ctx)
	if err != nil {
		t.Fatal(err)
	}
	fail = true
	if err := c.Refresh(ctx); err == nil {
		t.Error("the failure is not told")
	}
	if s, err := c.Get(ctx); err != nil || s != first {
		t.Error(s, err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	c.turn <- struct{}{}
	if _, err := c.Reload(canceled, first); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Refresh never takes the result of a load that began before it.
func TestRefreshLoadsItself(t *testing.T) {
	ctx := context.Background()
	var loads atomic.Int64
	entered, leave := make(chan struct{}, 2), make(chan struct{})
	c := NewCache(func(context.Context) (*Snapshot, error) {
		n := loads.Add(1)
		entered <- struct{}{}
		<-leave
		return &Snapshot{Version: n}, nil
	})
	first := make(chan error, 1)
	go func() { _, err := c.Get(ctx); first <- err }()
	<-entered
	second := make(chan error, 1)
	go func() { second <- c.Refresh(ctx) }()
	close(leave)
	for _, err := range []error{<-first, <-second} {
		if err != nil {
			t.Error(err)
		}
	}
	if s, err := c.Get(ctx); err != nil || s.Version != 2 {
		t.Errorf("version %d, %v", s.Version, err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	c.turn <- struct{}{}
	if err := c.Refresh(cancelled); err == nil {
		t.Error("a refresh that was given up says that it is done")
	}
}
