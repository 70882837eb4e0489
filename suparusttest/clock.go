package suparusttest

import (
	"context"
	"testing"
	"time"
)

// Clock is the server's clock. It runs with the real one, or with WithClock's,
// ahead of it or behind it by what Advance and Set have made of it.
//
// Tokens, codes, links, sessions, limits, second factors and signed URLs are
// judged by it. The database has a clock of its own, which stays as it is unless
// WithSQLClock lets it follow. Where the clock cannot be moved, the test of Start
// or Attach fails.
type Clock struct {
	of powers
	tb testing.TB // of Start or Attach: it fails where the server does not answer
}

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.tb.Helper()
	now, err := c.of.now(context.Background())
	c.check(err)
	return now
}

// Advance moves the clock forward, or back where d is less than 0. Jobs of
// pg_cron that are due on the way run at their time, one after the other, and
// have ended when it returns: each at most 60 times, which are the last ones,
// and all for at most a minute.
func (c *Clock) Advance(d time.Duration) {
	c.tb.Helper()
	c.check(c.of.advance(context.Background(), d))
}

// Set makes it t now; the clock runs on from there. It is a leap: no job of
// pg_cron has been due in the time between.
func (c *Clock) Set(t time.Time) {
	c.tb.Helper()
	c.check(c.of.setClock(context.Background(), t))
}

func (c *Clock) check(err error) {
	c.tb.Helper()
	if err != nil {
		c.tb.Fatalf("suparusttest: the clock: %v", err)
	}
}

// now is the time that tokens and codes of the server's are made for.
func (s *Server) now(tb testing.TB) time.Time {
	tb.Helper()
	if s.powers.access() == nil && s.srv == nil { // nobody can be asked
		if s.clock != nil {
			return s.clock()
		}
		return time.Now()
	}
	now, err := s.powers.now(tb.Context())
	if err != nil {
		tb.Fatalf("suparusttest: the clock: %v", err)
	}
	return now
}
