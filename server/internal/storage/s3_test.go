package storage_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/storage"
)

//covers:storage 64 67
func TestS3Signatures(t *testing.T) {
	t.Parallel()
	a, c := startS3(t)
	a.bucket("b", false)
	c.ok(200, "PUT", "/b/dir/a key!$&'()*+,:;=@.txt", "", "content")

	t.Run("in the header", func(t *testing.T) {
		r := c.ok(200, "GET", "/b/dir/a key!$&'()*+,:;=@.txt", "", "")
		if r.body != "content" {
			t.Errorf("body %q", r.body)
		}
		other := *c
		other.secret = "wrong"
		wantFailure(t, "another secret", other.do("GET", "/b/x", "", ""), 403, "SignatureDoesNotMatch",
			"The request signature we calculated does not match the signature you provided. Check your key and signing method.")
		other = *c
		other.key = "unknown"
		wantFailure(t, "another key", other.do("GET", "/b/x", "", ""), 403, "AccessDenied", "Invalid Access Key")
		wantFailure(t, "no signature", c.fetch("GET", a.url+"/s3/b/x", ""), 403, "AccessDenied", "Missing signature")
		if r := c.fetch("GET", a.url+"/s3/b/x?AWSAccessKeyId=k&Signature=s&Expires=1", ""); r.status != 403 || !strings.Contains(r.body, "default.s3.signature_version s3v4") {
			t.Errorf("signature version 2: %d %s", r.status, r.body)
		}
		r = c.fetch("HEAD", a.url+"/s3/b/x", "")
		if r.status != 403 || r.body != "" {
			t.Errorf("HEAD: %d %q", r.status, r.body)
		}
		q := c.request("GET", "/b/x", nil, nil, nil, "")
		q.Header.Set("Authorization", strings.Replace(q.Header.Get("Authorization"), "/s3/", "/", 1))
		wantFailure(t, "a short scope", c.send(q), 400, "InvalidSignature", "Invalid credentials")
		q = c.request("GET", "/b/x", nil, nil, nil, "")
		q.Header.Del("X-Amz-Date")
		wantFailure(t, "no date", c.send(q), 400, "InvalidSignature", "Invalid signature format")
		q = c.request("PUT", "/b/x", nil, nil, nil, "")
		q.Header.Set("X-Amz-Copy-Source", "b/dir/a key!$&'()*+,:;=@.txt")
		wantFailure(t, "a header that was added", c.send(q), 403, "AccessDenied", "")
		other = *c
		other.region = "eu-north-1"
		other.ok(200, "GET", "/b", "", "")
		wantFailure(t, "a hash that is not the body's", c.send(c.request("PUT", "/b/hash", nil, nil, []byte("x"), hash([]byte("y")))), 400, "XAmzContentSHA256Mismatch", "")
		if r := c.do("HEAD", "/b/hash", "", ""); r.status != 404 {
			t.Errorf("an object was stored in spite of its hash: %d", r.status)
		}
	})
	t.Run("behind a proxy", func(t *testing.T) {
		r := c.request("GET", "/b", nil, nil, nil, "")
		r.Host = "inner"
		wantFailure(t, "another host", c.send(r), 403, "SignatureDoesNotMatch", "")
		host, port, _ := strings.Cut(r.URL.Host, ":")
		r.Header.Set("X-Forwarded-Host", host)
		r.Header.Set("X-Forwarded-Port", port)
		if got := c.send(r); got.status != 200 {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
	t.Run("in the query", func(t *testing.T) {
		if r := c.fetch("GET", c.presign("GET", "/b/dir/a key!$&'()*+,:;=@.txt", "60", time.Now()), ""); r.body != "content" {
			t.Errorf("GET: %d %s", r.status, r.body)
		}
		if r := c.fetch("PUT", c.presign("PUT", "/b/presigned", "60", time.Now()), "by url"); r.status != 200 {
			t.Errorf("PUT: %d %s", r.status, r.body)
		}
		if r := c.ok(200, "GET", "/b/presigned", "", ""); r.body != "by url" {
			t.Errorf("body %q", r.body)
		}
		wantFailure(t, "too late", c.fetch("GET", c.presign("GET", "/b/presigned", "60", time.Now().Add(-2*time.Minute)), ""), 400, "ExpiredToken", "The provided token has expired.")
		wantFailure(t, "another method", c.fetch("DELETE", c.presign("GET", "/b/presigned", "60", time.Now()), ""), 403, "SignatureDoesNotMatch", "")
	})
	t.Run("in chunks", func(t *testing.T) { c.chunks(t) })
	t.Run("checksums", func(t *testing.T) {
		sum := md5.Sum([]byte("checked"))
		c.ok(200, "PUT", "/b/checked", "", "checked", headers{"Content-MD5": base64.StdEncoding.EncodeToString(sum[:])})
		wantFailure(t, "MD5", c.do("PUT", "/b/checked", "", "changed", headers{"Content-MD5": base64.StdEncoding.EncodeToString(sum[:])}), 400, "BadDigest", "")
		c.ok(200, "PUT", "/b/checked", "", "checked", headers{"x-amz-checksum-crc32": crc([]byte("checked"))})
		wantFailure(t, "CRC32", c.do("PUT", "/b/checked", "", "changed", headers{"x-amz-checksum-crc32": crc([]byte("checked"))}), 400, "BadDigest", "")
		// of "123456789", as the algorithms' catalogues have them
		c.ok(200, "PUT", "/b/nine", "", "123456789", headers{"x-amz-checksum-crc64nvme": "rosUhgp5mIg="})
		c.ok(200, "PUT", "/b/nine", "", "123456789", headers{"x-amz-checksum-crc32c": "4waSgw=="})
		wantFailure(t, "no checksum", c.do("PUT", "/b/nine", "", "x", headers{"x-amz-checksum-sha1": "abc"}), 400, "InvalidDigest", "")
	})
}

func crc(b []byte) string {
	n := crc32.ChecksumIEEE(b)
	return base64.StdEncoding.EncodeToString([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// chunks sends bodies in signed and unsigned chunks.
func (c *s3Client) chunks(t *testing.T) {
	content := []byte(strings.Repeat("0123456789", 10_000))
	trailers := "x-amz-checksum-crc32"
	put := func(key string, kind string, build func(r *http.Request) []byte) answer {
		hs := headers{"x-amz-decoded-content-length": fmt.Sprint(len(content)), "content-encoding": "aws-chunked"}
		if strings.HasSuffix(kind, "TRAILER") {
			hs["x-amz-trailer"] = trailers
		}
		r := c.request("PUT", "/b/"+key, nil, hs, nil, kind)
		body := build(r)
		r.Body, r.ContentLength, r.GetBody = http.NoBody, int64(len(body)), nil
		r.Body = readCloser{bytes.NewReader(body)}
		return c.send(r)
	}
	unsigned := func(sum string) func(*http.Request) []byte {
		return func(*http.Request) []byte {
			return fmt.Appendf(nil, "%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n", len(content), content, sum)
		}
	}
	if r := put("unsigned", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", unsigned(crc(content))); r.status != 200 {
		t.Errorf("unsigned: %d %s", r.status, r.body)
	}
	wantFailure(t, "a wrong trailer", put("refused", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", unsigned(crc([]byte("other")))), 400, "BadDigest", "")
	trailers += strings.Repeat(", "+trailers, 1000) // each would be computed
	wantFailure(t, "many trailers", put("refused", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", unsigned(crc(content))), 400, "InvalidRequest",
		"Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	trailers = "x-amz-checksum-crc32"
	signed := func(trailer bool, change string) func(r *http.Request) []byte {
		return func(r *http.Request) []byte {
			date := r.Header.Get("X-Amz-Date")
			key := c.signingKey(date[:8])
			_, previous, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
			var out bytes.Buffer
			for _, part := range [][]byte{content[:65536], content[65536:], nil} {
				text := strings.Join([]string{"AWS4-HMAC-SHA256-PAYLOAD", date, c.scope(date[:8]), previous, hash(nil), hash(part)}, "\n")
				previous = hex.EncodeToString(hmacOf(key, text))
				fmt.Fprintf(&out, "%x;chunk-signature=%s\r\n%s", len(part), previous, part)
				if len(part) > 0 || !trailer {
					out.WriteString("\r\n")
				}
			}
			if trailer {
				line := "x-amz-checksum-crc32:" + crc(content)
				text := strings.Join([]string{"AWS4-HMAC-SHA256-TRAILER", date, c.scope(date[:8]), previous, hash([]byte(line + "\n"))}, "\n")
				fmt.Fprintf(&out, "%s\r\nx-amz-trailer-signature:%s\r\n\r\n", line, hex.EncodeToString(hmacOf(key, text)))
			}
			return bytes.Replace(out.Bytes(), []byte("0123"), []byte(change), 1)
		}
	}
	if r := put("signed", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", signed(false, "0123")); r.status != 200 {
		t.Errorf("signed: %d %s", r.status, r.body)
	}
	if r := put("trailer", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", signed(true, "0123")); r.status != 200 {
		t.Errorf("signed with a trailer: %d %s", r.status, r.body)
	}
	wantFailure(t, "a changed chunk", put("refused", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", signed(false, "9123")), 403, "SignatureDoesNotMatch", "")
	for _, key := range []string{"unsigned", "signed", "trailer"} {
		if r := c.do("GET", "/b/"+key, "", ""); r.body != string(content) {
			t.Errorf("%s: %d, %d bytes", key, r.status, len(r.body))
		}
	}
	if r := c.do("HEAD", "/b/refused", "", ""); r.status != 404 {
		t.Errorf("a refused object is there: %d", r.status)
	}
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

//covers:storage 64
func TestS3Form(t *testing.T) {
	t.Parallel()
	a, c := startS3(t)
	a.bucket("b", false)
	post := func(conditions []any, fields map[string]string, life time.Duration) answer {
		t.Helper()
		date := time.Now().UTC().Format("20060102T150405Z")
		raw, err := json.Marshal(map[string]any{"expiration": time.Now().Add(life).UTC().Format(time.RFC3339), "conditions": conditions})
		if err != nil {
			t.Fatal(err)
		}
		doc := base64.StdEncoding.EncodeToString(raw)
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		field := func(name, value string) {
			if err := w.WriteField(name, value); err != nil {
				t.Fatal(err)
			}
		}
		for name, value := range fields {
			field(name, value)
		}
		field("X-Amz-Algorithm", "AWS4-HMAC-SHA256")
		field("X-Amz-Credential", c.key+"/"+c.scope(date[:8]))
		field("X-Amz-Date", date)
		field("Policy", doc)
		field("X-Amz-Signature", hex.EncodeToString(hmacOf(c.signingKey(date[:8]), doc)))
		f, err := w.CreateFormFile("file", "name.txt")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(f, "by form")
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), "POST", a.url+"/s3/b", &body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", w.FormDataContentType())
		return c.send(r)
	}
	fields := map[string]string{"key": "f/a.txt", "Content-Type": "text/plain", "x-amz-meta-color": "red"}
	conditions := []any{
		map[string]string{"bucket": "b"}, []any{"starts-with", "$key", "f/"}, []any{"eq", "$Content-Type", "text/plain"},
		map[string]string{"x-amz-meta-color": "red"},
	}
	if r := post(conditions, fields, time.Minute); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := c.ok(200, "GET", "/b/f/a.txt", "", ""); r.body != "by form" || r.header.Get("Content-Type") != "text/plain" || r.header.Get("X-Amz-Meta-Color") != "red" {
		t.Errorf("%s %v", r.body, r.header)
	}
	wantFailure(t, "expired", post(conditions, fields, -time.Minute), 400, "ExpiredToken", "")
	wantFailure(t, "another key", post(conditions, map[string]string{"key": "g", "Content-Type": "text/plain", "x-amz-meta-color": "red"}, time.Minute),
		403, "AccessDenied", `Policy condition failed: "key" does not start with "f/"`)
	wantFailure(t, "a field without a condition", post(conditions[:3], fields, time.Minute), 403, "AccessDenied",
		`Policy condition failed: field "x-amz-meta-color" is not covered by the policy`)
	wantFailure(t, "too small", post(append(conditions[:4:4], []any{"content-length-range", 100, 200}), fields, time.Minute), 400, "EntityTooSmall", "")
	wantFailure(t, "too large", post(append(conditions[:4:4], []any{"content-length-range", 1, 2}), fields, time.Minute), 413, "EntityTooLarge", "")
}

//covers:storage 65 67
func TestS3Buckets(t *testing.T) {
	t.Parallel()
	a, c := startS3(t)
	r := c.ok(200, "PUT", "/one", "", "", headers{"x-amz-acl": "public-read"})
	if r.header.Get("Location") != "/one" || a.one(`select public from storage.buckets where id = 'one'`) != "true" {
		t.Errorf("created: %v", r.header)
	}
	c.ok(200, "PUT", "/two/", "", "")
	wantFailure(t, "again", c.do("PUT", "/one", "", ""), 409, "BucketAlreadyExists", "The resource already exists")
	wantFailure(t, "a bad name", c.do("PUT", "/o%ne", "", ""), 400, "InvalidBucketName", "Bucket name invalid")
	r = c.ok(200, "GET", "/", "", "")
	if !strings.HasPrefix(r.body, `<?xml version="1.0" encoding="UTF-8" standalone="yes"?><ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Buckets><Bucket><Name>one</Name><CreationDate>`) ||
		strings.Count(r.body, "<Bucket>") != 2 || r.header.Get("Content-Type") != "application/xml; charset=utf-8" {
		t.Errorf("list: %s", r.body)
	}
	if r = c.ok(200, "HEAD", "/one", "", ""); r.header.Get("X-Amz-Bucket-Region") != "local" {
		t.Errorf("head: %v", r.header)
	}
	if r = c.do("HEAD", "/none", "", ""); r.status != 404 || r.body != "" {
		t.Errorf("head of none: %d %q", r.status, r.body)
	}
	if r = c.ok(200, "GET", "/one", "location", ""); !strings.HasSuffix(r.body, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">local</LocationConstraint>`) {
		t.Errorf("location: %s", r.body)
	}
	if r = c.ok(200, "GET", "/one", "versioning", ""); !strings.Contains(r.body, "<Status>Suspended</Status>") {
		t.Errorf("versioning: %s", r.body)
	}
	wantFailure(t, "an unknown sub-resource", c.do("GET", "/one", "acl", ""), 501, "NotImplemented", "")
	wantFailure(t, "the location of none", c.do("GET", "/none", "location", ""), 404, "NoSuchBucket", "Bucket not found")
	c.ok(200, "PUT", "/one/object", "", "x")
	wantFailure(t, "not empty", c.do("DELETE", "/one", "", ""), 409, "ResourceNotEmpty", "The bucket you tried to delete is not empty")
	wantFailure(t, "tags of an object", c.do("DELETE", "/one/object", "tagging", ""), 501, "NotImplemented", "")
	c.ok(204, "DELETE", "/two", "", "")
	wantFailure(t, "deleted", c.do("DELETE", "/two", "", ""), 404, "NoSuchBucket", "Bucket not found")
}

//covers:storage 65 67
func TestS3Objects(t *testing.T) {
	t.Parallel()
	a, c := startS3(t)
	a.bucket("b", false)
	a.bucket("other", false)
	etag := fmt.Sprintf(`"%x"`, md5.Sum([]byte("0123456789")))
	put := c.ok(200, "PUT", "/b/d/a.html", "", "0123456789",
		headers{"Content-Type": "text/html", "Cache-Control": "max-age=7", "x-amz-meta-color": "red", "x-amz-meta-Size": "9"})
	if put.header.Get("Etag") != etag {
		t.Errorf("ETag %s, want %s", put.header.Get("Etag"), etag)
	}
	t.Run("get and head", func(t *testing.T) {
		if raw := c.raw("HEAD", "/b/d/a.html"); !strings.Contains(raw, "\r\nx-amz-meta-size: 9\r\n") {
			t.Errorf("the names of metadata are not in lower case, which boto3 keeps: %s", raw)
		}
		for _, method := range []string{"GET", "HEAD"} {
			r := c.ok(200, method, "/b/d/a.html", "", "")
			for name, want := range (headers{"Content-Type": "text/html", "Cache-Control": "max-age=7", "Etag": etag, "Content-Length": "10",
				"X-Amz-Meta-Color": "red", "X-Amz-Meta-Size": "9", "Accept-Ranges": "bytes"}) {
				if r.header.Get(name) != want {
					t.Errorf("%s: %s is %q, want %q", method, name, r.header.Get(name), want)
				}
			}
		}
		wantFailure(t, "missing", c.do("GET", "/b/none", "", ""), 404, "NoSuchKey", "Object not found")
		wantFailure(t, "a key that cannot be", c.do("GET", "/b/a~b", "", ""), 400, "InvalidKey", "Invalid key: a~b")
		c.ok(200, "PUT", "/b/long", "", "x", headers{"X-Amz-Meta-Long": strings.Repeat("a", 8193), "X-Amz-Meta-Short": strings.Repeat("b", 8192)})
		if h := c.ok(200, "HEAD", "/b/long", "", "").header; h.Get("X-Amz-Missing-Meta") != "1" || h.Get("X-Amz-Meta-Long") != "" || len(h.Get("X-Amz-Meta-Short")) != 8192 {
			t.Errorf("metadata that is too long for a header: %v", h)
		}
		if r := c.do("HEAD", "/b/none", "", ""); r.status != 404 || r.body != "" {
			t.Errorf("HEAD of none: %d %q", r.status, r.body)
		}
		if f := c.do("GET", "/b/d/none", "", ""); !strings.Contains(f.body, "<Resource>b/d/none</Resource>") {
			t.Errorf("resource: %s", f.body)
		}
		if r := c.ok(200, "GET", "/b/d/a.html", "tagging", ""); !strings.Contains(r.body, "<TagSet/>") {
			t.Errorf("tags: %s", r.body)
		}
	})
	t.Run("ranges and conditions", func(t *testing.T) {
		r := c.ok(206, "GET", "/b/d/a.html", "", "", headers{"Range": "bytes=2-4"})
		if r.body != "234" || r.header.Get("Content-Range") != "bytes 2-4/10" {
			t.Errorf("%q %v", r.body, r.header)
		}
		wantFailure(t, "beyond", c.do("GET", "/b/d/a.html", "", "", headers{"Range": "bytes=10-"}), 416, "InvalidRange", "invalid range provided")
		if r := c.do("GET", "/b/d/a.html", "", "", headers{"If-None-Match": etag}); r.status != 304 || r.body != "" {
			t.Errorf("%d %q", r.status, r.body)
		}
		future := time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
		if r := c.do("GET", "/b/d/a.html", "", "", headers{"If-Modified-Since": future}); r.status != 304 {
			t.Errorf("%d", r.status)
		}
		c.ok(200, "GET", "/b/d/a.html", "", "", headers{"If-Match": etag})
		wantFailure(t, "If-Match", c.do("GET", "/b/d/a.html", "", "", headers{"If-Match": `"x"`}), 412, "PreconditionFailed", "")
		wantFailure(t, "If-None-Match of a write", c.do("PUT", "/b/d/a.html", "", "x", headers{"If-None-Match": "*"}), 412, "PreconditionFailed", "")
		c.ok(200, "PUT", "/b/new", "", "x", headers{"If-None-Match": "*"})
	})
	t.Run("the answer's headers", func(t *testing.T) {
		r := c.ok(200, "GET", "/b/d/a.html", "response-content-type=text%2Fcss&response-expires=Wed, 01 Jan 2031 00:00:00 GMT&response-content-disposition=inline", "")
		if r.header.Get("Content-Type") != "text/css" || r.header.Get("Expires") != "Wed, 01 Jan 2031 00:00:00 GMT" || r.header.Get("Content-Disposition") != "inline" {
			t.Errorf("%v", r.header)
		}
		wantFailure(t, "a bad date", c.do("GET", "/b/d/a.html", "response-expires=soon", ""), 400, "InvalidParameter", "Invalid Parameter response-expires")
	})
	t.Run("keys", func(t *testing.T) {
		wantFailure(t, "a forbidden character", c.do("PUT", "/b/a[]^|b", "", "x"), 400, "InvalidKey", "Invalid key: a[]^|b")
		wantFailure(t, "no bucket", c.do("PUT", "/none/a", "", "x"), 404, "NoSuchBucket", "Bucket not found")
		c.ok(200, "PUT", "/b/folder/", "", "")
		if got := a.one(`select count(*) from storage.objects where name = 'folder/.emptyFolderPlaceholder'`); got != "1" {
			t.Error("the folder has no placeholder")
		}
		// clients that made a folder look whether it is there
		if r := c.ok(200, "HEAD", "/b/folder/", "", ""); r.header.Get("Content-Length") != "0" {
			t.Errorf("head of the folder: %v", r.header)
		}
		c.ok(200, "GET", "/b/folder/", "", "")
		wantFailure(t, "no folder", c.do("GET", "/b/none/", "", ""), 404, "NoSuchKey", "Object not found")
		c.ok(204, "DELETE", "/b/folder/", "", "")
		c.ok(200, "PUT", "/b/second/", "", "")
		c.ok(200, "POST", "/b", "delete", `<Delete><Object><Key>second/</Key></Object></Delete>`)
		if got := a.one(`select count(*) from storage.objects where name like '%/.emptyFolderPlaceholder'`); got != "0" {
			t.Error("a deleted folder has its placeholder yet")
		}
	})
	t.Run("copy", func(t *testing.T) {
		r := c.ok(200, "PUT", "/other/copy", "", "", headers{"x-amz-copy-source": "/b/d%2Fa.html"})
		if !strings.Contains(r.body, "<CopyObjectResult") || !strings.Contains(r.body, "<ETag>"+etag+"</ETag>") {
			t.Errorf("%s", r.body)
		}
		if r := c.ok(200, "GET", "/other/copy", "", ""); r.body != "0123456789" || r.header.Get("X-Amz-Meta-Color") != "red" {
			t.Errorf("%q %v", r.body, r.header)
		}
		c.ok(200, "PUT", "/other/copy", "", "", headers{"x-amz-copy-source": "b/d/a.html", "x-amz-metadata-directive": "REPLACE",
			"Content-Type": "text/css", "x-amz-meta-shape": "round"})
		if r := c.ok(200, "HEAD", "/other/copy", "", ""); r.header.Get("Content-Type") != "text/css" || r.header.Get("X-Amz-Meta-Color") != "" ||
			r.header.Get("X-Amz-Meta-Shape") != "round" || r.header.Get("Cache-Control") == "max-age=7" {
			t.Errorf("%v", r.header)
		}
		wantFailure(t, "a condition", c.do("PUT", "/other/copy", "", "", headers{"x-amz-copy-source": "b/d/a.html", "x-amz-copy-source-if-none-match": etag}),
			412, "PreconditionFailed", "")
		wantFailure(t, "of none", c.do("PUT", "/other/copy", "", "", headers{"x-amz-copy-source": "b/none"}), 404, "NoSuchKey", "")
		wantFailure(t, "no key", c.do("PUT", "/other/copy", "", "", headers{"x-amz-copy-source": "b"}), 400, "MissingParameter", "")
	})
	t.Run("delete", func(t *testing.T) {
		c.ok(204, "DELETE", "/other/copy", "", "")
		c.ok(204, "DELETE", "/other/copy", "", "")
		wantFailure(t, "no bucket", c.do("DELETE", "/none/a", "", ""), 404, "NoSuchBucket", "")
		c.ok(200, "PUT", "/other/1", "", "x")
		c.ok(200, "PUT", "/other/2&", "", "x")
		r := c.ok(200, "POST", "/other", "delete", `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>1</Key></Object><Object><Key>2&amp;</Key></Object><Object><Key>none</Key></Object></Delete>`)
		if !strings.HasSuffix(r.body, "<Deleted><Key>1</Key></Deleted><Deleted><Key>2&amp;</Key></Deleted><Deleted><Key>none</Key></Deleted></DeleteResult>") {
			t.Errorf("%s", r.body)
		}
		if n := a.one(`select count(*) from storage.objects where bucket_id = 'other'`); n != "0" {
			t.Errorf("%s objects are left", n)
		}
		wantFailure(t, "no XML", c.do("POST", "/other", "delete", "<Delete"), 400, "MalformedXML", "")
		wantFailure(t, "no keys", c.do("POST", "/other", "delete", "<Delete/>"), 400, "InvalidRequest", "")
	})
	t.Run("limits", func(t *testing.T) {
		a.exec(`update storage.buckets set file_size_limit = 5, allowed_mime_types = '{text/plain}' where id = 'other'`)
		wantFailure(t, "size", c.do("PUT", "/other/a", "", "123456", headers{"Content-Type": "text/plain"}), 413, "EntityTooLarge", "The object exceeded the maximum allowed size")
		wantFailure(t, "type", c.do("PUT", "/other/a", "", "1", headers{"Content-Type": "text/css"}), 415, "InvalidMimeType", "mime type text/css is not supported")
	})
}

type s3List struct {
	Name, Prefix, NextContinuationToken, NextMarker, EncodingType string
	KeyCount                                                      int
	IsTruncated                                                   bool
	Contents                                                      []struct {
		Key, LastModified, ETag string
		Size                    int
	}
	CommonPrefixes []struct{ Prefix string }
}

// entries are keys and folders in the order of the answer, both kinds sorted.
func (l s3List) entries() string {
	var all []string
	for _, o := range l.Contents {
		all = append(all, o.Key)
	}
	for _, p := range l.CommonPrefixes {
		all = append(all, p.Prefix)
	}
	return strings.Join(all, " ")
}

//covers:storage 65
func TestS3List(t *testing.T) {
	t.Parallel()
	a, c := startS3(t)
	a.bucket("b", false)
	for _, key := range []string{"a", "a-b", "a/1", "a/2", "a/b/3", "B", "c d", "d/x/1", "d/y/2", "e"} {
		c.ok(200, "PUT", "/b/"+key, "", key)
	}
	list := func(query string) (l s3List) {
		t.Helper()
		r := c.ok(200, "GET", "/b", query, "")
		if err := xml.Unmarshal([]byte(r.body), &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	for query, want := range map[string]string{
		"list-type=2":                                  "B a a-b a/1 a/2 a/b/3 c d d/x/1 d/y/2 e",
		"list-type=2&prefix=a":                         "a a-b a/1 a/2 a/b/3",
		"list-type=2&prefix=a/":                        "a/1 a/2 a/b/3",
		"list-type=2&delimiter=/":                      "B a a-b c d e a/ d/",
		"list-type=2&delimiter=/&prefix=a/":            "a/1 a/2 a/b/",
		"list-type=2&delimiter=/&prefix=d":             "d/",
		"list-type=2&delimiter=-":                      "B a a/1 a/2 a/b/3 c d d/x/1 d/y/2 e a-",
		"list-type=2&start-after=a/2":                  "a/b/3 c d d/x/1 d/y/2 e",
		"list-type=2&delimiter=/&start-after=a/":       "c d e d/",
		"list-type=2&delimiter=/&start-after=a":        "a-b c d e a/ d/",
		"list-type=2&prefix=zz":                        "",
		"list-type=2&prefix=a%00":                      "",
		"list-type=2&prefix=c&encoding-type=url":       "c%20d",
		"list-type=2&max-keys=0":                       "",
		"prefix=a":                                     "a a-b a/1 a/2 a/b/3",
		"marker=c d":                                   "d/x/1 d/y/2 e",
		"delimiter=/":                                  "B a a-b c d e a/ d/",
		"list-type=2&delimiter=/&prefix=a/&max-keys=1": "a/1",
	} {
		if got := list(query).entries(); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	for _, delimiter := range []string{"", "/"} {
		var keys, folders []string
		token := ""
		for page := 0; page < 20; page++ {
			l := list("list-type=2&max-keys=1&delimiter=" + delimiter + "&continuation-token=" + url.QueryEscape(token))
			for _, o := range l.Contents {
				keys = append(keys, o.Key)
				if o.ETag != fmt.Sprintf(`"%x"`, md5.Sum([]byte(o.Key))) || o.Size != len(o.Key) || o.LastModified == "" {
					t.Errorf("%+v", o)
				}
			}
			for _, p := range l.CommonPrefixes {
				folders = append(folders, p.Prefix)
			}
			if token = l.NextContinuationToken; !l.IsTruncated {
				break
			}
		}
		want := "B a a-b a/1 a/2 a/b/3 c d d/x/1 d/y/2 e"
		if delimiter != "" {
			want = "B a a-b c d e a/ d/"
		}
		if got := strings.Join(append(keys, folders...), " "); got != want {
			t.Errorf("page by page with %q: %q, want %q", delimiter, got, want)
		}
	}
	var all []string
	for marker, page := "", 0; page < 20; page++ {
		l := list("max-keys=2&delimiter=/&marker=" + url.QueryEscape(marker))
		all = append(all, l.entries())
		if marker = l.NextMarker; !l.IsTruncated {
			break
		}
	}
	if got := strings.Join(all, "|"); got != "B a|a-b a/|c d d/|e" {
		t.Errorf("by markers: %s", got)
	}
	type versions struct {
		NextKeyMarker, NextVersionIdMarker string
		IsTruncated                        bool
		Version                            []struct {
			Key, VersionId, ETag string
			IsLatest             bool
			Size                 int
		}
		CommonPrefixes []struct{ Prefix string }
	}
	all = nil
	for marker, page := "", 0; page < 20; page++ {
		r := c.ok(200, "GET", "/b", "versions&max-keys=2&delimiter=/&version-id-marker=null&key-marker="+url.QueryEscape(marker), "")
		var v versions
		if err := xml.Unmarshal([]byte(r.body), &v); err != nil || !strings.Contains(r.body, "<ListVersionsResult ") {
			t.Fatalf("%v %s", err, r.body)
		}
		for _, o := range v.Version {
			all = append(all, o.Key)
			if o.VersionId != "null" || !o.IsLatest || o.ETag == "" || o.Size != len(o.Key) {
				t.Errorf("%+v", o)
			}
		}
		for _, p := range v.CommonPrefixes {
			all = append(all, p.Prefix)
		}
		if marker = v.NextKeyMarker; !v.IsTruncated {
			break
		}
	}
	if got := strings.Join(all, " "); got != "B a a-b a/ c d d/ e" {
		t.Errorf("versions: %s", got)
	}
	c.ok(204, "DELETE", "/b/e", "versionId=null", "")
	if got := list("list-type=2&prefix=e").entries(); got != "" {
		t.Errorf("a deleted version: %q", got)
	}
	wantFailure(t, "a bad token", c.do("GET", "/b", "list-type=2&continuation-token=%21", ""), 400, "InvalidParameter", "Invalid Parameter continuation token")
	wantFailure(t, "max-keys", c.do("GET", "/b", "list-type=2&max-keys=x", ""), 400, "InvalidRequest", "")
	wantFailure(t, "encoding", c.do("GET", "/b", "list-type=2&encoding-type=x", ""), 400, "InvalidRequest", "")
	wantFailure(t, "no bucket", c.do("GET", "/none", "list-type=2", ""), 404, "NoSuchBucket", "")
}

//covers:storage 2 64
func TestS3Settings(t *testing.T) {
	t.Parallel()
	_, c := startS3(t, func(s *storage.Config) { s.S3.EnforceRegion, s.S3.Prefix = true, "/elsewhere/" })
	wantFailure(t, "another prefix", c.do("GET", "/", "", ""), 403, "SignatureDoesNotMatch", "")
	other := *c
	other.region = "us-east-1"
	wantFailure(t, "another region", other.do("GET", "/", "", ""), 403, "AccessDenied", "Invalid Region")

	a, c := startS3(t, func(s *storage.Config) { s.S3.AccessKeyID, s.S3.SecretAccessKey = "", "" })
	wantFailure(t, "no keys", c.do("GET", "/", "", ""), 403, "AccessDenied", "Missing S3 Protocol Access Key ID or Secret Key Environment variables")
	c.as(a.user("u")).ok(200, "GET", "/", "", "")

	_, c = startS3(t, func(s *storage.Config) { s.S3.Disabled = true })
	if r := c.do("GET", "/b", "", ""); r.status != 404 || !strings.Contains(r.body, "Route GET:/s3/b not found") {
		t.Errorf("%d %s", r.status, r.body)
	}
}
