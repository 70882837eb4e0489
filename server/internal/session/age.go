package session

import (
	"sync/atomic"
	"time"
)

// lifeLimits bound how long connections live; 0 does not.
type lifeLimits struct{ idle, age time.Duration }

// tooOld tells whether a connection has stood or lived for too long.
func (l lifeLimits) tooOld(c *conn, now time.Time) bool { return !now.Before(l.end(c)) }

// end is when a connection that nobody uses is closed.
func (l lifeLimits) end(c *conn) time.Time {
	end := time.Unix(1<<40, 0)
	if l.age > 0 {
		end = c.opened.Add(l.age)
	}
	if l.idle > 0 && c.used.Add(l.idle).Before(end) {
		end = c.used.Add(l.idle)
	}
	return end
}

// keepUntil puts c among the idle connections until its end. db.mu is held.
func (db *DB) keepUntil(c *conn, now time.Time) {
	c.used = now
	db.idle = append(db.idle, c)
	if db.limits != (lifeLimits{}) && db.reaper == nil {
		db.reaper = time.AfterFunc(db.limits.end(c).Sub(now), db.reap)
	}
}

// reap closes the idle connections whose end has come and waits for the next
// one's.
func (db *DB) reap() {
	now := time.Now()
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return
	}
	db.busy.Add(1) // Close waits for it
	defer db.busy.Done()
	var kept, dropped []*conn
	var next time.Time
	for _, c := range db.idle {
		if db.limits.tooOld(c, now) {
			dropped = append(dropped, c)
			continue
		}
		kept = append(kept, c)
		if end := db.limits.end(c); next.IsZero() || end.Before(next) {
			next = end
		}
	}
	db.idle, db.reaper = kept, nil
	if len(kept) > 0 {
		db.reaper = time.AfterFunc(next.Sub(now), db.reap)
	}
	db.mu.Unlock()
	db.closeAll(dropped)
}

// poolStats count what becomes of connections.
type poolStats struct {
	open, waiting, timeouts atomic.Int64
}

// Stats are the numbers of a pool at one moment.
type Stats struct {
	Max, Open, InUse int
	Waiting          int   // transactions that wait for a connection
	Timeouts         int64 // waits that were given up
}

// Stats tells the pool's numbers.
func (db *DB) Stats() Stats {
	return Stats{Max: cap(db.slots), Open: int(db.stats.open.Load()), InUse: len(db.slots),
		Waiting: int(db.stats.waiting.Load()), Timeouts: db.stats.timeouts.Load()}
}

// Prepare tells whether statements are prepared on the connections, as they
// are at first. Without, each travels with its text: for poolers that give
// every transaction another connection.
func (db *DB) Prepare(on bool) { db.unprepared.Store(!on) }
