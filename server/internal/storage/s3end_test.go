package storage_test

import (
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// held is a store that keeps whoever stores bytes waiting while it is told to:
// each tells of itself, with what lets it go on.
type held struct {
	blob.Store
	stored chan func()
	opened chan func() // before the bytes are read

	puts, opens atomic.Bool
}

func hold(s blob.Store) *held {
	return &held{Store: s, stored: make(chan func()), opened: make(chan func())}
}

func (h *held) wait(on *atomic.Bool, told chan func()) {
	if on.Load() {
		let := make(chan struct{})
		told <- func() { close(let) }
		<-let
	}
}

func (h *held) Put(ctx context.Context, version string, r io.Reader, limit int64) (blob.Info, error) {
	info, err := h.Store.Put(ctx, version, r, limit)
	h.wait(&h.puts, h.stored)
	return info, err
}

func (h *held) Copy(ctx context.Context, from, to string) error {
	err := h.Store.Copy(ctx, from, to)
	h.wait(&h.puts, h.stored)
	return err
}

func (h *held) Open(ctx context.Context, version string, offset, length int64) (io.ReadCloser, error) {
	h.wait(&h.opens, h.opened)
	return h.Store.Open(ctx, version, offset, length)
}

// second is another server on the same database and the same files, whose next
// answer from the database gets lost when it is told so.
func (c *s3Client) second(t *testing.T, cfg storage.Config, lost *atomic.Bool) *s3Client {
	t.Helper()
	login, err := pgx.ParseConfig(c.a.dsn)
	if err != nil {
		t.Fatal(err)
	}
	dial := login.DialFunc
	login.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return lostAnswer{conn, lost}, err
	}
	other := *c
	other.a = c.a.besideWith(t, cfg, login, unwrapped)
	return &other
}

// lostAnswer is a connection that breaks when the next answer comes, where it
// is told to.
type lostAnswer struct {
	net.Conn
	next *atomic.Bool
}

func (l lostAnswer) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if n > 0 && l.next.CompareAndSwap(true, false) {
		l.Conn.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// inBackground begins a request, whose answer comes later.
func inBackground(ask func() answer) <-chan answer {
	got := make(chan answer, 1)
	go func() {
		defer close(got) // a client that fails the test has no answer
		got <- ask()
	}()
	return got
}

// whileLocked runs f while another session holds the lock that a statement
// takes.
func (a *api) whileLocked(t *testing.T, lock string, f func()) {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), a.admin.Config().Copy())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	f()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// waitBlocked waits until so many of the servers' sessions wait for a lock.
func (a *api) waitBlocked(t *testing.T, n int) {
	t.Helper()
	eventually(t, "the servers wait for a lock", func() bool {
		return a.one(`select count(*) from pg_stat_activity where usename = 'authenticator' and wait_event_type = 'Lock'`) == strconv.Itoa(n)
	})
}

// TestS3EndsOnce: an upload in parts ends once, whoever ends it where, and what
// comes to it meanwhile leaves nothing.
//
//covers:storage 66 82 86
func TestS3EndsOnce(t *testing.T) {
	t.Parallel()
	var store *held
	var s3 storage.S3Config
	a, one := startS3(t, func(c *storage.Config) {
		store = hold(c.Blobs)
		c.Blobs, s3 = store, c.S3
	})
	var lost atomic.Bool // the next answer of the second one's database
	two := one.second(t, storage.Config{Blobs: store, S3: s3}, &lost)
	a.bucket("b", true)
	// begun is an upload of two parts
	begun := func(path string) (id, parts string) {
		id = one.begin(path)
		e1 := one.ok(200, "PUT", path, "partNumber=1&uploadId="+id, "first ").header.Get("ETag")
		e2 := two.ok(200, "PUT", path, "partNumber=2&uploadId="+id, "second").header.Get("ETag")
		return id, complete("1", e1, "2", e2)
	}
	// during runs f while the request of a client has stored its bytes and
	// committed nothing, and returns its answer.
	during := func(c *s3Client, method, path, query, body string, f func()) answer {
		store.puts.Store(true)
		got := inBackground(func() answer { return c.do(method, path, query, body) })
		let := <-store.stored
		store.puts.Store(false)
		f()
		let()
		return <-got
	}
	noUpload := func(t *testing.T, got answer) {
		t.Helper()
		wantFailure(t, "an upload that has ended", got, 404, "NoSuchUpload", "Upload not found")
		if n := a.one(`select count(*) from storage.s3_multipart_uploads_parts`); n != "0" {
			t.Errorf("%s parts are left", n)
		}
		a.bytesMatchRows(t)
	}
	t.Run("completed twice and deleted between", func(t *testing.T) {
		id, parts := begun("/b/twice")
		got := during(one, "POST", "/b/twice", "uploadId="+id, parts, func() {
			two.ok(200, "POST", "/b/twice", "uploadId="+id, parts)
			two.ok(204, "DELETE", "/b/twice", "", "")
		})
		noUpload(t, got)
		two.ok(404, "HEAD", "/b/twice", "", "")
	})
	t.Run("completed twice", func(t *testing.T) {
		id, parts := begun("/b/both")
		got := during(one, "POST", "/b/both", "uploadId="+id, parts, func() { two.ok(200, "POST", "/b/both", "uploadId="+id, parts) })
		noUpload(t, got)
		if r := two.ok(200, "GET", "/b/both", "", ""); r.body != "first second" {
			t.Errorf("%q", r.body)
		}
	})
	t.Run("aborted while it is completed", func(t *testing.T) {
		for _, chosen := range []string{"all", "one"} { // which is not joined but copied
			id, parts := begun("/b/aborted")
			if chosen == "one" {
				parts = complete("1", strings.Trim(etag("first "), `"`))
			}
			got := during(one, "POST", "/b/aborted", "uploadId="+id, parts, func() { two.ok(200, "DELETE", "/b/aborted", "uploadId="+id, "") })
			noUpload(t, got)
			two.ok(404, "HEAD", "/b/aborted", "", "")
		}
	})
	t.Run("aborted before its parts are read", func(t *testing.T) {
		id, parts := begun("/b/unread")
		store.opens.Store(true)
		got := inBackground(func() answer { return one.do("POST", "/b/unread", "uploadId="+id, parts) })
		let := <-store.opened
		store.opens.Store(false)
		two.ok(200, "DELETE", "/b/unread", "uploadId="+id, "")
		let()
		noUpload(t, <-got)
	})
	t.Run("completed while it is aborted", func(t *testing.T) {
		id, parts := begun("/b/late")
		one.ok(200, "PUT", "/b/late", "partNumber=3&uploadId="+id, "not chosen")
		var completed, aborted <-chan answer
		a.whileLocked(t, `select from storage.s3_multipart_uploads where id = '`+id+`' for update`, func() {
			completed = inBackground(func() answer { return one.do("POST", "/b/late", "uploadId="+id, parts) })
			a.waitBlocked(t, 1)
			aborted = inBackground(func() answer { return two.do("DELETE", "/b/late", "uploadId="+id, "") })
			a.waitBlocked(t, 2)
		})
		if r := <-completed; r.status != 200 {
			t.Errorf("%d %s", r.status, r.body)
		}
		noUpload(t, <-aborted)
	})
	t.Run("a part that comes while it is completed", func(t *testing.T) {
		id, parts := begun("/b/part")
		got := during(one, "PUT", "/b/part", "partNumber=3&uploadId="+id, "late", func() { two.ok(200, "POST", "/b/part", "uploadId="+id, parts) })
		noUpload(t, got)
	})
	t.Run("a part that comes while it is aborted", func(t *testing.T) {
		id, _ := begun("/b/gone")
		got := during(one, "PUT", "/b/gone", "partNumber=3&uploadId="+id, "late", func() { two.ok(200, "DELETE", "/b/gone", "uploadId="+id, "") })
		noUpload(t, got)
	})
	t.Run("a part that comes before the end is committed", func(t *testing.T) {
		id, parts := begun("/b/last")
		var completed <-chan answer
		a.whileLocked(t, `select pg_advisory_xact_lock(hashtextextended('b/last', 0))`, func() {
			completed = inBackground(func() answer { return one.do("POST", "/b/last", "uploadId="+id, parts) })
			a.waitBlocked(t, 1)
			two.ok(200, "PUT", "/b/last", "partNumber=3&uploadId="+id, "just in time")
		})
		got := <-completed
		if got.status != 200 {
			t.Errorf("%d %s", got.status, got.body)
		}
		a.bytesMatchRows(t)
	})
	t.Run("an end whose answer from the database is lost", func(t *testing.T) {
		id, parts := begun("/b/lost")
		got := during(two, "POST", "/b/lost", "uploadId="+id, parts, func() { lost.Store(true) })
		if lost.Load() || got.status != 200 {
			t.Errorf("%d %s", got.status, got.body)
		}
		if r := two.ok(200, "GET", "/b/lost", "", ""); r.body != "first second" {
			t.Errorf("%q", r.body)
		}
		noUpload(t, two.do("POST", "/b/lost", "uploadId="+id, parts))
	})
	t.Run("an end that a trigger suppresses", func(t *testing.T) {
		a.exec(`create function public.never() returns trigger language plpgsql as $$ begin
			  if new.name = 'never' and new.version <> '1' then return null; end if; return new; end $$;
			create trigger never before insert on storage.objects for each row execute function public.never()`)
		id, parts := begun("/b/never")
		wantFailure(t, "left out", one.do("POST", "/b/never", "uploadId="+id, parts), 500, "InternalError", "")
		noUpload(t, two.do("DELETE", "/b/never", "uploadId="+id, ""))
	})
	t.Run("a part's source that is replaced before it is read", func(t *testing.T) {
		a.put("b/source", "old")
		id := one.begin("/b/copied")
		store.opens.Store(true)
		got := inBackground(func() answer {
			return one.do("PUT", "/b/copied", "partNumber=1&uploadId="+id, "", headers{"X-Amz-Copy-Source": "b/source", "X-Amz-Copy-Source-Range": "bytes=1-2"})
		})
		let := <-store.opened
		store.opens.Store(false)
		a.do("PUT", "/object/b/source", a.service, "new!").ok(t)
		let()
		if r := <-got; r.status != 200 {
			t.Errorf("%d %s", r.status, r.body)
		}
		two.ok(200, "POST", "/b/copied", "uploadId="+id, "")
		if r := one.ok(200, "GET", "/b/copied", "", ""); r.body != "ew" {
			t.Errorf("%q", r.body)
		}
		a.bytesMatchRows(t)
	})
	t.Run("a part that is replaced before it is read", func(t *testing.T) {
		for _, c := range []struct{ listed, code string }{{"all", "InvalidPart"}, {"none", ""}} {
			id, parts := begun("/b/replaced")
			if c.listed == "none" {
				parts = ""
			}
			store.opens.Store(true)
			got := inBackground(func() answer { return one.do("POST", "/b/replaced", "uploadId="+id, parts) })
			let := <-store.opened
			store.opens.Store(false)
			two.ok(200, "PUT", "/b/replaced", "partNumber=1&uploadId="+id, "FIRST ")
			let()
			r := <-got
			if c.code != "" {
				wantFailure(t, "a part of another ETag", r, 400, c.code, "")
				two.ok(200, "DELETE", "/b/replaced", "uploadId="+id, "")
			} else if body := two.ok(200, "GET", "/b/replaced", "", "").body; r.status != 200 || body != "FIRST second" {
				t.Errorf("%d %s: %q", r.status, r.body, body)
			}
			a.bytesMatchRows(t)
		}
	})
}
