package storage_test

import (
	"strings"
	"testing"
)

// TestAnswers: what requests that are not quite right are answered, as the
// original does.
//
//covers:storage 10 20 23 24 25
func TestAnswers(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	a.bucket("open", true)
	a.put("b/k", "bytes")
	a.put("open/k", "bytes")
	const (
		json     = "application/json"
		notJSON  = "Body is not valid JSON but content-type is set to 'application/json'"
		empty    = "Body cannot be empty when content-type is set to 'application/json'"
		noHeader = "headers must have required property 'authorization'"
	)
	validation := func(message string) []string { return []string{"400", "Error", message, "InvalidRequest"} }
	body := func(message string) []string { return []string{"400", "FastifyError", message, "InvalidRequest"} }
	badBucket := []string{"400", "Invalid Input", "Bucket name invalid", "InvalidBucketName"}
	noKey := []string{"404", "not_found", "Object not found", "NoSuchKey"}
	long := strings.Repeat("x", 101)
	for _, tt := range []struct {
		method, path, contentType, body string
		want                            []string // nil is 200
	}{
		// bodies
		{"POST", "/bucket", "application/xml", "<a/>", validation("body must be object")},
		{"POST", "/bucket", "application/x-www-form-urlencoded", "name=x", validation("body must be object")},
		{"POST", "/bucket", "///", "{}", []string{"415", "invalid_mime_type", "Invalid Content-Type header", "InvalidMimeType"}},
		{"POST", "/bucket", json, `{"__proto__":{"a":1},"name":"p"}`, body(notJSON)},
		{"POST", "/bucket", json, `{"constructor":{"prototype":{}},"name":"p"}`, body(notJSON)},
		{"POST", "/bucket", json, "\ufeff" + `{"name":"bom"}`, nil},
		{"POST", "/bucket", json, "{\"name\":\"\xff\"}", body("Request body size did not match Content-Length")},
		{"POST", "/bucket", json, `{"name":"l1","file_size_limit":""}`, nil},
		{"POST", "/bucket", json, `{"name":"l2","file_size_limit":"1.5b"}`, []string{"400", "InvalidParameter", `invalid input syntax for type bigint: "1.5"`, "InvalidParameter"}},
		{"POST", "/bucket/b/empty", json, "{", body(notJSON)},
		{"DELETE", "/bucket/b", json, "{", body(notJSON)},
		{"DELETE", "/object/b/k", json, "{", body(notJSON)},
		{"DELETE", "/object/b/k", json, "", body(empty)},
		{"POST", "/object/upload/sign/b/new", json, "{", body(notJSON)},
		{"POST", "/object/upload/sign/b/new", json, "", body(empty)},
		{"DELETE", "/object/b", json, `{"prefixes":null}`, nil},
		{"POST", "/object/move", json, `{}`, validation("body must have required property 'bucketId'")},
		{"POST", "/object/copy", json, `{}`, validation("body must have required property 'sourceKey'")},
		// names
		{"POST", "/object/%5B/k", "", "x", badBucket},
		{"POST", "/object/" + long + "/k", "", "x", badBucket},
		{"POST", "/object//k", "", "x", badBucket},
		{"GET", "/object//k", "", "", []string{"404", "Bucket not found", "Bucket not found", "NoSuchBucket"}},
		{"GET", "/object/public/%5B/k", "", "", badBucket},
		{"DELETE", "/object/%5B/k", "", "", badBucket},
		{"DELETE", "/object/%5B", json, `{"prefixes":["k"]}`, badBucket},
		{"POST", "/object/list/%5B", json, `{"prefix":""}`, badBucket},
		{"POST", "/object/list/", json, `{"prefix":""}`, badBucket},
		{"POST", "/object/list-v2/%5B", json, `{}`, badBucket},
		{"POST", "/object/sign/%5B", json, `{"expiresIn":5,"paths":["k"]}`, badBucket},
		{"POST", "/object/sign/%5B/k", json, `{"expiresIn":5}`, badBucket},
		{"POST", "/object/copy", json, `{"bucketId":"[","sourceKey":"k","destinationKey":"l"}`, badBucket},
		{"POST", "/object/move", json, `{"bucketId":"[","sourceKey":"k","destinationKey":"l"}`, badBucket},
		{"DELETE", "/object/b/a%5Bb", "", "", noKey},
		{"DELETE", "/object/b/%C3%BC", "", "", noKey},
		{"DELETE", "/object/b/", "", "", noKey},
		{"POST", "/object/copy", json, `{"bucketId":"b","sourceKey":"ü","destinationKey":"l"}`, noKey},
		{"POST", "/object/move", json, `{"bucketId":"b","sourceKey":"","destinationKey":"l"}`, noKey},
		// queries
		{"GET", "/object/public/open/k?download=a&download=b", "", "", validation("querystring/download must be string")},
		{"GET", "/object/authenticated/b/k?download=a&download=b", "", "", validation("querystring/download must be string")},
		// metadata that is JSON but no object
		{"POST", "/object/b/meta", "multipart/form-data; boundary=B", "--B\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n[1]\r\n--B\r\nContent-Disposition: form-data; name=\"\"; filename=\"f\"\r\n\r\nx\r\n--B--\r\n",
			[]string{"400", "InvalidParameter", "invalid input syntax for type json", "InvalidParameter"}},
		{"POST", "/object/b/mp", "multipart/form-data", "x", []string{"400", "InvalidRequest", "Multipart: Boundary not found", "InvalidRequest"}},
		{"POST", "/object/b/mp", "multipart/form-data; boundary=Z", "--B--\r\n", []string{"400", "InvalidRequest", "Unexpected end of multipart data", "InvalidRequest"}},
	} {
		var h []headers
		if tt.contentType != "" {
			h = append(h, headers{"Content-Type": tt.contentType})
		}
		r := a.do(tt.method, tt.path, a.service, tt.body, h...)
		if tt.want == nil {
			if r.status != 200 {
				t.Errorf("%s %s %q: %d %s", tt.method, tt.path, tt.body, r.status, r.body)
			}
			continue
		}
		t.Logf("%s %s %.60q", tt.method, tt.path, tt.body)
		r.fails(t, 400, tt.want[0], tt.want[1], tt.want[2], tt.want[3])
	}
	// the fields after a form's file count as well
	a.exec(`insert into storage.buckets (id, name, allowed_mime_types) values ('jpegs', 'jpegs', '{image/jpeg}')`)
	late := func(contentType string) string {
		return "--B\r\nContent-Disposition: form-data; name=\"\"; filename=\"f\"\r\nContent-Type: image/jpeg\r\n\r\nx\r\n" +
			"--B\r\nContent-Disposition: form-data; name=\"contentType\"\r\n\r\n" + contentType + "\r\n" +
			"--B\r\nContent-Disposition: form-data; name=\"cacheControl\"\r\n\r\n60\r\n--B--\r\n"
	}
	form := headers{"Content-Type": "multipart/form-data; boundary=B"}
	files := len(a.files())
	a.do("POST", "/object/jpegs/k", a.service, late("image/png"), form).fails(t, 400, "415", "invalid_mime_type", "mime type image/png is not supported", "InvalidMimeType")
	if n := len(a.files()); n != files {
		t.Errorf("%d files after a refused upload, %d before", n, files)
	}
	a.do("POST", "/object/open/late", a.service, late("text/x"), form).ok(t)
	if r := a.do("GET", "/object/public/open/late", "", nil); r.header.Get("Content-Type") != "text/x" || r.header.Get("Cache-Control") != "max-age=60" {
		t.Errorf("%v", r.header)
	}
	big := a.do("POST", "/bucket", a.service, `{"name":"`+strings.Repeat("x", 2<<20)+`"}`, headers{"Content-Type": json})
	big.fails(t, 413, "413", "FastifyError", "Request body is too large", "EntityTooLarge")

	// no token at all: the service says what it misses; the clients of the
	// platform know the words that their gateway causes
	for _, path := range []string{"/bucket", "/object/authenticated/b/k", "/object/info/authenticated/b/k"} {
		a.do("GET", path, "", nil).fails(t, 400, "400", "Error", noHeader, "InvalidRequest")
		a.do("GET", path, "", nil, headers{"X-Client-Info": "storage-js/2"}).fails(t, 400, "403", "Unauthorized", "Invalid Compact JWS", "AccessDenied")
	}
	a.do("POST", "/object/b/k", "", "x").fails(t, 400, "400", "Error", noHeader, "InvalidRequest")
	for _, path := range []string{"/object/list-v2/b", "/upload/resumable"} {
		a.do("POST", path, "", map[string]any{}, headers{"Tus-Resumable": "1.0.0"}).fails(t, 400, "403", "Unauthorized", "Invalid Compact JWS", "AccessDenied")
	}
	a.do("GET", "/bucket", "a.b.c", nil).fails(t, 400, "403", "Unauthorized", "JWS Protected Header is invalid", "AccessDenied")
	a.do("GET", "/bucket", a.service+",x", nil).fails(t, 400, "403", "Unauthorized", "Failed to base64url decode the signature", "AccessDenied")

	if r := a.do("GET", "/object/b/%ff", "", nil); r.header.Get("Content-Type") != "application/json" {
		t.Errorf("a bad URL: %v", r.header)
	}
	segment := "/bucket/" + strings.Repeat("x", 2501)
	a.do("GET", segment, a.service, nil).is(t, 414,
		`{"error":"Bad Request","code":"FST_ERR_MAX_PARAM_LENGTH","message":"'`+segment+`' is exceeding the max param length","statusCode":414}`)
	a.do("GET", "/cdn/b/k", a.service, nil).is(t, 404,
		`{"statusCode":"404","error":"Not Found","message":"Route GET:/cdn/b/k not found","code":"InvalidRequest"}`)
	for query, want := range map[string]string{
		"?download=a;b":      "attachment; filename=a%3Bb; filename*=UTF-8''a%3Bb",
		"?x=%zz&download=%f": "attachment; filename=%25f; filename*=UTF-8''%25f",
	} {
		if got := a.do("GET", "/object/public/open/k"+query, "", nil).header.Get("Content-Disposition"); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if got := a.do("HEAD", "/object/public/open/k?width=100&height=5", "", nil).header.Get("X-Transformations"); got != "height:5,width:100,resizing_type:fill" {
		t.Errorf("X-Transformations: %q", got)
	}
}

// TestDatabaseErrors: what the errors of policies and triggers are answered.
//
//covers:storage 25
func TestDatabaseErrors(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	a.exec(everybody)
	user := a.user(alice)
	raise := func(code string) {
		a.exec(`create or replace function public.raise() returns trigger language plpgsql as $$
			begin raise exception using errcode = '` + code + `', message = 'its own words'; end $$;
			drop trigger if exists raise on storage.objects;
			create trigger raise before insert on storage.objects for each row execute function public.raise()`)
	}
	const outOfSync = "The database schema is out of sync. Please run migrations or contact support."
	for code, want := range map[string][]string{
		"22P02": {"400", "InvalidParameter", "its own words"},
		"42P17": {"503", "DatabaseInvalidObjectDefinition", "The database schema is invalid or incompatible."},
		"42703": {"503", "DatabaseSchemaMismatch", outOfSync},
		"42P01": {"503", "DatabaseSchemaMismatch", outOfSync},
	} {
		raise(code)
		a.do("POST", "/object/b/k", user, "x").fails(t, 400, want[0], want[1], want[2], want[1])
	}
	raise("25P02")
	a.do("POST", "/object/b/k", user, "x").fails(t, 500, "500", "DatabaseTransactionAborted",
		"The database transaction has been aborted. Roll back the transaction before retrying.", "DatabaseTransactionAborted")
	raise("P0001")
	a.do("POST", "/object/b/k", user, "x").fails(t, 500, "500", "DatabaseError", "database error, code: P0001", "DatabaseError")
	a.exec(`create or replace function public.raise() returns trigger language plpgsql as $$ begin return null; end $$`)
	for _, method := range []string{"POST", "PUT"} {
		a.do(method, "/object/b/k", user, "x").fails(t, 500, "500", "Internal", "Internal Server Error", "InternalError")
	}
	a.exec(`drop trigger raise on storage.objects`)
	a.bytesMatchRows(t)

	// what a policy's function finds without naming a schema, and what it misses
	a.exec(`drop policy may_insert on storage.objects; create table public.members (id uuid); insert into public.members values ('` + alice + `');
		grant select on public.members to authenticated;
		create function public.member() returns bool language plpgsql as $$ begin return exists (select from members where id = auth.uid()); end $$;
		create policy members_insert on storage.objects for insert to authenticated with check (public.member())`)
	a.do("POST", "/object/b/k", user, "x").ok(t)
	a.exec(`drop table public.members`)
	r := a.do("POST", "/object/b/l", user, "x")
	if m := r.body; r.status != 400 || !strings.Contains(m, `"There is a database schema mismatch in a trigger or RLS policy: PL/pgSQL function member() line 1 at RETURN"`) {
		t.Errorf("%d %s", r.status, m)
	}
}
