package suparusttest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
)

// HTTPAnswer is what AnswerHTTP answers requests of the server with.
type HTTPAnswer = server.HTTPAnswer

// HTTPRequest is a request of the server to somebody else.
type HTTPRequest = server.HTTPRequest

// AnswerHTTP answers what the server asks of others by HTTP: hooks, sign-in
// providers, captcha, senders of texts, pg_net. The newest answer that a request
// matches is taken; a request that matches none goes to WithHTTP's function, or
// out.
//
//	srv.AnswerHTTP(t, suparusttest.HTTPAnswer{URL: "https://shop.example.com/*", Body: map[string]any{"paid": true}})
//	srv.AnswerHTTP(t, suparusttest.HTTPAnswer{URL: "https://shop.example.com/pay", Times: 1, Status: 503})
//
// From the first answer on the requests are kept: see WaitHTTP.
func (s *Server) AnswerHTTP(tb testing.TB, a HTTPAnswer) {
	tb.Helper()
	s.do(tb, func(ctx context.Context) error { return s.powers.answerHTTP(ctx, a) })
}

// httpPatience is how long WaitHTTP waits.
const httpPatience = 10 * time.Second

// WaitHTTP returns the server's newest request to a URL, in which * stands for
// anything. Without one it waits until there is; after ten seconds it fails tb
// and shows what was asked instead.
func (s *Server) WaitHTTP(tb testing.TB, url string) HTTPRequest {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), httpPatience)
	defer cancel()
	found, err := s.powers.awaitHTTP(ctx, server.HTTPFilter{URL: url})
	switch {
	case err == nil:
		return found[0]
	case errors.Is(tb.Context().Err(), context.Canceled):
		tb.Fatalf("suparusttest: the test ended before the server asked %s", url)
	case ctx.Err() != nil:
		var asked []string
		for _, r := range s.HTTPRequests(tb, "") {
			asked = append(asked, r.Method+" "+r.URL)
		}
		if len(asked) == 0 {
			asked = []string{"nothing since the first AnswerHTTP"}
		}
		tb.Fatalf("suparusttest: the server did not ask %s within %s; it asked: %s", url, httpPatience, strings.Join(asked, ", "))
	default:
		tb.Fatalf("suparusttest: %v", err)
	}
	return HTTPRequest{}
}

// HTTPRequests are the server's last requests to a URL, in which * stands for
// anything, newest first; "" is all of them.
func (s *Server) HTTPRequests(tb testing.TB, url string) []HTTPRequest {
	tb.Helper()
	list, err := s.powers.httpRequests(tb.Context(), server.HTTPFilter{URL: url})
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	return list
}

// ClearHTTP forgets the answers and the requests.
func (s *Server) ClearHTTP(tb testing.TB) {
	tb.Helper()
	s.do(tb, s.powers.clearHTTP)
}
