package storage_test

import (
	"context"
	"encoding/base64"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

//covers:storage 1 19 55 80
func TestCopy(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	a.bucket("c", false)
	user := a.user(alice)
	meta := headers{"X-Metadata": base64.StdEncoding.EncodeToString([]byte(`{"m":1}`)), "Cache-Control": "max-age=5"}
	a.put("b/src", "content", meta)
	cp := func(token string, body map[string]any, hs ...headers) answer {
		all := map[string]any{"bucketId": "b", "sourceKey": "src"}
		for k, v := range body {
			all[k] = v
		}
		return a.do("POST", "/object/copy", token, all, hs...)
	}
	r := cp(a.service, map[string]any{"destinationKey": "dst", "destinationBucket": "c"})
	m := r.ok(t)
	if len(m) != 13 || m["Key"] != "c/dst" || m["Id"] != m["id"] || m["name"] != "dst" || m["bucket_id"] != "c" || m["owner"] != "" || m["owner_id"] != "" ||
		m["metadata"].(map[string]any)["eTag"] != etag("content") || m["metadata"].(map[string]any)["cacheControl"] != "max-age=5" || m["user_metadata"].(map[string]any)["m"] != 1.0 {
		t.Errorf("%s", r.body)
	}
	cp(a.service, map[string]any{"destinationKey": "dst", "destinationBucket": "c"}).duplicate(t, "KeyAlreadyExists")
	cp(a.service, map[string]any{"destinationKey": "src"}).duplicate(t, "KeyAlreadyExists")
	m = cp(a.service, map[string]any{"destinationKey": "own", "copyMetadata": false, "metadata": map[string]any{"mimetype": "x/y"}}).ok(t)
	if md := m["metadata"].(map[string]any); md["mimetype"] != "x/y" || md["cacheControl"] != "max-age=5" || m["user_metadata"] != nil {
		t.Errorf("%v", m)
	}
	m = cp(a.service, map[string]any{"destinationKey": "own", "copyMetadata": false}, headers{"X-Upsert": "true", "X-Metadata": "eyJuIjoyfQ=="}).ok(t)
	if m["user_metadata"].(map[string]any)["n"] != 2.0 {
		t.Errorf("%v", m)
	}
	// the copy outlives its source
	a.do("DELETE", "/object/b/src", a.service, nil).ok(t)
	a.do("GET", "/object/c/dst", a.service, nil).is(t, 200, "content")
	a.put("b/src", "again")

	cp(a.service, map[string]any{"sourceKey": "missing", "destinationKey": "x"}).noSuchKey(t)
	cp(a.service, map[string]any{"bucketId": "none", "destinationKey": "x"}).noSuchKey(t)
	cp(a.service, map[string]any{"destinationKey": "x", "destinationBucket": "none"}).fails(t, 400, "404", "InvalidRequest", "The related resource does not exist", "InvalidRequest")
	cp(a.service, map[string]any{"destinationKey": "a#"}).fails(t, 400, "400", "InvalidKey", "Invalid key: a#", "InvalidKey")
	cp(a.service, map[string]any{}).fails(t, 400, "400", "Error", "body must have required property 'destinationKey'", "InvalidRequest")

	cp(user, map[string]any{"destinationKey": "mine"}).noSuchKey(t)
	a.exec(maySelect)
	cp(user, map[string]any{"destinationKey": "mine"}).violates(t)
	a.exec(mayInsert)
	if m := cp(user, map[string]any{"destinationKey": "mine"}).ok(t); m["owner"] != alice || m["owner_id"] != alice {
		t.Errorf("%v", m)
	}
	cp(user, map[string]any{"destinationKey": "mine"}, headers{"X-Upsert": "true"}).violates(t)
	a.exec(mayUpdate)
	cp(user, map[string]any{"destinationKey": "mine"}, headers{"X-Upsert": "true"}).ok(t)
	a.bytesMatchRows(t)
}

// touched is a store that notes whether bytes were read or stored.
type touched struct {
	blob.Store
	n atomic.Int64
}

func (s *touched) Put(ctx context.Context, version string, r io.Reader, limit int64) (blob.Info, error) {
	s.n.Add(1)
	return s.Store.Put(ctx, version, r, limit)
}

func (s *touched) Open(ctx context.Context, version string, offset, length int64) (io.ReadCloser, error) {
	s.n.Add(1)
	return s.Store.Open(ctx, version, offset, length)
}

func (s *touched) Copy(ctx context.Context, from, to string) error {
	s.n.Add(1)
	return s.Store.Copy(ctx, from, to)
}

// TestCopyAsksFirst: no bytes are touched for a copy that may not be.
//
//covers:storage 80
func TestCopyAsksFirst(t *testing.T) {
	t.Parallel()
	store := &touched{}
	a, c := startS3(t, func(cfg *storage.Config) { store.Store, cfg.Blobs = cfg.Blobs, store })
	a.bucket("b", false)
	a.put("b/src", "content")
	a.put("b/taken", "taken")
	a.exec(maySelect + mayInsert + mayUpdate)
	user := a.user(alice)
	cu := c.as(user)
	upload := cu.begin("/b/parts")
	source := headers{"X-Amz-Copy-Source": "b/src"}
	body := func(to string) map[string]any {
		return map[string]any{"bucketId": "b", "sourceKey": "src", "destinationKey": to}
	}
	before := store.n.Load()
	a.do("POST", "/object/copy", user, body("taken")).duplicate(t, "KeyAlreadyExists")
	wantFailure(t, "a condition", cu.do("PUT", "/b/new", "", "", source, headers{"X-Amz-Copy-Source-If-Match": `"x"`}), 412, "PreconditionFailed", "")
	wantFailure(t, "a part whose source is hidden", c.as(a.sign(map[string]any{"role": "anon"})).do("PUT", "/b/parts", "partNumber=1&uploadId="+upload, "", source), 404, "NoSuchKey", "")
	a.exec(`drop policy may_insert on storage.objects`)
	a.do("POST", "/object/copy", user, body("new")).violates(t)
	a.do("POST", "/object/copy", user, body("taken"), headers{"X-Upsert": "true"}).violates(t)
	const refused = "new row violates row-level security policy"
	wantFailure(t, "S3 copy", cu.do("PUT", "/b/new", "", "", source), 403, "AccessDenied", refused)
	wantFailure(t, "S3 copy with a condition", cu.do("PUT", "/b/new", "", "", source, headers{"X-Amz-Copy-Source-If-Match": `"x"`}), 403, "AccessDenied", refused)
	wantFailure(t, "S3 part", cu.do("PUT", "/b/parts", "partNumber=1&uploadId="+upload, "", source), 403, "AccessDenied", refused)
	if n := store.n.Load() - before; n != 0 {
		t.Errorf("bytes were touched %d times", n)
	}
	a.bytesMatchRows(t)
}

// interrupted is a store that does something before it copies for the first
// time.
type interrupted struct {
	blob.Store
	once   sync.Once
	before func()
}

func (s *interrupted) Copy(ctx context.Context, from, to string) error {
	s.once.Do(s.before)
	return s.Store.Copy(ctx, from, to)
}

// TestMoveAsksOfEach: what replaces the source of a move while that is under way
// is moved by those only who may move it.
//
//covers:storage 80
func TestMoveAsksOfEach(t *testing.T) {
	t.Parallel()
	store := &interrupted{}
	a := start(t, func(cfg *storage.Config) { store.Store, cfg.Blobs = cfg.Blobs, store })
	a.bucket("b", false)
	a.exec(`create policy own on storage.objects to authenticated using (owner_id = (select auth.uid())::text)`)
	user := a.user(alice)
	other := a.sign(map[string]any{"role": "service_role", "sub": "8f2a5b1e-7d1e-4a7f-9c55-0d3f6a2b1c4d"})
	a.do("POST", "/object/b/k", user, "own").ok(t)
	store.before = func() { a.do("PUT", "/object/b/k", other, "another's").ok(t) }
	a.do("POST", "/object/move", user, map[string]any{"bucketId": "b", "sourceKey": "k", "destinationKey": "taken"}).noSuchKey(t)
	a.do("GET", "/object/b/k", a.service, nil).is(t, 200, "another's")
	a.do("GET", "/object/b/taken", user, nil).noSuchKey(t)
	a.bytesMatchRows(t)
}

//covers:storage 1 19 56 80
func TestMove(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	a.bucket("c", false)
	user := a.user(alice)
	a.put("b/src", "content")
	a.put("b/taken", "taken")
	id := a.one(`select id from storage.objects where name = 'src'`)
	mv := func(token string, body map[string]any) answer {
		all := map[string]any{"bucketId": "b", "sourceKey": "src"}
		for k, v := range body {
			all[k] = v
		}
		return a.do("POST", "/object/move", token, all)
	}
	const moved = `{"message":"Successfully moved"}`
	mv(a.service, map[string]any{"destinationKey": "taken"}).duplicate(t, "ResourceAlreadyExists")
	mv(a.service, map[string]any{"destinationKey": "src"}).is(t, 200, moved)
	mv(a.service, map[string]any{"destinationKey": "dir/dst", "destinationBucket": "c"}).is(t, 200, moved)
	if got := a.one(`select id from storage.objects where bucket_id = 'c' and name = 'dir/dst' and metadata->>'size' = '7'`); got != id {
		t.Errorf("id %s became %s", id, got)
	}
	a.do("GET", "/object/c/dir/dst", a.service, nil).is(t, 200, "content")
	a.do("GET", "/object/b/src", a.service, nil).noSuchKey(t)
	mv(a.service, map[string]any{"destinationKey": "x"}).noSuchKey(t)
	mv(a.service, map[string]any{"sourceKey": "taken", "destinationKey": "x", "destinationBucket": "none"}).fails(t, 400, "404", "InvalidRequest", "The related resource does not exist", "InvalidRequest")
	mv(a.service, map[string]any{"sourceKey": "taken", "destinationKey": "../x"}).fails(t, 400, "400", "InvalidKey", "Invalid key: ../x", "InvalidKey")

	mv(user, map[string]any{"sourceKey": "taken", "destinationKey": "x"}).noSuchKey(t)
	a.exec(maySelect)
	mv(user, map[string]any{"sourceKey": "taken", "destinationKey": "x"}).noSuchKey(t)
	a.exec(`create policy u on storage.objects for update to authenticated using (true) with check (name like 'ok%')`)
	mv(user, map[string]any{"sourceKey": "taken", "destinationKey": "x"}).violates(t)
	mv(user, map[string]any{"sourceKey": "taken", "destinationKey": "ok"}).is(t, 200, moved)
	if got := a.one(`select concat_ws(' ', owner, owner_id) from storage.objects where name = 'ok'`); got != alice+" "+alice {
		t.Errorf("owner: %s", got)
	}
	a.do("GET", "/object/b/ok", a.service, nil).is(t, 200, "taken")
	a.bytesMatchRows(t)
}
