package httpx

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// unusedGrace is how long a connection without a request may live on at the
// end: its first request may be on its way.
const unusedGrace = 100 * time.Millisecond

// CloseUnused makes a shutdown of s close the connections that clients opened
// and never sent anything on, as they do when they open one more than they
// need. [http.Server.Shutdown] alone waits five seconds for a request on each.
// It takes s.ConnState; call it before s serves.
func CloseUnused(s *http.Server) {
	u := &unused{conns: map[net.Conn]struct{}{}}
	s.ConnState = u.state
	s.RegisterOnShutdown(func() { time.AfterFunc(unusedGrace, u.close) })
}

// unused are the connections of a server without a request so far.
type unused struct {
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

func (u *unused) state(c net.Conn, s http.ConnState) {
	if s == http.StateIdle {
		return // it was in use
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case s != http.StateNew:
		delete(u.conns, c)
	case u.closed:
		_ = c.Close()
	default:
		u.conns[c] = struct{}{}
	}
}

func (u *unused) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for c := range u.conns {
		_ = c.Close()
	}
	clear(u.conns)
}
