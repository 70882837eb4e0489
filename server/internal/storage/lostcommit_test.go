package storage_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// TestLostCommit: the database has committed a row, and its answer is lost.
// Before the server can try again, another client deletes or replaces the
// object: that is not undone.
//
//covers:storage 82 83
func TestLostCommit(t *testing.T) {
	t.Parallel()
	var disk blob.Store
	a := start(t, func(c *storage.Config) { disk = c.Blobs })
	a.bucket("b", true)
	login, err := pgx.ParseConfig(a.dsn)
	if err != nil {
		t.Fatal(err)
	}
	var lost atomic.Bool
	var between atomic.Pointer[func()] // is run before the server connects again
	var dialing sync.Mutex             // the broken connection's end dials, too
	dial := login.DialFunc
	login.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialing.Lock()
		if f := between.Swap(nil); f != nil {
			(*f)()
		}
		dialing.Unlock()
		conn, err := dial(ctx, network, address)
		return lostAnswer{conn, &lost}, err
	}
	b := a.besideWith(t, storage.Config{Blobs: disk}, login, unwrapped)
	for method, status := range map[string]int{"POST": 400, "PUT": 200} {
		for _, c := range []struct {
			name    string
			between func()
			answer  int // 0 is any
			content string
		}{
			{"left alone", func() {}, 200, "first"},
			{"deleted", func() { a.do("DELETE", "/object/b/k", a.service, nil).ok(t) }, 0, ""},
			{"replaced", func() { a.do("PUT", "/object/b/k", a.service, "second").ok(t) }, 0, "second"},
		} {
			t.Run(method+" "+c.name, func(t *testing.T) {
				_ = b.do("GET", "/object/public/b/none", "", nil) // a connection is there
				between.Store(&c.between)
				lost.Store(true)
				got := b.do(method, "/object/b/k", a.service, "first")
				if lost.Load() || between.Load() != nil {
					t.Fatal("no answer was lost")
				}
				if c.answer != 0 && got.status != c.answer {
					t.Errorf("%d %s", got.status, got.body)
				}
				if c.content == "" {
					a.do("GET", "/object/public/b/k", "", nil).noSuchKey(t)
				} else {
					a.do("GET", "/object/public/b/k", "", nil).is(t, 200, c.content)
					if got := b.do(method, "/object/b/k", a.service, "again"); got.status != status {
						t.Errorf("again: %d %s", got.status, got.body)
					}
					a.do("DELETE", "/object/b/k", a.service, nil).ok(t)
				}
				a.bytesMatchRows(t)
			})
		}
	}
}
