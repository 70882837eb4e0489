package storage_test

import (
	"regexp"
	"strings"
	"testing"
)

//covers:storage 1 16 17 19 20 21 23 24 30 31 32 33 34
func TestBuckets(t *testing.T) {
	t.Parallel()
	a := start(t)
	timeForm := regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`)
	shown := func(r answer) string { return timeForm.ReplaceAllString(r.body, "T") }

	t.Run("create, get, list", func(t *testing.T) {
		a.do("POST", "/bucket", a.service, map[string]any{"name": "one"}).is(t, 200, `{"name":"one"}`)
		a.do("POST", "/bucket/", a.service, map[string]any{
			"name": "two", "id": "second", "public": "true", "file_size_limit": "1.5mb", "allowed_mime_types": []string{"image/*", "", "text/plain; charset=utf-8"},
		}).is(t, 200, `{"name":"two"}`)
		one := `{"id":"one","name":"one","owner":"","public":false,"file_size_limit":null,"allowed_mime_types":null,"created_at":T,"updated_at":T}`
		two := `{"id":"second","name":"two","owner":"","public":true,"file_size_limit":1500000,"allowed_mime_types":["image/*","text/plain; charset=utf-8"],"created_at":T,"updated_at":T}`
		if got := shown(a.do("GET", "/bucket/one", a.service, nil)); got != one {
			t.Errorf("got  %s\nwant %s", got, one)
		}
		if got := shown(a.do("GET", "/bucket/second", a.service, nil)); got != two {
			t.Errorf("got  %s\nwant %s", got, two)
		}
		withType := func(s string) string {
			return strings.Replace(s, `"file_size_limit"`, `"type":"STANDARD","file_size_limit"`, 1)
		}
		if got, want := shown(a.do("GET", "/bucket?sortColumn=name", a.service, nil)), "["+withType(one)+","+withType(two)+"]"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got, want := shown(a.do("GET", "/bucket?sortColumn=id&sortOrder=desc&limit=1", a.service, nil, headers{"X-Client-Info": "supabase-py/2.17.0"})), "["+two+"]"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		a.do("GET", "/bucket/two", a.service, nil).noSuchBucket(t) // by id, not by name
		if got := a.do("GET", "/bucket?search=W", a.service, nil).list(t); len(got) != 1 || got[0]["id"] != "second" {
			t.Errorf("search: %v", got)
		}
		a.do("GET", "/bucket?search=%25", a.service, nil).is(t, 200, "[]")
		a.do("GET", "/bucket?sortColumn=name&offset=2", a.service, nil).is(t, 200, "[]")
		if r := a.do("HEAD", "/bucket/one", a.service, nil); r.status != 200 || r.body != "" {
			t.Errorf("HEAD: %d %q", r.status, r.body)
		}
	})

	t.Run("refusals", func(t *testing.T) {
		invalid := func(r answer, message string) {
			t.Helper()
			r.fails(t, 400, "400", "Error", message, "InvalidRequest")
		}
		a.do("POST", "/bucket", a.service, map[string]any{"name": "one"}).duplicate(t, "BucketAlreadyExists")
		a.do("POST", "/bucket", a.service, map[string]any{"name": "a/b"}).fails(t, 400, "400", "Invalid Input", "Bucket name invalid", "InvalidBucketName")
		a.do("POST", "/bucket", a.service, map[string]any{"name": "x", "file_size_limit": "6gb"}).
			fails(t, 400, "413", "Payload too large", "The object exceeded the maximum allowed size", "EntityTooLarge")
		a.do("POST", "/bucket", a.service, map[string]any{"name": "x", "allowed_mime_types": []string{"nonsense"}}).
			fails(t, 400, "415", "invalid_mime_type", "mime type nonsense is not supported", "InvalidMimeType")
		a.do("POST", "/bucket", a.service, map[string]any{"name": "x", "type": "ANALYTICS"}).
			fails(t, 400, "400", "FeatureNotEnabled", "The feature iceberg_catalog is not enabled for this resource", "FeatureNotEnabled")
		invalid(a.do("POST", "/bucket", a.service, map[string]any{}), "body must have required property 'name'")
		invalid(a.do("POST", "/bucket", a.service, map[string]any{"name": "x", "public": "maybe"}), "body/public must be boolean")
		invalid(a.do("GET", "/bucket?limit=0", a.service, nil), "querystring/limit must be >= 1")
		invalid(a.do("GET", "/bucket?limit=x", a.service, nil), "querystring/limit must be integer")
		invalid(a.do("GET", "/bucket?sortColumn=size", a.service, nil), "querystring/sortColumn must be equal to one of the allowed values")
		a.do("POST", "/bucket", a.service, "{", headers{"Content-Type": "application/json"}).
			fails(t, 400, "400", "FastifyError", "Body is not valid JSON but content-type is set to 'application/json'", "InvalidRequest")
		a.do("POST", "/bucket", a.service, "", headers{"Content-Type": "application/json"}).
			fails(t, 400, "400", "FastifyError", "Body cannot be empty when content-type is set to 'application/json'", "InvalidRequest")
		r := a.do("POST", "/bucket", a.service, `{"name":"`+strings.Repeat("x", 2<<20)+`"}`, headers{"Content-Type": "application/json"})
		r.fails(t, 413, "413", "FastifyError", "Request body is too large", "EntityTooLarge")
		a.do("GET", "/bucket/%00", a.service, nil).noSuchBucket(t)
	})

	t.Run("update", func(t *testing.T) {
		done := `{"message":"Successfully updated"}`
		a.do("PUT", "/bucket/one", a.service, map[string]any{"public": true, "file_size_limit": 1000}).is(t, 200, done)
		b := a.do("GET", "/bucket/one", a.service, nil).ok(t)
		if b["public"] != true || b["file_size_limit"] != 1000.0 || b["updated_at"] != b["created_at"] {
			t.Errorf("%v", b)
		}
		a.do("PUT", "/bucket/one", a.service, map[string]any{"file_size_limit": nil, "allowed_mime_types": []string{"a/b"}}).is(t, 200, done)
		b = a.do("GET", "/bucket/one", a.service, nil).ok(t)
		if b["public"] != true || b["file_size_limit"] != nil || len(b["allowed_mime_types"].([]any)) != 1 {
			t.Errorf("%v", b)
		}
		a.do("PUT", "/bucket/one", a.service, map[string]any{"allowed_mime_types": nil}).is(t, 200, done)
		a.do("PUT", "/bucket/none", a.service, map[string]any{"public": true}).noSuchBucket(t)
		a.do("PUT", "/bucket/one", a.service, map[string]any{"name": "x"}).fails(t, 400, "400", "Error",
			"body must have required property 'public', body must have required property 'file_size_limit', body must have required property 'allowed_mime_types', body must match a schema in anyOf", "InvalidRequest")
	})

	t.Run("empty and delete", func(t *testing.T) {
		a.put("one/a", "a")
		a.put("one/b/c", "c")
		a.put("second/keep", "keep", headers{"Content-Type": "image/x"})
		a.do("DELETE", "/bucket/one", a.service, nil).fails(t, 400, "409", "ResourceNotEmpty", "The bucket you tried to delete is not empty", "ResourceNotEmpty")
		a.do("POST", "/bucket/one/empty", a.user(alice), map[string]any{}).fails(t, 403, "403", "Unauthorized", "Access denied: Invalid role", "AccessDenied")
		a.do("POST", "/bucket/none/empty", a.service, map[string]any{}).noSuchBucket(t)
		a.do("POST", "/bucket/one/empty", a.service, map[string]any{}).is(t, 200, `{"message":"Empty bucket has been queued. Completion may take up to an hour."}`)
		if n := a.one(`select count(*) from storage.objects`); n != "1" {
			t.Errorf("%s objects left, want the other bucket's one", n)
		}
		a.bytesMatchRows(t)
		a.do("DELETE", "/bucket/one", a.service, "", headers{"Content-Type": "application/json"}).is(t, 200, `{"message":"Successfully deleted"}`)
		a.do("DELETE", "/bucket/one", a.service, nil).noSuchBucket(t)
		a.exec(`insert into storage.buckets (id, name) values ('s3', 's3'); insert into storage.s3_multipart_uploads (id, upload_signature, bucket_id, key, version) values ('u', 's', 's3', 'k', 'v')`)
		a.do("DELETE", "/bucket/s3", a.service, nil).fails(t, 400, "409", "ResourceReferenced",
			"The bucket could not be updated because it is referenced by a pending multipart upload.", "ResourceReferenced")
	})
}

//covers:storage 33
func TestEmptyManyObjects(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("big", false)
	a.exec(`insert into storage.objects (bucket_id, name) select 'big', 'k' || i from generate_series(1, 2500) i`)
	a.do("POST", "/bucket/big/empty", a.service, nil).ok(t)
	a.do("DELETE", "/bucket/big", a.service, nil).ok(t)
}

//covers:storage 18 34 80 81
func TestBucketPolicies(t *testing.T) {
	t.Parallel()
	a := start(t)
	user := a.user(alice)
	a.do("POST", "/bucket", user, map[string]any{"name": "mine"}).violates(t)
	a.exec(`create policy p1 on storage.buckets for insert to authenticated with check (true)`)
	a.do("POST", "/bucket", user, map[string]any{"name": "mine"}).ok(t) // no SELECT policy is needed
	if got := a.one(`select owner || ' ' || owner_id from storage.buckets where id = 'mine'`); got != alice+" "+alice {
		t.Errorf("owner: %s", got)
	}
	a.do("GET", "/bucket", user, nil).is(t, 200, "[]")
	a.do("GET", "/bucket/mine", user, nil).noSuchBucket(t)
	a.do("PUT", "/bucket/mine", user, map[string]any{"public": true}).noSuchBucket(t)
	a.do("DELETE", "/bucket/mine", user, nil).noSuchBucket(t)
	a.exec(`create policy p2 on storage.buckets for select to authenticated using (owner_id = auth.jwt()->>'sub')`)
	if b := a.do("GET", "/bucket/mine", user, nil).ok(t); b["owner"] != alice {
		t.Errorf("%v", b)
	}
	a.do("GET", "/bucket", a.user("somebody"), nil).is(t, 200, "[]")
	a.do("DELETE", "/bucket/mine", user, nil).noSuchBucket(t)
	a.exec(`create policy p3 on storage.buckets for delete to authenticated using (owner_id = auth.jwt()->>'sub')`)
	a.do("DELETE", "/bucket/mine", user, nil).is(t, 200, `{"message":"Successfully deleted"}`)
	// a subject that is no UUID is an owner_id only
	a.do("POST", "/bucket", a.user("somebody"), map[string]any{"name": "theirs"}).ok(t)
	if got := a.one(`select coalesce(owner::text, '-') || ' ' || owner_id from storage.buckets where id = 'theirs'`); got != "- somebody" {
		t.Errorf("owner: %s", got)
	}
	// what a policy sees of the request
	a.exec(`create table public.seen (what text); grant all on public.seen to authenticated;
		create function public.see() returns boolean language plpgsql as $$ begin
		insert into public.seen values (concat_ws('|', current_user, storage.operation(), auth.uid(), auth.role(),
		  current_setting('request.method'), current_setting('request.path'), current_setting('request.jwt') <> '',
		  current_setting('request.headers')::json->>'x-test', current_setting('request.headers')::json->>'host', current_setting('search_path'), current_setting('storage.allow_delete_query')));
		return true; end $$;
		create policy p4 on storage.buckets for insert to authenticated with check (public.see())`)
	a.exec(`drop policy p1 on storage.buckets`)
	a.do("POST", "/bucket", user, map[string]any{"name": "seen"}, headers{"X-Test": "é"}).ok(t)
	want := "authenticated|storage.bucket.create|" + alice + "|authenticated|POST|/bucket|t|é|" + strings.TrimSuffix(strings.TrimPrefix(a.url, "http://"), "/storage/v1") + "|storage,public,extensions|true"
	if got := a.one(`select what from public.seen`); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
