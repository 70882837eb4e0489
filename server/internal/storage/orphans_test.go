package storage_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// orphan leaves bytes that no row names in the child's directory, as a crash
// does.
func (c *child) orphan() (version string) {
	c.t.Helper()
	version = uuid.NewString()
	shard := filepath.Join(c.dir, "objects", version[:2])
	if err := os.MkdirAll(shard, 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(shard, version), []byte("orphan"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return version
}

func (a *api) hasFile(version string) bool {
	a.t.Helper()
	_, err := os.Stat(filepath.Join(a.dir, "objects", version[:2], version))
	return err == nil
}

// TestSweepWaits: a transaction that a killed server has begun commits its row
// long after the next server has begun to sweep.
//
//covers:storage 84
func TestSweepWaits(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", true)
	a.exec(`create function public.slow() returns trigger language plpgsql as $$ begin
		  if new.version <> '1' then
		    set local lock_timeout = 0;
		    perform pg_advisory_xact_lock(4711);
		  end if;
		  return new; end $$;
		create trigger slow before insert on storage.objects for each row execute function public.slow();
		select pg_advisory_lock(4711)`)
	dir := t.TempDir()
	c := startChild(t, a, dir)
	done := make(chan error)
	go func() {
		_, err := c.try("POST", "/object/b/slow", c.service, "precious")
		done <- err
	}()
	waiting := `select count(*) from pg_locks where locktype = 'advisory' and objid = 4711 and not granted`
	eventually(t, "the row is about to be committed", func() bool { return a.one(waiting) == "1" })
	c.kill()
	if err := <-done; err == nil {
		t.Fatal("the upload was answered")
	}
	stored := c.files()
	if len(stored) != 1 {
		t.Fatalf("stored: %v", stored)
	}
	orphan := c.orphan()
	c = startChild(t, a, dir)
	eventually(t, "the sweep has begun", func() bool { return a.one(`select count(*) from suparust.swept`) == "2" })
	for range 20 { // the sweep asks again and again
		c.do("GET", "/object/public/b/none", "", nil)
		if !c.hasFile(stored[0]) || !c.hasFile(orphan) {
			t.Fatal("bytes were removed while a transaction might still name them")
		}
	}
	a.exec(`select pg_advisory_unlock(4711)`)
	eventually(t, "what belongs to nothing is removed", func() bool { return !c.hasFile(orphan) })
	c.do("GET", "/object/public/b/slow", "", nil).is(t, 200, "precious")
	c.bytesMatchRows(t)
}

// sweeping is a store that another server sweeps as soon as bytes are in it,
// when it is told to.
type sweeping struct {
	blob.Store
	sweep func(version string)

	mu sync.Mutex
	on bool
}

func (s *sweeping) swept(version string, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.on && err == nil {
		s.sweep(version)
		err = s.Remove(context.Background(), version)
	}
	return err
}

func (s *sweeping) Put(ctx context.Context, version string, r io.Reader, limit int64) (blob.Info, error) {
	info, err := s.Store.Put(ctx, version, r, limit)
	return info, s.swept(version, err)
}

func (s *sweeping) Copy(ctx context.Context, from, to string) error {
	return s.swept(to, s.Store.Copy(ctx, from, to))
}

func (s *sweeping) turn(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on = on
}

// TestSweptBeforeItsRow: whatever names new bytes is refused when these were
// swept before its transaction has begun.
func TestSweptBeforeItsRow(t *testing.T) {
	t.Parallel()
	store := &sweeping{}
	a, c := startS3(t, func(cfg *storage.Config) {
		store.Store = cfg.Blobs
		cfg.Blobs = store
	})
	store.sweep = func(version string) {
		if err := a.run(fmt.Sprintf(`select suparust.sweep('{%s}')`, version)); err != nil {
			t.Error(err)
		}
	}
	a.bucket("b", true)
	a.put("b/k", "one")
	upload := c.begin("/b/parts")
	parts := complete("1", c.ok(200, "PUT", "/b/parts", "partNumber=1&uploadId="+upload, "part").header.Get("ETag"))
	fields, kind := form(t, nil, "text/plain", "x")
	rows := `select string_agg(name || ' ' || version, ',') from storage.objects`
	before, partsBefore := a.one(rows), a.one(`select count(*) from storage.s3_multipart_uploads_parts`)
	const gone = "The upload took so long that the server has given its bytes up: upload them again"
	body := func(to string) map[string]any {
		return map[string]any{"bucketId": "b", "sourceKey": "k", "destinationKey": to}
	}
	store.turn(true)
	for name, got := range map[string]answer{
		"create":  a.do("POST", "/object/b/new", a.service, "x"),
		"form":    a.do("POST", "/object/b/new", a.service, fields, kind),
		"replace": a.do("PUT", "/object/b/k", a.service, "two"),
		"copy":    a.do("POST", "/object/copy", a.service, body("copy")),
		"move":    a.do("POST", "/object/move", a.service, body("moved")),
	} {
		t.Run(name, func(t *testing.T) {
			got.fails(t, http.StatusBadRequest, "408", "RequestTimeout", gone, "RequestTimeout")
		})
	}
	for name, got := range map[string]answer{
		"S3 put":      c.do("PUT", "/b/new", "", "x"),
		"S3 copy":     c.do("PUT", "/b/new", "", "", headers{"X-Amz-Copy-Source": "b/k"}),
		"S3 part":     c.do("PUT", "/b/parts", "partNumber=2&uploadId="+upload, "part"),
		"S3 complete": c.do("POST", "/b/parts", "uploadId="+upload, parts),
	} {
		wantFailure(t, name, got, 408, "RequestTimeout", gone)
	}
	at := a.create(t, a.service, object("b", "tus"), 1)
	got := a.patch(at, a.service, 0, "x")
	got.says(t, 408, gone)
	store.turn(false)
	if after := a.one(rows); after != before {
		t.Errorf("rows are %s, were %s", after, before)
	}
	if after := a.one(`select count(*) from storage.s3_multipart_uploads_parts`); after != partsBefore {
		t.Errorf("%s parts, were %s", after, partsBefore)
	}
	a.do("GET", "/object/public/b/k", "", nil).is(t, 200, "one")
	c.ok(200, "POST", "/b/parts", "uploadId="+upload, parts) // it can be tried again
	if got := strings.Count(a.one(rows), ",") + 1; got != 2 {
		t.Errorf("%d objects", got)
	}
	a.bytesMatchRows(t)
}
