package suparusttest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
)

// Control returns a client of the server's control API, which test suites in
// other languages use: its paths are those of docs/control.md.
func (s *Server) Control(tb testing.TB) *Client {
	tb.Helper()
	api := s.control(tb)
	return &Client{HTTP: api.HTTP, URL: api.URL, Header: http.Header{"Authorization": {"Bearer " + api.Token}}}
}

// controlPatience bounds a request to the control API.
const controlPatience = 2 * time.Minute

// control is how the control API is reached.
func (s *Server) control(tb testing.TB) *server.ControlAccess {
	tb.Helper()
	api := s.powers.access()
	switch {
	case api == nil && s.srv == nil:
		tb.Fatalf("suparusttest: %v", errNoControl)
	case api == nil:
		tb.Fatalf("suparusttest: %v", errControlOff)
	}
	with := *api
	with.HTTP = &http.Client{Transport: s.http, Timeout: controlPatience}
	return &with
}

// Fault is what requests are made to meet on purpose. The zero Times is one
// request, less than zero all of them.
type Fault = server.Fault

// Fault has the next requests that f matches fail, be slow or be cut, so that
// an app's own retries and errors can be tested:
//
//	srv.Fault(t, suparusttest.Fault{Path: "/rest/v1/notes", Times: 2, Status: 503})
//	srv.Fault(t, suparusttest.Fault{Path: "/auth/v1/token", Delay: 2 * time.Second})
//	srv.Fault(t, suparusttest.Fault{Method: "POST", Path: "/rest/v1/orders", LoseAnswer: true})
//
// Clients may repeat a request by themselves: Go's repeats a GET whose kept
// connection ends before the answer.
func (s *Server) Fault(tb testing.TB, f Fault) {
	tb.Helper()
	s.do(tb, func(ctx context.Context) error { return s.powers.fault(ctx, f) })
}

// ClearFaults forgets the faults that no request has met yet.
func (s *Server) ClearFaults(tb testing.TB) {
	tb.Helper()
	s.do(tb, s.powers.clearFaults)
}

// Disconnect ends every connection to the database, as a restart of PostgreSQL
// does: those of the server, of the test's pool and of whoever else has one.
func (s *Server) Disconnect(tb testing.TB) {
	tb.Helper()
	s.do(tb, s.powers.disconnect)
}

// do has tb fail at once where the server cannot do what is asked of it.
func (s *Server) do(tb testing.TB, what func(context.Context) error) {
	tb.Helper()
	if err := what(tb.Context()); err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
}
