package storage_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// faultyUploads are uploads whose methods fail when they are told to.
type faultyUploads struct {
	blob.Uploads
	create, append, finish error
	forget                 bool // that an upload is done
}

func (f *faultyUploads) Create(ctx context.Context, version string, note []byte) error {
	if f.create != nil {
		return f.create
	}
	return f.Uploads.Create(ctx, version, note)
}

func (f *faultyUploads) Append(ctx context.Context, version string, offset int64, r io.Reader, limit int64) (int64, error) {
	if f.append == nil {
		return f.Uploads.Append(ctx, version, offset, r, limit)
	}
	end, err := f.Uploads.Append(ctx, version, offset, io.LimitReader(r, 2), limit)
	return end, errors.Join(err, f.append)
}

func (f *faultyUploads) Finish(ctx context.Context, version string) (blob.Info, error) {
	if f.finish != nil {
		return blob.Info{}, f.finish
	}
	return f.Uploads.Finish(ctx, version)
}

func (f *faultyUploads) SetNote(ctx context.Context, version string, note []byte) error {
	var n struct{ Done bool }
	if err := json.Unmarshal(note, &n); err != nil {
		return err
	}
	if n.Done && f.forget {
		return errors.New("the process has ended")
	}
	return f.Uploads.SetNote(ctx, version, note)
}

func startFaulty(t *testing.T) (*api, *faultyUploads) {
	f := &faultyUploads{}
	a := start(t, func(c *storage.Config) {
		f.Uploads = blob.NewUploadDir(blob.UploadDirConfig{Dir: t.TempDir(), Store: c.Blobs})
		c.Uploads = f
	})
	a.bucket("b", true)
	return a, f
}

func TestResumableFaults(t *testing.T) {
	t.Parallel()
	a, f := startFaulty(t)
	full := &syscallError{syscall.ENOSPC}

	f.create = full
	a.tus("POST", resumable, a.service, nil, headers{"Upload-Length": "5", "Upload-Metadata": object("b", "k")}).
		says(t, 507, "The server has no space left to store the object")
	f.create = nil

	at := a.create(t, a.service, object("b", "k"), 5)
	f.append = full
	a.patch(at, a.service, 0, "hello").says(t, 507, "The server has no space left to store the object")
	f.append = nil
	if got := a.offset(t, at); got != 2 {
		t.Errorf("offset %d", got)
	}
	f.finish = errors.New("the disk is on fire")
	r := a.patch(at, a.service, 2, "llo")
	r.says(t, 500, "Internal Server Error")
	a.tus("HEAD", at, a.service, nil).has(t, 500, nil) // the client must not take it for done
	f.finish = nil
	if got := a.offset(t, at); got != 5 {
		t.Errorf("offset %d", got)
	}
	a.do("GET", "/object/public/b/k", "", nil).is(t, 200, "hello")

	f.finish = blob.ErrBusy
	at = a.create(t, a.service, object("b", "l"), 1)
	a.patch(at, a.service, 0, "x").says(t, 503, "acquiring lock timeout")
	f.finish = nil
	a.patch(at, a.service, 1, "").has(t, 204, headers{"Upload-Offset": "1", "Tus-Complete": "1"})
	a.do("GET", "/object/public/b/l", "", nil).is(t, 200, "x")
	a.bytesMatchRows(t)
}

// TestResumableForgotten: the server ends between the commit of the row and
// the note that it was committed.
func TestResumableForgotten(t *testing.T) {
	t.Parallel()
	a, f := startFaulty(t)
	upsert := headers{"X-Upsert": "true"}
	forgotten := func(key string) string {
		f.forget = true
		defer func() { f.forget = false }()
		at := a.create(t, a.service, object("b", key), 5, upsert)
		a.patch(at, a.service, 0, "hello", upsert).has(t, 204, headers{"Tus-Complete": "1"})
		return at
	}
	t.Run("the row is there", func(t *testing.T) {
		at := forgotten("same")
		before := a.one(`select version from storage.objects where name = 'same'`)
		for range 2 {
			if got := a.offset(t, at); got != 5 {
				t.Errorf("offset %d", got)
			}
		}
		if after := a.one(`select version from storage.objects where name = 'same'`); after != before {
			t.Errorf("version %s became %s", before, after)
		}
	})
	t.Run("the row was replaced", func(t *testing.T) {
		at := forgotten("replaced")
		a.do("PUT", "/object/b/replaced", a.service, "newer").ok(t)
		if got := a.offset(t, at); got != 5 {
			t.Errorf("offset %d", got)
		}
		a.do("GET", "/object/public/b/replaced", "", nil).is(t, 200, "newer")
	})
	t.Run("the object was deleted", func(t *testing.T) {
		at := forgotten("deleted")
		a.do("DELETE", "/object/b/deleted", a.service, nil).ok(t)
		if got := a.offset(t, at); got != 5 {
			t.Errorf("offset %d", got)
		}
		a.do("GET", "/object/public/b/deleted", "", nil).noSuchKey(t)
	})
	t.Run("the row was not committed", func(t *testing.T) {
		for _, c := range []struct{ key, before, meanwhile, want string }{
			{"new", "", "", "hello"},
			{"over", "old", "", "hello"},
			{"after", "old", "newer", "newer"},
		} {
			if c.before != "" {
				a.put("b/"+c.key, c.before)
			}
			at := a.create(t, a.service, object("b", c.key), 5, upsert)
			f.finish = errors.New("the process has ended")
			a.patch(at, a.service, 0, "hello", upsert).has(t, 500, nil)
			f.finish = nil
			if c.meanwhile != "" {
				a.do("PUT", "/object/b/"+c.key, a.service, c.meanwhile).ok(t)
			}
			if got := a.offset(t, at); got != 5 {
				t.Errorf("%s: offset %d", c.key, got)
			}
			a.do("GET", "/object/public/b/"+c.key, "", nil).is(t, 200, c.want)
		}
	})
	t.Run("another has made the object", func(t *testing.T) {
		at := a.create(t, a.service, object("b", "taken"), 5)
		f.finish = errors.New("the process has ended")
		a.patch(at, a.service, 0, "hello").has(t, 500, nil)
		f.finish = nil
		a.put("b/taken", "theirs")
		a.tus("HEAD", at, a.service, nil).has(t, 409, nil)
		a.tus("HEAD", at, a.service, nil).has(t, 404, nil)
		a.do("GET", "/object/public/b/taken", "", nil).is(t, 200, "theirs")
	})
	a.bytesMatchRows(t)
}

// TestResumableRefusedRow: the database refuses the row itself, which no trial
// foresees.
func TestResumableRefusedRow(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", true)
	a.exec(`create function public.late() returns trigger language plpgsql as $$ begin
		  if new.version <> '1' then raise 'too late'; end if; return new; end $$;
		create trigger late after insert on storage.objects for each row execute function public.late()`)
	at := a.create(t, a.service, object("b", "k"), 5)
	a.patch(at, a.service, 0, "hello").says(t, 500, "database error, code: P0001")
	a.tus("HEAD", at, a.service, nil).has(t, 404, nil)
	a.tus("POST", resumable, a.service, "hello", headers{"Upload-Length": "5", "Upload-Metadata": object("b", "k"), "Content-Type": "application/offset+octet-stream"}).
		says(t, 500, "database error, code: P0001")
	if left := a.unfinished(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	a.exec(`drop trigger late on storage.objects`)

	// a bucket that is gone
	a.bucket("gone", true)
	at = a.create(t, a.service, object("gone", "k"), 5)
	a.exec(`set storage.allow_delete_query = 'true'; delete from storage.buckets where id = 'gone'`)
	a.patch(at, a.service, 0, "hello").says(t, 404, "The related resource does not exist")

	// a key that another writes and does not end: the bytes wait for it
	at = a.create(t, a.service, object("b", "locked"), 5)
	a.exec(`select pg_advisory_lock(hashtextextended('b/locked', 0))`)
	a.patch(at, a.service, 0, "hello").says(t, 503, "acquiring lock timeout")
	a.exec(`select pg_advisory_unlock_all()`)
	a.patch(at, a.service, 5, "").has(t, 204, headers{"Tus-Complete": "1"})
	a.do("GET", "/object/public/b/locked", "", nil).is(t, 200, "hello")

	// two uploads for one new object
	one, two := a.create(t, a.service, object("b", "both"), 1), a.create(t, a.service, object("b", "both"), 1)
	a.patch(one, a.service, 0, "1").has(t, 204, headers{"Tus-Complete": "1"})
	a.patch(two, a.service, 0, "2").says(t, 409, "The resource already exists")
	a.do("GET", "/object/public/b/both", "", nil).is(t, 200, "1")
	a.bytesMatchRows(t)
}

// TestResumableOtherStore: a store that cannot take files over.
func TestResumableOtherStore(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *storage.Config) { c.Blobs = &faulty{Store: c.Blobs} })
	a.bucket("b", true)
	content := strings.Repeat("x", 1<<20)
	a.patch(a.create(t, a.service, object("b", "k"), len(content)), a.service, 0, content).has(t, 204, headers{"Tus-Complete": "1"})
	a.do("GET", "/object/public/b/k", "", nil).is(t, 200, content)
	if left := a.unfinished(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	a.bytesMatchRows(t)
}
