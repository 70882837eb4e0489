package server

import (
	"sync"
	"time"
)

// Clock is what a server judges the age of tokens, codes, links, sessions and
// limits by. It runs with Config.Now, ahead of or behind it by what Advance and
// Set have made of it. The database has a clock of its own, which stays as it
// is, unless Config.SQLClock lets it follow.
type Clock struct {
	base func() time.Time // nil is time.Now

	// moving is held while the clock is moved, and never while others wait for
	// the time. follow has the database's clock be that far ahead; nil where that
	// stays as it is.
	moving sync.Mutex
	follow func(ahead time.Duration) error

	mu    sync.Mutex
	ahead time.Duration
	jobs  jobs
}

// jobs are those of pg_cron; nil where there can be none.
type jobs interface {
	// Move brings the clock forward with the help of forward, by d altogether,
	// and runs what is due on the way.
	Move(d time.Duration, forward func(time.Duration) error) error
	// Skip says that the clock was set, which runs nothing.
	Skip()
}

func newClock(base func() time.Time) *Clock { return &Clock{base: base} }

func (c *Clock) real() time.Time {
	if c.base == nil {
		return time.Now()
	}
	return c.base()
}

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.real().Add(c.ahead)
}

// Advance moves the clock forward, or back where d is less than 0. With
// Config.SQLClock it returns when now() says so in every connection. If the
// database cannot be told, the clock stays as it was.
//
// On the way forward it stops at every time that jobs of pg_cron are due, has
// them run and waits for their end: one after the other, each at most 60 times
// and all for at most a minute; the log tells of what was left out.
func (c *Clock) Advance(d time.Duration) error {
	forward := func(d time.Duration) error {
		return c.move(func(ahead time.Duration) time.Duration { return ahead + d })
	}
	if j := c.due(); j != nil && d > 0 {
		return j.Move(d, forward)
	}
	return forward(d)
}

// Set makes it t now; the clock runs on from there. With Config.SQLClock it is
// as Advance is. It is a leap: the time between was never, and no job of
// pg_cron has been due in it.
func (c *Clock) Set(t time.Time) error {
	err := c.move(func(time.Duration) time.Duration { return t.Sub(c.real()) })
	if j := c.due(); j != nil {
		j.Skip()
	}
	return err
}

func (c *Clock) due() jobs {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.jobs
}

func (c *Clock) setJobs(j jobs) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs = j
}

// move moves the database's clock first: who sees the new time here sees it
// there.
func (c *Clock) move(to func(ahead time.Duration) time.Duration) error {
	c.moving.Lock()
	defer c.moving.Unlock()
	ahead := to(c.offset())
	if c.follow != nil {
		ahead = ahead.Truncate(time.Microsecond) // what the database can follow
		if err := c.follow(ahead); err != nil {
			return err
		}
	}
	c.setOffset(ahead)
	return nil
}

// offset is how far ahead it is, and setOffset makes it so again, where the
// database's clock is known to be.
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
