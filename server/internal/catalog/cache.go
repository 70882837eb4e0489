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
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-c.turn }()
	if s := c.current.Load(); s != nil && s != old {
		return s, nil
	}
	s, err := c.load(ctx)
	if err != nil {
		return nil, err
	}
	c.current.Store(s)
	return s, nil
}

// Refresh loads a snapshot whatever the current one is.
func (c *Cache) Refresh(ctx context.Context) error {
	_, err := c.Reload(ctx, c.current.Load())
	return err
}
