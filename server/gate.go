package server

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// gate lets requests wait while the database is started anew.
type gate struct {
	mu     sync.Mutex
	shut   chan struct{} // closed when the gate opens again; nil while it is open
	inside *crowd
}

// crowd are the requests that came in between two closings of the gate.
type crowd struct {
	n    int
	old  bool          // nobody joins it any more
	gone chan struct{} // closed when it is old and all have left
}

// gatePatience bounds how long a request waits at the gate.
const gatePatience = 30 * time.Second

// wrap lets requests through the gate.
func (g *gate) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := g.enter(r.Context())
		if c == nil {
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusServiceUnavailable, "the database is being restored or reset, and that takes its time: try again")
			return
		}
		defer g.leave(c)
		next.ServeHTTP(w, r)
	})
}

// enter returns whom a request has joined, nil when it may not come in.
func (g *gate) enter(ctx context.Context) *crowd {
	var late *time.Timer
	for {
		g.mu.Lock()
		if g.shut == nil {
			if g.inside == nil {
				g.inside = &crowd{gone: make(chan struct{})}
			}
			c := g.inside
			c.n++
			g.mu.Unlock()
			return c
		}
		shut := g.shut
		g.mu.Unlock()
		if late == nil {
			late = time.NewTimer(gatePatience)
			defer late.Stop()
		}
		select {
		case <-shut:
		case <-ctx.Done():
			return nil
		case <-late.C:
			return nil
		}
	}
}

func (g *gate) leave(c *crowd) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.n--
	if c.old && c.n == 0 {
		close(c.gone)
	}
}

// close lets nobody in. gone is closed when those who are inside have left.
func (g *gate) close() (gone <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		g.shut = make(chan struct{})
	}
	c := g.inside
	if c == nil {
		c = &crowd{gone: make(chan struct{})}
	}
	g.inside = nil
	c.old = true
	if c.n == 0 {
		close(c.gone)
	}
	return c.gone
}

// open lets those in who wait.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}
