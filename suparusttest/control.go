package suparusttest

import (
	"net/http"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
)

// Control returns a client of the server's control API, which test suites in
// other languages use: its paths are those of docs/control.md.
func (s *Server) Control(tb testing.TB) *Client {
	tb.Helper()
	if s.srv == nil || s.srv.ControlURL() == "" {
		tb.Fatal("suparusttest: the server has no control API: it runs elsewhere, or WithConfig turned Config.Control off or made it listen beyond loopback")
	}
	return &Client{
		HTTP:   &http.Client{Transport: s.http, Timeout: 2 * time.Minute},
		URL:    s.srv.ControlURL(),
		Header: http.Header{"Authorization": {"Bearer " + s.srv.ControlToken()}},
	}
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
	if err := s.here(tb).Fault(f); err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
}

// ClearFaults forgets the faults that no request has met yet.
func (s *Server) ClearFaults(tb testing.TB) {
	tb.Helper()
	s.here(tb).ClearFaults()
}

// Disconnect ends every connection to the database, as a restart of PostgreSQL
// does: those of the server, of the test's pool and of whoever else has one.
func (s *Server) Disconnect(tb testing.TB) {
	tb.Helper()
	if _, err := s.here(tb).Disconnect(tb.Context()); err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
}

// here is the server of this process.
func (s *Server) here(tb testing.TB) *server.Server {
	tb.Helper()
	if s.srv == nil {
		tb.Fatal("suparusttest: the server runs elsewhere: its control API does what this does here")
	}
	return s.srv
}
