package storage_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// faulty is a store whose methods fail when they are told to.
type faulty struct {
	blob.Store
	put, remove, copy error
}

func (f *faulty) Put(ctx context.Context, version string, r io.Reader, limit int64) (blob.Info, error) {
	if f.put != nil {
		return blob.Info{}, f.put
	}
	return f.Store.Put(ctx, version, r, limit)
}

func (f *faulty) Remove(ctx context.Context, versions ...string) error {
	if f.remove != nil {
		return f.remove
	}
	return f.Store.Remove(ctx, versions...)
}

func (f *faulty) Copy(ctx context.Context, from, to string) error {
	if f.copy != nil {
		return f.copy
	}
	return f.Store.Copy(ctx, from, to)
}

//covers:storage 26
func TestStoreFaults(t *testing.T) {
	t.Parallel()
	store := &faulty{}
	a := start(t, func(c *storage.Config) { store.Store, c.Blobs = c.Blobs, store })
	a.bucket("b", false)
	a.put("b/k", "one")

	store.put = &syscallError{syscall.ENOSPC}
	a.do("POST", "/object/b/x", a.service, "x").fails(t, 507, "507", "Internal", "The server has no space left to store the object", "InternalError")
	store.put = errors.New("the disk is on fire")
	r := a.do("PUT", "/object/b/k", a.service, "two")
	r.fails(t, 500, "500", "Internal", "Internal Server Error", "InternalError")
	if strings.Contains(r.body, "fire") {
		t.Error("the cause is shown")
	}
	store.put = nil
	a.do("GET", "/object/b/k", a.service, nil).is(t, 200, "one")

	store.copy = errors.New("no links")
	a.do("POST", "/object/copy", a.service, map[string]any{"bucketId": "b", "sourceKey": "k", "destinationKey": "c"}).
		fails(t, 500, "500", "Internal", "Internal Server Error", "InternalError")
	a.do("POST", "/object/move", a.service, map[string]any{"bucketId": "b", "sourceKey": "k", "destinationKey": "c"}).
		fails(t, 500, "500", "Internal", "Internal Server Error", "InternalError")
	store.copy = nil
	a.bytesMatchRows(t)

	// what cannot be removed does not keep the row
	store.remove = errors.New("busy")
	a.do("DELETE", "/object/b/k", a.service, nil).ok(t)
	a.do("GET", "/object/b/k", a.service, nil).noSuchKey(t)
}

type syscallError struct{ errno syscall.Errno }

func (e *syscallError) Error() string { return "write: " + e.errno.Error() }

func (e *syscallError) Unwrap() error { return e.errno }

// TestLostConnections: the database ends every connection while the bytes of
// an upload arrive.
func TestLostConnections(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	for _, method := range []string{"POST", "PUT"} {
		body, writer := io.Pipe()
		got := make(chan answer)
		go func() {
			r, err := a.try(method, "/object/b/"+method, a.service, body)
			if err != nil {
				t.Error(err)
			}
			got <- r
		}()
		before := len(a.files())
		if _, err := writer.Write(make([]byte, 300<<10)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the upload has begun", func() bool { return len(a.files()) == before+1 })
		a.exec(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'`)
		eventually(t, "the connections are gone", func() bool {
			return a.one(`select count(*) from pg_stat_activity where usename = 'authenticator'`) == "0"
		})
		writer.Close()
		if r := <-got; r.status != 200 {
			t.Errorf("%s: %d %s", method, r.status, r.body)
		}
	}
	a.bytesMatchRows(t)
}

// TestLockedKey: another session writes the same key and does not end.
//
//covers:storage 82
func TestLockedKey(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	a.exec(`select pg_advisory_lock(hashtextextended('b/k', 0))`)
	a.do("POST", "/object/b/k", a.service, "x").fails(t, 400, "503", "acquiring_lock_timeout", "acquiring lock timeout", "LockTimeout")
	if got := a.files(); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
	a.exec(`select pg_advisory_unlock_all()`)
	a.put("b/k", "x")
}

// TestDeferredRefusal: what the database refuses at the very end of the write
// leaves no bytes and is no success.
func TestDeferredRefusal(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	a.exec(`create function public.late() returns trigger language plpgsql as $$ begin
		  if new.version <> '1' then raise 'too late'; end if; return new; end $$;
		create constraint trigger late after insert on storage.objects deferrable initially deferred for each row execute function public.late()`)
	a.do("POST", "/object/b/k", a.service, "x").fails(t, 500, "500", "DatabaseError", "database error, code: P0001", "DatabaseError")
	a.bytesMatchRows(t)
	if n := a.one(`select count(*) from storage.objects`); n != "0" {
		t.Errorf("%s rows", n)
	}
}
