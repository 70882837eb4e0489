package storage_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/tus"
)

const resumable = "/upload/resumable"

// pairs is Upload-Metadata of keys and values in turn.
func pairs(keysAndValues ...string) string {
	var m tus.Metadata
	for i := 0; i < len(keysAndValues); i += 2 {
		m = append(m, tus.Pair{Key: keysAndValues[i], Value: keysAndValues[i+1]})
	}
	return m.String()
}

func object(bucket, key string, more ...string) string {
	return pairs(append([]string{"bucketName", bucket, "objectName", key}, more...)...)
}

// tus sends a request of the protocol.
func (a *api) tus(method, path, token string, body any, hs ...headers) answer {
	a.t.Helper()
	return a.do(method, strings.TrimPrefix(path, a.url), token, body, append([]headers{{"Tus-Resumable": "1.0.0"}}, hs...)...)
}

// create begins an upload of some length and returns its address.
func (a *api) create(t testing.TB, token, metadata string, length int, hs ...headers) string {
	t.Helper()
	r := a.tus("POST", resumable, token, nil, append([]headers{{"Upload-Length": fmt.Sprint(length), "Upload-Metadata": metadata}}, hs...)...)
	if r.status != 201 {
		t.Fatalf("POST: %d %s", r.status, r.body)
	}
	return r.header.Get("Location")
}

// patch sends bytes of an upload.
func (a *api) patch(at, token string, offset int, body any, hs ...headers) answer {
	a.t.Helper()
	return a.tus("PATCH", at, token, body, append([]headers{{"Upload-Offset": fmt.Sprint(offset), "Content-Type": tus.ContentType}}, hs...)...)
}

// says fails the test unless the answer is this error of the protocol.
func (r answer) says(t testing.TB, status int, text string) {
	t.Helper()
	r.is(t, status, text)
	if got := r.header.Get("Content-Type"); got != "text/plain;charset=UTF-8" {
		t.Errorf("Content-Type: %q", got)
	}
	if got := r.header.Get("Tus-Resumable"); got != "1.0.0" {
		t.Errorf("Tus-Resumable: %q", got)
	}
}

// has fails the test unless the answer has this status and these headers; ""
// is a header that must not be there.
func (r answer) has(t testing.TB, status int, want headers) {
	t.Helper()
	if r.status != status {
		t.Errorf("got %d %s, want %d", r.status, r.body, status)
	}
	for name, value := range want {
		if got := r.header.Get(name); got != value {
			t.Errorf("%s: got %q, want %q", name, got, value)
		}
	}
}

//covers:storage 58
func TestResumableUpload(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", true)

	t.Run("in parts", func(t *testing.T) {
		at := a.create(t, a.service, object("b", "dir/parts.txt", "contentType", "text/plain", "cacheControl", "3600", "metadata", `{"k":"v"}`, "bare", ""), 10)
		if !strings.HasPrefix(at, a.url+resumable+"/") {
			t.Errorf("Location: %s", at)
		}
		id, err := base64.RawURLEncoding.DecodeString(at[strings.LastIndexByte(at, '/')+1:])
		if err != nil || !strings.HasPrefix(string(id), "b/dir/parts.txt/") {
			t.Errorf("id %q, %v", id, err)
		}
		a.tus("HEAD", at, a.anon, nil).has(t, 200, headers{
			"Upload-Offset": "0", "Upload-Length": "10", "Cache-Control": "no-store", "Upload-Defer-Length": "", "Tus-Resumable": "1.0.0",
			"Upload-Metadata": object("b", "dir/parts.txt", "contentType", "text/plain", "cacheControl", "max-age=3600", "metadata", `{"k":"v"}`, "bare", ""),
		})
		a.patch(at, a.service, 0, "12345").has(t, 204, headers{"Upload-Offset": "5", "Tus-Complete": "", "Tus-Resumable": "1.0.0"})
		a.do("GET", "/object/public/b/dir/parts.txt", "", nil).noSuchKey(t) // not before it is whole
		a.patch(at, a.service, 3, "x").says(t, 409, "Upload-Offset conflict\n")
		a.tus("HEAD", at, a.service, nil).has(t, 200, headers{"Upload-Offset": "5"})
		a.patch(at, a.service, 5, "67890").has(t, 204, headers{"Upload-Offset": "10", "Tus-Complete": "1", "Upload-Expires": ""})
		a.tus("HEAD", at, a.service, nil).has(t, 200, headers{"Upload-Offset": "10", "Upload-Length": "10"})

		r := a.do("GET", "/object/public/b/dir/parts.txt", "", nil)
		r.is(t, 200, "1234567890")
		r.has(t, 200, headers{"ETag": etag("1234567890"), "Content-Type": "text/plain", "Cache-Control": "max-age=3600"})
		version := string(id[strings.LastIndexByte(string(id), '/')+1:])
		want := fmt.Sprintf(`{"eTag": %q, "size": 10, "mimetype": "text/plain", "cacheControl": "max-age=3600", "contentLength": 10, "httpStatusCode": 200}`, etag("1234567890"))
		if got := a.one(`select (metadata - 'lastModified') = $2::jsonb and user_metadata = '{"k": "v"}' and version = $1 and owner_id is null
			from storage.objects where name = 'dir/parts.txt'`, version, want); got != "true" {
			t.Error("row:", a.one(`select row_to_json(o) from storage.objects o where name = 'dir/parts.txt'`))
		}
	})
	t.Run("with the creation", func(t *testing.T) {
		r := a.tus("POST", resumable, a.service, "hello", headers{"Upload-Length": "5", "Upload-Metadata": object("b", "with"), "Content-Type": tus.ContentType})
		r.has(t, 201, headers{"Upload-Offset": "5", "Tus-Complete": "1", "Upload-Expires": ""})
		a.do("GET", "/object/public/b/with", "", nil).has(t, 200, headers{"Content-Type": "application/octet-stream", "Cache-Control": "no-cache"})
		r = a.tus("POST", resumable+"/", a.service, "he", headers{"Upload-Length": "5", "Upload-Metadata": object("b", "with2"), "Content-Type": tus.ContentType})
		r.has(t, 201, headers{"Upload-Offset": "2", "Tus-Complete": ""})
		a.patch(r.header.Get("Location"), a.service, 2, "llo").has(t, 204, headers{"Upload-Offset": "5"})
		a.do("GET", "/object/public/b/with2", "", nil).is(t, 200, "hello")
		// of another type the body is none of the upload's
		r = a.tus("POST", resumable, a.service, "hello", headers{"Upload-Length": "5", "Upload-Metadata": object("b", "without"), "Content-Type": "text/plain"})
		r.has(t, 201, headers{"Upload-Offset": ""})
		a.tus("HEAD", r.header.Get("Location"), a.service, nil).has(t, 200, headers{"Upload-Offset": "0"})
	})
	t.Run("empty", func(t *testing.T) {
		a.create(t, a.service, object("b", "empty"), 0)
		a.do("GET", "/object/public/b/empty", "", nil).is(t, 200, "")
	})
	t.Run("of a length that is told later", func(t *testing.T) {
		r := a.tus("POST", resumable, a.service, nil, headers{"Upload-Defer-Length": "1", "Upload-Metadata": object("b", "later")})
		at := r.header.Get("Location")
		a.tus("HEAD", at, a.service, nil).has(t, 200, headers{"Upload-Defer-Length": "1", "Upload-Length": "", "Upload-Offset": "0"})
		a.patch(at, a.service, 0, "abc").has(t, 204, headers{"Upload-Offset": "3"})
		a.patch(at, a.service, 3, "", headers{"Upload-Length": "2"}).says(t, 400, "Upload-Length or Upload-Defer-Length header required\n")
		a.patch(at, a.service, 3, "", headers{"Upload-Length": fmt.Sprint(301 << 20)}).says(t, 413, "Maximum size exceeded\n")
		a.patch(at, a.service, 3, "de", headers{"Upload-Length": "6"}).has(t, 204, headers{"Upload-Offset": "5", "Tus-Complete": ""})
		a.tus("HEAD", at, a.service, nil).has(t, 200, headers{"Upload-Defer-Length": "", "Upload-Length": "6"})
		a.patch(at, a.service, 5, "f", headers{"Upload-Length": "6"}).says(t, 400, "Upload-Length or Upload-Defer-Length header required\n")
		a.patch(at, a.service, 5, "f").has(t, 204, headers{"Tus-Complete": "1"})
		a.do("GET", "/object/public/b/later", "", nil).is(t, 200, "abcdef")
	})
	t.Run("ended", func(t *testing.T) {
		at := a.create(t, a.service, object("b", "ended"), 5)
		a.patch(at, a.service, 0, "abc").has(t, 204, headers{"Upload-Offset": "3"})
		a.tus("DELETE", at, a.service, nil).has(t, 204, headers{"Tus-Resumable": "1.0.0"})
		a.tus("HEAD", at, a.service, nil).has(t, 404, nil)
		a.patch(at, a.service, 3, "de").says(t, 404, "The file for this url was not found\n")
		a.tus("DELETE", at, a.service, nil).says(t, 404, "The file for this url was not found\n")
		// a finished one is not
		at = a.create(t, a.service, object("b", "kept"), 0)
		a.tus("DELETE", at, a.service, nil).says(t, 409, "The resource already exists")
		a.tus("DELETE", at, a.service, nil, headers{"X-Upsert": "true"}).says(t, 400, "Cannot terminate an already completed upload")
		a.do("GET", "/object/public/b/kept", "", nil).is(t, 200, "")
	})
	t.Run("over another object", func(t *testing.T) {
		a.put("b/over", "old")
		upsert := headers{"X-Upsert": "true"}
		a.tus("POST", resumable, a.service, nil, headers{"Upload-Length": "3", "Upload-Metadata": object("b", "over")}).says(t, 409, "The resource already exists")
		at := a.create(t, a.service, object("b", "over"), 3, upsert)
		a.patch(at, a.service, 0, "new").says(t, 409, "The resource already exists") // each part has to say so
		a.patch(at, a.service, 0, "new", upsert).has(t, 204, headers{"Tus-Complete": "1"})
		a.do("GET", "/object/public/b/over", "", nil).is(t, 200, "new")
		// what was sent may be sent again
		a.patch(at, a.service, 3, "", upsert).has(t, 204, headers{"Upload-Offset": "3", "Tus-Complete": "1"})
		a.patch(at, a.service, 3, "", headers{}).says(t, 409, "The resource already exists")
		a.patch(at, a.service, 3, "x", upsert).says(t, 413, "upload's size exceeded\n")
	})
	t.Run("OPTIONS", func(t *testing.T) {
		for _, path := range []string{resumable, resumable + "/", resumable + "/sign", resumable + "/x"} {
			r := a.do("OPTIONS", path, "", nil)
			r.has(t, 204, headers{
				"Tus-Resumable": "1.0.0", "Tus-Version": "1.0.0", "Tus-Extension": "creation,creation-with-upload,creation-defer-length,termination,expiration",
				"Tus-Max-Size": fmt.Sprint(300 << 20), "Access-Control-Allow-Methods": "POST, HEAD, PATCH, OPTIONS, DELETE",
			})
			for _, name := range []string{"Upload-Offset", "Location", "Upload-Length", "Upload-Metadata", "Tus-Max-Size", "Tus-Version", "Tus-Resumable", "Tus-Extension"} {
				if !strings.Contains(r.header.Get("Access-Control-Expose-Headers"), name) {
					t.Errorf("browsers do not see %s", name)
				}
			}
		}
	})
	a.bytesMatchRows(t)
}

//covers:storage 59 61
func TestResumableRefusals(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", true)
	a.exec(`insert into storage.buckets (id, name, file_size_limit, allowed_mime_types) values
		('small', 'small', 10, null), ('zero', 'zero', 0, null), ('images', 'images', null, '{image/*,text/plain}')`)
	png := object("images", "x", "contentType", "image/png")
	for _, c := range []struct {
		name     string
		headers  headers
		status   int
		text     string
		metadata string
	}{
		{"no version", headers{"Tus-Resumable": ""}, 412, "Tus-Resumable Required\n", object("b", "k")},
		{"another version", headers{"Tus-Resumable": "0.2.2"}, 400, "Invalid tus-resumable\n", object("b", "k")},
		{"no length", headers{"Upload-Length": ""}, 400, "Invalid upload-length\n", object("b", "k")},
		{"a length that is none", headers{"Upload-Length": "-1"}, 400, "Invalid upload-length\n", object("b", "k")},
		{"both lengths", headers{"Upload-Defer-Length": "1"}, 400, "Upload-Length or Upload-Defer-Length header required\n", object("b", "k")},
		{"a length deferred otherwise", headers{"Upload-Defer-Length": "2"}, 400, "Invalid upload-defer-length\n", object("b", "k")},
		{"two mistakes", headers{"Upload-Length": "1.5", "Upload-Offset": "x"}, 400, "Invalid upload-length upload-offset\n", object("b", "k")},
		{"concatenation", headers{"Upload-Concat": "partial"}, 501, "Concatenation extension is not (yet) supported. Disable parallel uploads in the tus client.\n", object("b", "k")},
		{"metadata that is none", nil, 400, "Invalid upload-metadata\n", "bucketName b"},
		{"empty metadata", nil, 400, "Invalid upload-metadata\n", ""},
		{"no bucket", nil, 400, "Bucket name invalid", pairs("objectName", "k")},
		{"a bad bucket", nil, 400, "Bucket name invalid", object("b/c", "k")},
		{"no key", nil, 400, "Invalid key: ", pairs("bucketName", "b")},
		{"a bad key", nil, 400, "Invalid key: a#b", object("b", "a#b")},
		{"out of the bucket", nil, 400, "Invalid key: ../../etc/passwd", object("b", "../../etc/passwd")},
		{"a missing bucket", nil, 404, "Bucket not found", object("nope", "k")},
		{"over the server's limit", headers{"Upload-Length": fmt.Sprint(300<<20 + 1)}, 413, "Maximum size exceeded\n", object("b", "k")},
		{"far over it", headers{"Upload-Length": "99999999999999999999"}, 413, "Maximum size exceeded\n", object("b", "k")},
		{"over the bucket's", headers{"Upload-Length": "11"}, 413, "Maximum size exceeded\n", object("small", "k")},
		{"a type that is not allowed", nil, 415, "mime type application/pdf is not supported", object("images", "x", "contentType", "application/pdf")},
		{"a body over its length", headers{"Content-Type": tus.ContentType, "body": "12"}, 413, "upload's size exceeded\n", object("b", "k")},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := headers{"Tus-Resumable": "1.0.0", "Upload-Length": "1", "Upload-Metadata": c.metadata}
			for k, v := range c.headers {
				all[k] = v
			}
			var body any
			if b := all["body"]; b != "" {
				body = b
				delete(all, "body")
			}
			a.do("POST", resumable, a.service, body, all).says(t, c.status, c.text)
		})
	}
	t.Run("only a type that is named is judged", func(t *testing.T) {
		if r := a.tus("POST", resumable, a.service, nil, headers{"Upload-Length": "1", "Upload-Metadata": object("images", "x")}); r.status != 201 {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
	t.Run("no length at all", func(t *testing.T) {
		a.tus("POST", resumable, a.service, nil, headers{"Upload-Metadata": object("b", "k")}).says(t, 400, "Upload-Length or Upload-Defer-Length header required\n")
	})
	t.Run("no metadata at all", func(t *testing.T) {
		a.tus("POST", resumable, a.service, nil, headers{"Upload-Length": "1"}).says(t, 400, "Metadata header is required")
	})
	t.Run("what the limits allow", func(t *testing.T) {
		a.patch(a.create(t, a.service, object("small", "k"), 10), a.service, 0, "0123456789").has(t, 204, headers{"Tus-Complete": "1"})
		a.create(t, a.service, object("zero", "k"), 100) // 0 is no limit here
		a.create(t, a.service, png, 1)
	})
	t.Run("a limit that came later", func(t *testing.T) {
		r := a.tus("POST", resumable, a.service, nil, headers{"Upload-Defer-Length": "1", "Upload-Metadata": object("small", "later")})
		at := r.header.Get("Location")
		a.patch(at, a.service, 0, strings.NewReader("0123456789a")).says(t, 413, "upload's size exceeded\n")
		a.patch(at, a.service, 0, chunked("0123456789a")).says(t, 413, "Maximum size exceeded\n")
		a.tus("HEAD", at, a.service, nil).has(t, 200, headers{"Upload-Offset": "0"})
	})
	t.Run("PATCH", func(t *testing.T) {
		at := a.create(t, a.service, object("b", "patch"), 3)
		a.tus("PATCH", at, a.service, "abc", headers{"Content-Type": tus.ContentType}).says(t, 403, "Upload-Offset header required\n")
		a.tus("PATCH", at, a.service, nil, headers{"Upload-Offset": "0"}).says(t, 403, "Content-Type header required\n")
		a.patch(at, a.service, 0, "abc", headers{"Content-Type": "text/plain"}).says(t, 400, "Invalid content-type\n")
		a.patch(at, a.service, 0, "abc", headers{"Upload-Offset": "00"}).says(t, 400, "Invalid upload-offset\n")
		a.patch(at, a.service, 0, "abcd").says(t, 413, "upload's size exceeded\n")
		a.patch(at, a.service, 0, chunked("abcd")).says(t, 413, "Maximum size exceeded\n")
		a.patch(at, a.service, 0, "", headers{"Upload-Length": "3"}).says(t, 400, "Upload-Length or Upload-Defer-Length header required\n")
		a.do("PATCH", strings.TrimPrefix(at, a.url), a.service, "abc", headers{"Upload-Offset": "0", "Content-Type": tus.ContentType}).says(t, 412, "Tus-Resumable Required\n")
		a.tus("HEAD", at, a.service, nil).has(t, 200, headers{"Upload-Offset": "0"})
		a.patch(at, a.service, 0, chunked("abc")).has(t, 204, headers{"Tus-Complete": "1"})
	})
	t.Run("addresses", func(t *testing.T) {
		id := func(s string) string { return resumable + "/" + base64.RawURLEncoding.EncodeToString([]byte(s)) }
		missing := "The file for this url was not found\n"
		at := a.create(t, a.service, object("b", "address"), 3)
		version := func() string {
			raw, err := base64.RawURLEncoding.DecodeString(at[strings.LastIndexByte(at, '/')+1:])
			if err != nil {
				t.Fatal(err)
			}
			return string(raw[len("b/address/"):])
		}()
		for _, c := range []struct {
			path   string
			status int
			text   string
		}{
			{resumable + "/", 404, missing},
			{resumable + "/resumable", 404, missing},
			{resumable + "/%25%25", 400, "Invalid upload id"},
			{id("b"), 400, "Invalid upload id"},
			{id("b/" + version), 400, "Invalid upload id"},
			{id("b//" + version), 400, "Invalid key: "},
			{id("#/k/" + version), 400, "Bucket name invalid"},
			{id("b/k/" + version), 404, missing}, // another object's
			{id("b/address/../" + version), 404, missing},
			{id("b/address/00000000-0000-4000-8000-000000000000"), 404, missing},
			{id("b/address/../../owner"), 404, missing},
			{id("b/address/"), 404, missing},
		} {
			a.patch(c.path, a.service, 0, "abc").says(t, c.status, c.text)
			a.tus("HEAD", c.path, a.service, nil).has(t, c.status, nil)
		}
		// what is not a segment of the address before it does not matter
		a.patch(resumable+"/x/y/"+at[strings.LastIndexByte(at, '/')+1:], a.service, 0, "abc").has(t, 204, headers{"Tus-Complete": "1"})
	})
	t.Run("callers", func(t *testing.T) {
		for _, m := range []string{"POST", "PATCH", "HEAD", "DELETE"} {
			r := a.tus(m, resumable+"/x", "", nil)
			if r.status != 400 {
				t.Errorf("%s: %d", m, r.status)
			}
		}
		a.tus("POST", resumable, "garbage", nil).fails(t, 400, "403", "Unauthorized", "Invalid Compact JWS", "AccessDenied")
		old := a.sign(map[string]any{"role": "authenticated", "exp": time.Now().Add(-time.Hour).Unix()})
		a.tus("PATCH", resumable+"/x", old, nil).fails(t, 400, "403", "Unauthorized", `"exp" claim timestamp check failed`, "AccessDenied")
	})
	t.Run("methods", func(t *testing.T) {
		a.tus("PUT", resumable+"/x", a.service, nil).says(t, 404, "Not found\n")
		a.tus("GET", resumable+"/x", a.service, nil).is(t, 404, `{"message":"Route GET:/upload/resumable/x not found","error":"Not Found","statusCode":404}`)
		a.tus("PATCH", resumable, a.service, nil).is(t, 404, `{"message":"Route PATCH:/upload/resumable not found","error":"Not Found","statusCode":404}`)
	})
	if n := a.one(`select count(*) from storage.objects`); n != "3" {
		t.Errorf("%s objects", n)
	}
	a.bytesMatchRows(t)
}

// chunked is a body of which no length is told.
func chunked(s string) any { return struct{ *strings.Reader }{strings.NewReader(s)} }

func TestResumableLocation(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", true)
	host := strings.TrimSuffix(strings.TrimPrefix(a.url, "http://"), "/storage/v1")
	for _, c := range []struct {
		headers headers
		want    string
	}{
		{nil, "http://" + host + "/storage/v1"},
		{headers{"X-Forwarded-Proto": "https"}, "https://" + host + "/storage/v1"},
		{headers{"X-Forwarded-Host": "api.example.com", "X-Forwarded-Proto": "https"}, "https://api.example.com/storage/v1"},
		{headers{"X-Forwarded-Host": "api.example.com", "X-Forwarded-Port": "8443", "X-Forwarded-Proto": "https"}, "https://api.example.com:8443/storage/v1"},
		{headers{"X-Forwarded-Host": "api.example.com:1", "X-Forwarded-Port": "443", "X-Forwarded-Prefix": "/base/"}, "http://api.example.com:1/base/storage/v1"},
		{headers{"X-Forwarded-Prefix": "/storage/v1"}, "http://" + host + "/storage/v1"},
		{headers{"Forwarded": `for=1.2.3.4;host="h.example";proto=https, for=5.6.7.8;host=no`}, "https://h.example/storage/v1"},
	} {
		at := a.create(t, a.service, object("b", "k"), 1, c.headers)
		if !strings.HasPrefix(at, c.want+resumable+"/") {
			t.Errorf("%v: %s", c.headers, at)
		}
	}
	b := start(t, func(c *storage.Config) { c.PublicURL = "https://public.example" })
	b.bucket("b", true)
	if at := b.create(t, b.service, object("b", "k"), 1, headers{"X-Forwarded-Host": "other"}); !strings.HasPrefix(at, "https://public.example/storage/v1/upload/resumable/") {
		t.Errorf("Location: %s", at)
	}
}

func TestResumableRequestHeader(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", true)
	// two headers of one name are one with a comma between, which pairs do not allow a space behind
	req, err := http.NewRequestWithContext(t.Context(), "POST", a.url+resumable, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"Authorization": {"Bearer " + a.service}, "Tus-Resumable": {"1.0.0"}, "Upload-Length": {"1"},
		"Upload-Metadata": {pairs("bucketName", "b"), pairs("objectName", "k")},
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 400 {
		t.Errorf("%d", res.StatusCode)
	}
}
