package storage_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/storage/tus"
)

const violatesText = "new row violates row-level security policy"

//covers:storage 60
func TestResumablePermissions(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	user, upsert := a.user(alice), headers{"X-Upsert": "true"}
	begin := func(key string, hs ...headers) answer {
		return a.tus("POST", resumable, user, nil, append([]headers{{"Upload-Length": "3", "Upload-Metadata": object("b", key, "contentType", "text/plain", "metadata", `{"team":"red"}`)}}, hs...)...)
	}
	begin("k").says(t, 403, violatesText)
	a.exec(mayInsert)
	at := begin("k").header.Get("Location")

	// the permission is asked for again with each part
	a.exec(`drop policy may_insert on storage.objects`)
	a.patch(at, user, 0, "abc").says(t, 403, violatesText)
	a.tus("DELETE", at, user, nil).says(t, 403, violatesText)
	a.tus("HEAD", at, user, nil).has(t, 200, headers{"Upload-Offset": "0"}) // that is no part
	a.tus("HEAD", at, a.anon, nil).has(t, 200, headers{"Upload-Offset": "0"})
	a.patch(at, a.anon, 0, "abc").says(t, 403, violatesText)

	// INSERT is enough for a new object, and its maker owns it
	a.exec(mayInsert)
	a.patch(at, user, 0, "abc").has(t, 204, headers{"Tus-Complete": "1"})
	if got := a.one(`select owner || ' ' || owner_id from storage.objects where name = 'k'`); got != alice+" "+alice {
		t.Errorf("owner: %s", got)
	}
	// replacing needs all three
	begin("k", upsert).says(t, 403, violatesText)
	a.exec(maySelect)
	begin("k", upsert).says(t, 403, violatesText)
	a.exec(mayUpdate)
	at = begin("k", upsert).header.Get("Location")
	a.exec(`drop policy may_update on storage.objects`)
	a.patch(at, user, 0, "xyz", upsert).says(t, 403, violatesText)
	a.exec(mayUpdate)
	a.patch(at, user, 0, "xyz", upsert).has(t, 204, headers{"Tus-Complete": "1"})
	a.do("GET", "/object/b/k", a.service, nil).is(t, 200, "xyz")
	a.bytesMatchRows(t)

	// nothing of the trials has stayed
	if n := a.one(`select count(*) from storage.objects`); n != "1" {
		t.Errorf("%s objects", n)
	}
}

func TestResumablePolicySees(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	a.exec(`create policy sees on storage.objects for insert to authenticated with check (
		  bucket_id = 'b' and (storage.foldername(name))[1] = 'mine' and owner_id = auth.uid()::text and version = '1'
		  and metadata->>'mimetype' = 'text/plain' and (metadata->>'contentLength')::int < 100 and user_metadata->>'team' = 'red'
		  and storage.operation() in ('storage.tus.upload.create', 'storage.tus.upload.part', 'storage.tus.upload.delete')
		  and current_setting('request.method') in ('POST', 'PATCH', 'DELETE') and current_setting('request.headers')::json->>'tus-resumable' = '1.0.0')`)
	user := a.user(alice)
	for name, c := range map[string]struct {
		key, length string
		more        []string
		status      int
	}{
		"all":              {"mine/k", "3", []string{"contentType", "text/plain", "metadata", `{"team":"red"}`}, 201},
		"another folder":   {"yours/k", "3", []string{"contentType", "text/plain", "metadata", `{"team":"red"}`}, 403},
		"another type":     {"mine/k2", "3", []string{"contentType", "text/html", "metadata", `{"team":"red"}`}, 403},
		"another length":   {"mine/k2", "100", []string{"contentType", "text/plain", "metadata", `{"team":"red"}`}, 403},
		"another team":     {"mine/k2", "3", []string{"contentType", "text/plain", "metadata", `{"team":"blue"}`}, 403},
		"no JSON metadata": {"mine/k2", "3", []string{"contentType", "text/plain", "metadata", `{`}, 403},
	} {
		r := a.tus("POST", resumable, user, nil, headers{"Upload-Length": c.length, "Upload-Metadata": object("b", c.key, c.more...)})
		if r.status != c.status {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
		if r.status == 201 {
			a.patch(r.header.Get("Location"), user, 0, "ab").has(t, 204, headers{"Upload-Offset": "2"})
			a.tus("DELETE", r.header.Get("Location"), user, nil).has(t, 204, nil)
		}
	}
	// a policy that raises speaks for itself
	a.exec(`create function public.no() returns bool language plpgsql as $$ begin raise 'too many' using errcode = '42501'; end $$;
		drop policy sees on storage.objects; create policy no on storage.objects for insert to authenticated with check (public.no())`)
	a.tus("POST", resumable, user, nil, headers{"Upload-Length": "1", "Upload-Metadata": object("b", "k")}).says(t, 403, "too many")
	a.exec(`create or replace function public.no() returns bool language plpgsql as $$ begin raise 'odd'; end $$`)
	a.tus("POST", resumable, user, nil, headers{"Upload-Length": "1", "Upload-Metadata": object("b", "k")}).says(t, 500, "database error, code: P0001")
}

//covers:storage 63
func TestResumableSigned(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	a.exec(everybody)
	sign := func(key string, hs ...headers) headers {
		t.Helper()
		return headers{"X-Signature": a.do("POST", "/object/upload/sign/b/"+key, a.user(alice), nil, hs...).ok(t)["token"].(string)}
	}
	begin := func(key string, hs ...headers) answer {
		return a.tus("POST", resumable+"/sign", "", nil, append([]headers{{"Upload-Length": "3", "Upload-Metadata": object("b", key, "contentType", "text/plain")}}, hs...)...)
	}

	begin("k").says(t, 400, "Missing x-signature header")
	begin("k", headers{"X-Signature": "garbage"}).says(t, 400, "Invalid Compact JWS")
	begin("other", sign("k")).says(t, 400, "Invalid signature")
	begin("k", headers{"X-Signature": a.service}).says(t, 400, "Token is not scoped for upload")
	expired := a.sign(map[string]any{"url": "b/k", "scope": "upload", "upsert": false, "exp": time.Now().Add(-time.Minute).Unix()})
	begin("k", headers{"X-Signature": expired}).says(t, 400, `"exp" claim timestamp check failed`)

	token := sign("k")
	r := begin("k", token)
	at := r.header.Get("Location")
	if r.status != 201 || !strings.HasPrefix(at, a.url+resumable+"/sign/") {
		t.Fatalf("%d %s %s", r.status, r.body, at)
	}
	a.tus("HEAD", at, "", nil).has(t, 400, nil)
	a.tus("HEAD", at, "", nil, token).has(t, 200, headers{"Upload-Offset": "0"})
	a.patch(at, "", 0, "ab").says(t, 400, "Missing x-signature header")
	a.patch(at, a.service, 0, "ab").says(t, 400, "Missing x-signature header")
	a.patch(at, "", 0, "ab", sign("x")).says(t, 400, "Invalid signature")
	a.patch(at, "", 0, "ab", token).has(t, 204, headers{"Upload-Offset": "2"})
	a.patch(at, "", 2, "c", token).has(t, 204, headers{"Tus-Complete": "1"})
	a.patch(at, "", 3, "", token).has(t, 204, headers{"Tus-Complete": "1"}) // once more
	if got := a.one(`select concat_ws(' ', owner_id, metadata->>'mimetype') from storage.objects where name = 'k'`); got != alice+" text/plain" {
		t.Errorf("owner and type: %s", got)
	}
	// the token says whether it may replace, the header does not
	begin("k", token, headers{"X-Upsert": "true"}).says(t, 409, "The resource already exists")
	upsert := sign("k", headers{"X-Upsert": "true"})
	at = begin("k", upsert).header.Get("Location")
	a.patch(at, "", 0, "xyz", upsert).has(t, 204, headers{"Tus-Complete": "1"})
	a.do("GET", "/object/b/k", a.service, nil).is(t, 200, "xyz")

	// it ends what it has begun
	token = sign("gone")
	at = begin("gone", token).header.Get("Location")
	a.tus("DELETE", at, "", nil).says(t, 400, "Missing x-signature header")
	a.tus("DELETE", at, "", nil, token).has(t, 204, nil)
	a.tus("HEAD", at, "", nil, token).has(t, 404, nil)

	// with all bytes at once
	token = sign("once")
	r = a.tus("POST", resumable+"/sign/", "", "abc", token, headers{"Upload-Length": "3", "Upload-Metadata": object("b", "once"), "Content-Type": tus.ContentType})
	r.has(t, 201, headers{"Upload-Offset": "3", "Tus-Complete": "1"})
	a.bytesMatchRows(t)
	if got := fmt.Sprint(len(a.files())); got != "2" {
		t.Errorf("%s files", got)
	}
}
