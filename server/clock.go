package server

import (
	"sync"
	"time"
)

// Clock is what a server judges the age of tokens, codes, links, sessions and
// limits by. It runs with Config.Now, ahead of or behind it by what Advance and
// Set have made of it. The database has a clock of its own, which stays as it
// is.
type Clock struct {
	base  func() time.Time
	mu    sync.Mutex
	ahead time.Duration
}

func newClock(base func() time.Time) *Clock {
	if base == nil {
		base = time.Now
	}
	return &Clock{base: base}
}

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base().Add(c.ahead)
}

// Advance moves the clock forward, or back where d is less than 0.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// Set makes it t now; the clock runs on from there.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = t.Sub(c.base())
}

// offset is how far ahead it is, and setOffset makes it so again.
func (c *Clock) offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead
}

func (c *Clock) setOffset(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = d
}

// Clock is the server's clock.
func (s *Server) Clock() *Clock { return s.clock }
