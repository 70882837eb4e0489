package storage_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

//covers:storage 1 17 19 20 21 27 28 29 35 36 37 38 39 40 41 42
func TestUpload(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*storage.Config){
		"stored first": func(*storage.Config) {},
		"asked first":  func(c *storage.Config) { c.Blobs = slow{c.Blobs} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testUpload(t, start(t, change))
		})
	}
}

// slow is a store that says it takes its time: permission is asked for before
// it gets any bytes.
type slow struct{ blob.Store }

func (slow) Immediate() bool { return false }

func testUpload(t *testing.T, a *api) {
	a.bucket("b", false)
	row := func(key string) map[string]any {
		t.Helper()
		var m map[string]any
		if err := json.Unmarshal([]byte(a.one(`select to_jsonb(o) from storage.objects o where bucket_id = 'b' and name = $1`, key)), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}

	t.Run("raw", func(t *testing.T) {
		r := a.do("POST", "/object/b/dir/raw.txt", a.service, "hello", headers{
			"Content-Type": "text/plain;charset=UTF-8", "Cache-Control": "max-age=3600", "X-Robots-Tag": "noindex",
			"X-Metadata": base64.StdEncoding.EncodeToString([]byte(`{"who":"é"}`)),
		})
		m := r.ok(t)
		if m["Key"] != "b/dir/raw.txt" || !isUUID(m["Id"]) || len(m) != 2 || !strings.HasPrefix(r.body, `{"Key":`) {
			t.Errorf("%s", r.body)
		}
		o := row("dir/raw.txt")
		meta := o["metadata"].(map[string]any)
		if meta["eTag"] != etag("hello") || meta["size"] != 5.0 || meta["contentLength"] != 5.0 || meta["httpStatusCode"] != 200.0 ||
			meta["mimetype"] != "text/plain;charset=UTF-8" || meta["cacheControl"] != "max-age=3600" || meta["xRobotsTag"] != "noindex" ||
			!strings.HasSuffix(meta["lastModified"].(string), "Z") || len(meta["lastModified"].(string)) != 24 || len(meta) != 8 {
			t.Errorf("metadata: %v", meta)
		}
		if um := o["user_metadata"].(map[string]any); um["who"] != "é" {
			t.Errorf("user_metadata: %v", um)
		}
		if o["owner"] != nil || o["owner_id"] != nil || !isUUID(o["version"]) || o["id"] != m["Id"] {
			t.Errorf("%v", o)
		}
	})

	t.Run("defaults", func(t *testing.T) {
		a.do("POST", "/object/b/plain", a.service, `{"not":"parsed"`).ok(t)
		o := row("plain")
		meta := o["metadata"].(map[string]any)
		if meta["mimetype"] != "application/octet-stream" || meta["cacheControl"] != "no-cache" || meta["size"] != 15.0 || len(o["user_metadata"].(map[string]any)) != 0 {
			t.Errorf("%v", o)
		}
		a.do("POST", "/object/b/json", a.service, `{"not":"parsed"`, headers{"Content-Type": "application/json", "X-Metadata": "!"}).ok(t)
		if got := a.do("GET", "/object/b/json", a.service, nil); got.body != `{"not":"parsed"` || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%v", got)
		}
		a.do("POST", "/object/b/empty", a.service, "").ok(t)
		if got := a.do("GET", "/object/b/empty", a.service, nil); got.status != 200 || got.body != "" || got.header.Get("ETag") != etag("") {
			t.Errorf("%v", got)
		}
		// a body of unknown length
		a.do("POST", "/object/b/chunked", a.service, io.MultiReader(strings.NewReader("chun"), strings.NewReader("ked"))).ok(t)
		if got := a.do("GET", "/object/b/chunked", a.service, nil); got.body != "chunked" {
			t.Errorf("%v", got)
		}
	})

	t.Run("form", func(t *testing.T) {
		body, ct := form(t, [][2]string{{"cacheControl", "60"}, {"metadata", `{"a":[1,{"b":null}]}`}}, "Image/PNG; charset=x", "\x89PNG\r\n--not a boundary\r\n")
		a.do("POST", "/object/b/form", a.service, body, ct).ok(t)
		o := row("form")
		meta := o["metadata"].(map[string]any)
		if meta["mimetype"] != "image/png" || meta["cacheControl"] != "max-age=60" || meta["eTag"] != etag("\x89PNG\r\n--not a boundary\r\n") {
			t.Errorf("%v", meta)
		}
		if um, _ := json.Marshal(o["user_metadata"]); string(um) != `{"a":[1,{"b":null}]}` {
			t.Errorf("%s", um)
		}
		body, ct = form(t, [][2]string{{"userMetadata", `{bad`}, {"contentType", "x/y"}}, "image/png", "1")
		a.do("PUT", "/object/b/form", a.service, body, ct).ok(t)
		o = row("form")
		meta = o["metadata"].(map[string]any)
		if meta["mimetype"] != "x/y" || meta["cacheControl"] != "no-cache" || len(o["user_metadata"].(map[string]any)) != 0 {
			t.Errorf("%v", o)
		}
		noContent := func(r answer) {
			t.Helper()
			r.fails(t, 400, "400", "InvalidRequest", "No content provided", "InvalidRequest")
		}
		noContent(a.do("POST", "/object/b/x", a.service, "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nv\r\n--b--\r\n", headers{"Content-Type": "multipart/form-data; boundary=b"}))
		noContent(a.do("POST", "/object/b/x", a.service, "--b\r\nContent-Disp", headers{"Content-Type": "multipart/form-data; boundary=b"}))
		a.do("POST", "/object/none/x", a.service, "x", headers{"Content-Type": "multipart/form-data"}).noSuchBucket(t)
		// the file's end is missing
		before := len(a.files())
		r := a.do("POST", "/object/b/cut", a.service, "--b\r\nContent-Disposition: form-data; name=\"\"; filename=\"x\"\r\n\r\nhalf", headers{"Content-Type": "multipart/form-data; boundary=b"})
		r.fails(t, 400, "400", "InvalidRequest", "The request body ended before all of it was received", "InvalidRequest")
		if n := len(a.files()); n != before {
			t.Errorf("%d files, want %d", n, before)
		}
	})

	t.Run("replace", func(t *testing.T) {
		a.put("b/r", "one")
		first := row("r")
		a.do("POST", "/object/b/r", a.service, "two").duplicate(t, "KeyAlreadyExists")
		a.do("POST", "/object/b/r", a.service, "two", headers{"X-Upsert": "TRUE"}).duplicate(t, "KeyAlreadyExists")
		got := a.do("POST", "/object/b/r", a.service, "two", headers{"X-Upsert": "true"}).ok(t)
		second := row("r")
		if got["Id"] != first["id"] || second["created_at"] != first["created_at"] || second["version"] == first["version"] || second["updated_at"] == first["updated_at"] {
			t.Errorf("%v\n%v", first, second)
		}
		a.do("PUT", "/object/b/r", a.service, "three").ok(t)
		if r := a.do("GET", "/object/b/r", a.service, nil); r.body != "three" || r.header.Get("ETag") != etag("three") {
			t.Errorf("%v", r)
		}
		a.do("PUT", "/object/b/new", a.service, "x").ok(t)
		a.bytesMatchRows(t)
	})

	t.Run("refusals", func(t *testing.T) {
		before := len(a.files())
		tooLarge := func(r answer) {
			t.Helper()
			r.fails(t, 400, "413", "Payload too large", "The object exceeded the maximum allowed size", "EntityTooLarge")
		}
		a.exec(`insert into storage.buckets (id, name, file_size_limit, allowed_mime_types) values ('small', 'small', 4, '{text/*,image/png}')`)
		text := headers{"Content-Type": "text/plain;charset=UTF-8"}
		a.do("POST", "/object/small/ok", a.service, "1234", text).ok(t)
		before++
		tooLarge(a.do("POST", "/object/small/x", a.service, "12345", text))
		tooLarge(a.do("POST", "/object/small/x", a.service, io.MultiReader(strings.NewReader("12345")), text))
		body, ct := form(t, nil, "text/plain", "12345")
		tooLarge(a.do("POST", "/object/small/x", a.service, body, ct))
		body, ct = form(t, nil, "text/plain", "1234")
		a.do("POST", "/object/small/form", a.service, body, ct).ok(t)
		before++
		a.do("POST", "/object/small/x", a.service, "1", headers{"Content-Type": "image/jpeg"}).
			fails(t, 400, "415", "invalid_mime_type", "mime type image/jpeg is not supported", "InvalidMimeType")
		a.do("POST", "/object/small/x", a.service, "1", headers{"Content-Type": "image/png;x=y"}).
			fails(t, 400, "415", "invalid_mime_type", "mime type image/png;x=y is not supported", "InvalidMimeType")
		a.do("POST", "/object/b/x", a.service, "1", headers{"Content-Type": "nonsense"}).
			fails(t, 400, "415", "invalid_mime_type", "Invalid Content-Type header", "InvalidMimeType")
		a.do("POST", "/object/small/dir/.emptyFolderPlaceholder", a.service, "", headers{"Content-Type": "x/y"}).ok(t)
		before++
		tooLarge(a.do("POST", "/object/small/dir2/.emptyFolderPlaceholder", a.service, "1", headers{"Content-Type": "x/y"}))
		a.do("POST", "/object/none/x", a.service, "1").noSuchBucket(t)
		for path, key := range map[string]string{
			"n/%E4%BD%A0%E5%A5%BD.txt": "n/你好.txt", "a%23b": "a#b", "": "", "%2e%2e/up": "../up", "a/%2E/b": "a/./b", "a%25b": "a%b", "a%5Cb": `a\b`, "a%00": "a\x00",
			strings.Repeat("k", 1025): strings.Repeat("k", 1025),
		} {
			a.do("POST", "/object/b/"+path, a.service, "1").fails(t, 400, "400", "InvalidKey", "Invalid key: "+key, "InvalidKey")
		}
		a.do("POST", "/object/b/x", a.service, "1", headers{"X-Robots-Tag": "dance"}).
			fails(t, 400, "400", "invalid_x_robots_tag", `Invalid X-Robots-Tag header: Invalid X-Robots-Tag rule: "dance"`, "InvalidRequest")
		if n := len(a.files()); n != before {
			t.Errorf("%d files, want %d", n, before)
		}
		// an encoded slash is a slash, doubled ones are kept, a long segment is fine
		a.do("POST", "/object/b/en%2Fcoded", a.service, "1").is(t, 200, `{"Key":"b/en/coded","Id":"`+a.one(`select id from storage.objects where name = 'en/coded'`)+`"}`)
		a.put("b/a//b", "1")
		a.put("b/"+strings.Repeat("k", 1024), "1")
		a.do("GET", "/object/b/a//b", a.service, nil).is(t, 200, "1")
		a.do("GET", "/object/b/"+strings.Repeat("k", 1024), a.service, nil).is(t, 200, "1")
		a.bytesMatchRows(t)
	})
}

//covers:storage 18 78 80
func TestUploadPolicies(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	user := a.user(alice)
	upload := func(method, key string, hs ...headers) answer {
		t.Helper()
		return a.do(method, "/object/b/"+key, user, "x", hs...)
	}
	upload("POST", "k").violates(t)
	a.exec(mayInsert)
	upload("POST", "k").ok(t) // no SELECT policy is needed
	if got := a.one(`select concat_ws(' ', owner, owner_id) from storage.objects`); got != alice+" "+alice {
		t.Errorf("owner: %s", got)
	}
	upload("POST", "k").duplicate(t, "KeyAlreadyExists")
	// replacing needs three policies, even where nothing is replaced
	for _, key := range []string{"k", "new"} {
		upload("PUT", key).violates(t)
		upload("POST", key, headers{"X-Upsert": "true"}).violates(t)
	}
	a.exec(maySelect)
	upload("PUT", "k").violates(t)
	a.exec(mayUpdate)
	upload("PUT", "k").ok(t)
	upload("POST", "new", headers{"X-Upsert": "true"}).ok(t)
	if n := a.one(`select count(*) from storage.objects`); n != "2" {
		t.Errorf("%s objects", n)
	}
	// a bucket the user cannot see is there all the same
	a.do("POST", "/object/none/k", user, "x").noSuchBucket(t)
	a.bytesMatchRows(t)
}

// TestTrialRow: policies decide on the row as it is known before the bytes.
//
//covers:storage 25 79
func TestTrialRow(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	user := a.user(alice)
	a.exec(`create policy p on storage.objects for insert to authenticated with check (
		metadata->>'mimetype' = 'text/plain' and (metadata->>'contentLength')::int = 4 and metadata->>'size' is null
		and user_metadata->>'x' = 'y' and owner_id = auth.uid()::text and version = '1' and storage.operation() = 'storage.object.upload'
		and (storage.foldername(name))[1] = 'dir' and storage.extension(name) = 'txt')`)
	good := headers{"Content-Type": "text/plain", "X-Metadata": base64.StdEncoding.EncodeToString([]byte(`{"x":"y"}`))}
	a.do("POST", "/object/b/dir/a.txt", user, "1234", good).ok(t)
	a.do("POST", "/object/b/dir/b.txt", user, "12345", good).violates(t)
	a.do("POST", "/object/b/dir/b.png", user, "1234", good).violates(t)
	a.do("POST", "/object/b/other/b.txt", user, "1234", good).violates(t)
	a.do("POST", "/object/b/dir/b.txt", user, "1234", headers{"Content-Type": "text/plain"}).violates(t)

	// an error of the policy's own is told
	a.exec(`create function public.refuse() returns boolean language plpgsql as $$ begin raise insufficient_privilege using message = 'only on Mondays'; end $$;
		create function public.trip() returns boolean language plpgsql as $$ begin raise 'oops'; end $$;
		drop policy p on storage.objects; create policy p on storage.objects for insert to authenticated with check (case when name = 'trip' then public.trip() else public.refuse() end)`)
	a.do("POST", "/object/b/x", user, "1").fails(t, 400, "403", "Unauthorized", "only on Mondays", "AccessDenied")
	a.do("POST", "/object/b/trip", user, "1").fails(t, 500, "500", "DatabaseError", "database error, code: P0001", "DatabaseError")
	a.bytesMatchRows(t)
}

// TestTriggersSeeTheFinalWrite: the trial is undone, the real write is not.
func TestTriggersSeeTheFinalWrite(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	a.exec(everybody + `create table public.log (who text, what text, size text);
		create function public.note() returns trigger language plpgsql security definer as $$ begin
		  insert into public.log values (auth.role(), tg_op, new.metadata->>'size'); return new; end $$;
		create trigger note after insert or update on storage.objects for each row execute function public.note()`)
	a.do("POST", "/object/b/k", a.user(alice), "12345").ok(t)
	a.do("PUT", "/object/b/k", a.user(alice), "123").ok(t)
	if got := a.one(`select string_agg(concat_ws(' ', who, what, size), ', ' order by ctid) from public.log`); got != "service_role INSERT 5, service_role UPDATE 3" {
		t.Errorf("%s", got)
	}
	// a trigger that refuses the final row leaves no bytes behind
	a.exec(`create function public.limited() returns trigger language plpgsql as $$ begin
		  if new.metadata->>'size' = '7' then raise 'no sevens'; end if; return new; end $$;
		create trigger limited before insert on storage.objects for each row execute function public.limited()`)
	a.do("POST", "/object/b/seven", a.user(alice), "1234567").fails(t, 500, "500", "DatabaseError", "database error, code: P0001", "DatabaseError")
	a.bytesMatchRows(t)
}

// TestWhichErrorWins: of several things that are wrong with an upload the one
// that is told.
func TestWhichErrorWins(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(`insert into storage.buckets (id, name, file_size_limit, allowed_mime_types) values ('b', 'b', 5, '{image/png}')`)
	a.exec(`insert into storage.objects (bucket_id, name, version) values ('b', 'taken', '1')`)
	a.exec(`create policy picky on storage.objects for insert to authenticated with check (1 / (case when name = 'raises' then 0 else 1 end) = 1 and name = 'taken')`)
	user := a.user("8f2a5b1e-7d1e-4a7f-9c55-0d3f6a2b1c4d")
	unknown := a.sign(map[string]any{"role": "stranger"})
	png, pdf, robots := "image/png", "application/pdf", headers{"X-Robots-Tag": "nonsense!"}
	for _, c := range []struct {
		name, token, path, mime, body string
		headers                       headers
		code                          string
	}{
		{"no bucket, bad tag, type, key", user, "/object/nope/a%23b", "nonsense", "hello!", robots, "NoSuchBucket"},
		{"no bucket, unknown role", unknown, "/object/nope/a", png, "hello", nil, "NoSuchBucket"},
		{"no bucket, refused", user, "/object/nope/a", png, "hello", nil, "NoSuchBucket"},
		{"no bucket, policy raises", user, "/object/nope/raises", png, "hello", nil, "NoSuchBucket"},
		{"bad tag, type, size, key", user, "/object/b/a%23b", "nonsense", "hello!", robots, "InvalidRequest"},
		{"bad header, size, key", user, "/object/b/a%23b", "nonsense", "hello!", nil, "InvalidMimeType"},
		{"type, size, key, refused", user, "/object/b/a%23b", pdf, "hello!", nil, "InvalidMimeType"},
		{"size, key, refused", user, "/object/b/a%23b", png, "hello!", nil, "EntityTooLarge"},
		{"key, refused", user, "/object/b/a%23b", png, "hello", nil, "InvalidKey"},
		{"type, unknown role", unknown, "/object/b/a", pdf, "hello", nil, "InvalidMimeType"},
		{"size, policy raises", user, "/object/b/raises", png, "hello!", nil, "EntityTooLarge"},
		{"unknown role", unknown, "/object/b/a", png, "hello", nil, "AccessDenied"},
		{"refused, taken", a.anon, "/object/b/taken", png, "hello", nil, "AccessDenied"},
		{"policy raises", user, "/object/b/raises", png, "hello", nil, "DatabaseError"},
		{"taken", user, "/object/b/taken", png, "hello", nil, "KeyAlreadyExists"},
	} {
		h := headers{"Content-Type": c.mime}
		for k, v := range c.headers {
			h[k] = v
		}
		r := a.do("POST", c.path, c.token, c.body, h)
		var body struct{ Code string }
		if err := json.Unmarshal([]byte(r.body), &body); err != nil || body.Code != c.code {
			t.Errorf("%s: %d %s, not %s", c.name, r.status, r.body, c.code)
		}
	}
	if n := a.one(`select count(*) from storage.objects`); n != "1" {
		t.Errorf("%s rows", n)
	}
}
