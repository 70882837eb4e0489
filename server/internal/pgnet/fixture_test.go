package pgnet_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/suparust/suparust/internal/leaktest"
	"github.com/suparust/suparust/suparusttest"
)

func TestMain(m *testing.M) {
	os.Exit(leaktest.Main(func() int { return suparusttest.Main(m) }))
}

// seen is a request that reached the other side.
type seen struct {
	method, url, body string
	header            http.Header
}

// world answers every request and keeps it.
type world struct {
	answer func(*http.Request) *http.Response // nil answers 200

	mu   sync.Mutex
	list []seen
}

func (w *world) option() suparusttest.Option { return suparusttest.WithHTTP(w.hear) }

// RoundTrip has a worker of the test's own ask the world.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	res := w.hear(r)
	return res, r.Context().Err()
}

func (w *world) hear(r *http.Request) *http.Response {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	w.mu.Lock()
	w.list = append(w.list, seen{r.Method, r.URL.String(), string(body), r.Header.Clone()})
	w.mu.Unlock()
	if w.answer == nil {
		return suparusttest.Answer(http.StatusOK, nil)
	}
	return w.answer(r)
}

func (w *world) requests() []seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]seen(nil), w.list...)
}

// start starts a server. It skips where PostgreSQL is an installed one, which
// gets no extensions of the server's.
func start(t *testing.T, opts ...suparusttest.Option) *suparusttest.Server {
	t.Helper()
	srv := suparusttest.Start(t, append(opts, suparusttest.WithoutProject())...)
	if value(t, srv, "select (to_regproc('net._door') is null)::text") == "true" {
		t.Skip("PostgreSQL is an installed one, and has no pg_net of the server's")
	}
	return srv
}

// eventually waits until what is asked holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited too long until %s", what)
		}
	}
}

// value runs a query that returns one text.
func value(t *testing.T, srv *suparusttest.Server, sql string, args ...any) string {
	t.Helper()
	var text *string
	if err := srv.Pool(t).QueryRow(t.Context(), sql, args...).Scan(&text); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if text == nil {
		return "∅"
	}
	return *text
}

// row is the response to a request, as JSON without its time.
func row(t *testing.T, srv *suparusttest.Server, id string) string {
	t.Helper()
	const count = "select count(*)::text from net._http_response where id = $1::bigint"
	eventually(t, "request "+id+" has a response", func() bool { return value(t, srv, count, id) != "0" })
	return value(t, srv, `select (to_jsonb(r) - 'created' - 'id')::text from net._http_response r where id = $1::bigint`, id)
}
