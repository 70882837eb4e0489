package pgnet

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http/httptrace"
	"sync"
	"time"
)

// stopwatch times the steps of a request, for the message of one that took too
// long.
type stopwatch struct {
	began time.Time

	mu       sync.Mutex
	dialing  bool
	lookedUp time.Time // the name is known, or there is none to look up
	ready    time.Time // the connection is there
}

func newStopwatch() *stopwatch { return &stopwatch{began: time.Now()} }

func (w *stopwatch) trace(ctx context.Context) context.Context {
	note := func(do func()) {
		w.mu.Lock()
		defer w.mu.Unlock()
		do()
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:           func(string) { note(func() { w.dialing = true }) },
		DNSDone:           func(httptrace.DNSDoneInfo) { note(func() { w.lookedUp = time.Now() }) },
		ConnectStart:      func(string, string) { note(w.known) },
		TLSHandshakeStart: func() { note(w.known) },
		TLSHandshakeDone:  func(tls.ConnectionState, error) { note(w.known) },
		GotConn: func(httptrace.GotConnInfo) {
			note(func() { w.known(); w.dialing, w.ready = false, time.Now() })
		},
	})
}

// known says that the host's address is: a number needs no look-up.
func (w *stopwatch) known() {
	if w.lookedUp.IsZero() {
		w.lookedUp = time.Now()
	}
}

// message tells in which step the time ran out, in the words of the original.
func (w *stopwatch) message(limit int32) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	var lookup, handshake, exchange time.Duration
	switch {
	case w.dialing && w.lookedUp.IsZero():
		lookup = now.Sub(w.began)
	case w.dialing:
		lookup = w.lookedUp.Sub(w.began)
		handshake = now.Sub(w.lookedUp)
	case w.ready.IsZero(): // there was no connection to make
		exchange = now.Sub(w.began)
	default:
		lookup = w.lookedUp.Sub(w.began)
		handshake = max(0, w.ready.Sub(w.lookedUp))
		exchange = now.Sub(w.ready)
	}
	return fmt.Sprintf("Timeout of %d ms reached. Total time: %f ms (DNS time: %f ms, TCP/SSL handshake time: %f ms, HTTP Request/Response time: %f ms)",
		limit, ms(now.Sub(w.began)), ms(lookup), ms(handshake), ms(exchange))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
