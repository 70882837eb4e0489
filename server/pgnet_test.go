//go:build unix

package server_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// roundTrip is everyone whom a server asks by HTTP.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRequestsOfSQLAfterRestart shuts a server down while a request of pg_net is
// under way: it is sent again by the next one, once, and then no more.
func TestRequestsOfSQLAfterRestart(t *testing.T) {
	t.Parallel()
	dir := publicTempDir(t)
	wait := func(what string, c <-chan string) string {
		t.Helper()
		select {
		case got := <-c:
			return got
		case <-time.After(20 * time.Second):
			t.Fatalf("waited too long for %s", what)
			return ""
		}
	}
	asked := make(chan string, 10)
	c := durable(dir)
	c.HTTP = roundTrip(func(r *http.Request) (*http.Response, error) {
		asked <- r.Method + " " + r.URL.String()
		<-r.Context().Done()
		return nil, context.Cause(r.Context())
	})
	first, stop := serve(t, c)
	if querySQL(t, first, "select (to_regproc('net._door') is null)::text") == "true" {
		t.Skip("PostgreSQL is an installed one, and has no pg_net of the server's")
	}
	execSQL(t, first, `select net.http_post('http://x.test/one', '{"a": 1}', headers => '{"X-A": "b"}', timeout_milliseconds => 600000)`)
	wait("the first server's request", asked)
	stop()

	c = durable(dir)
	c.HTTP = roundTrip(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		asked <- r.Method + " " + r.URL.String() + " " + string(body) + " " + r.Header.Get("X-A")
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("done"))}, err
	})
	for range 2 {
		second, stop := serve(t, c)
		execSQL(t, second, "select net._await_response(1)")
		execSQL(t, second, `do $$ begin
			assert (select content = 'done' and status_code = 200 from net._http_response where id = 1);
			assert not exists (select from net.http_request_queue);
		end $$`)
		stop()
	}
	if got := wait("the second server's request", asked); got != `POST http://x.test/one {"a": 1} b` {
		t.Errorf("sent again: %s", got)
	}
	if len(asked) > 0 {
		t.Errorf("sent once more: %s", <-asked)
	}
}
