package catalog

import (
	"context"
	"sync/atomic"
)

// Cache holds the current snapshot. Readers never wait for a reload: they use
// the snapshot there is until the new one takes its place.
type Cache struct {
	load    func(context.Context) (*Snapshot, error)
	current atomic.Pointer[Snapshot]
	turn    chan struct{} // held by the one that loads
}

// NewCache makes a cache that is filled by load when first used.
func NewCache(load func(context.Context) (*Snapshot, error)) *Cache {
	return &Cache{load: load, turn: make(chan struct{}, 1)}
}

// Get returns the current snapshot and loads one when there is none yet.
func (c *Cache) Get(ctx context.Context) (*Snapshot, error) {
	if s := c.current.Load(); s != nil {
		return s, nil
	}
	return c.Reload(ctx, nil)
}

// Reload returns a snapshot other than old, which was found to be stale. Of
// several callers with the same old one loads and the others get its result.
// A load that fails leaves the current snapshot in place.
func (c *Cache) Reload(ctx context.Context, old *Snapshot) (*Snapshot, error) {
	if err := c.take(ctx); err != nil {
		return nil, err
	}
	defer func() { <-c.turn }()
	if s := c.current.Load(); s != nil && s != old {
		return s, nil
	}
	return c.fill(ctx)
}

// take waits for the turn to load.
func (c *Cache) take(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fill loads a snapshot and makes it the current one. The turn is taken.
func (c *Cache) fill(ctx context.Context) (*Snapshot, error) {
	s, err := c.load(ctx)
	if err != nil {
		return nil, err
	}
	c.current.Store(s)
	return s, nil
}

// Refresh loads a snapshot whatever the current one is. The load begins after
// the call: one that is under way may have read what the caller knows to be old.
func (c *Cache) Refresh(ctx context.Context) error {
	if err := c.take(ctx); err != nil {
		return err
	}
	defer func() { <-c.turn }()
	_, err := c.fill(ctx)
	return err
}

// Settled is the snapshot in use when no load is under way, nil when none is.
func (c *Cache) Settled(ctx context.Context) (*Snapshot, error) {
	if err := c.take(ctx); err != nil {
		return nil, err
	}
	defer func() { <-c.turn }()
	return c.current.Load(), nil
}

// Current is the snapshot in use, nil when none is.
func (c *Cache) Current() *Snapshot { return c.current.Load() }

// Replace puts s into use, or none so that the next reader loads one: the
// database is another now. A load under way is waited for, for it may have read
// the one before.
func (c *Cache) Replace(ctx context.Context, s *Snapshot) error {
	if err := c.take(ctx); err != nil {
		return err
	}
	c.current.Store(s)
	<-c.turn
	return nil
}
