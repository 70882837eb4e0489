package storage_test

import (
	"crypto/md5"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

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
		a.exec(`insert into storage.objects (bucket_id, name, updated_at, created_at) values ('b', 'timeless', null, null)`)
		if h := c.ok(200, "HEAD", "/b/timeless", "", "").header; h["Last-Modified"] != nil || h["Created-At"] != nil {
			t.Errorf("times that are not known: %v", h)
		}
		wantFailure(t, "a key that cannot be", c.do("GET", "/b/a~b", "", ""), 400, "InvalidKey", "Invalid key: a~b")
		c.ok(200, "PUT", "/b/long", "", "x", headers{"X-Amz-Meta-Long": strings.Repeat("a", 8193), "X-Amz-Meta-Short": strings.Repeat("b", 8192)})
		if h := c.ok(200, "HEAD", "/b/long", "", "").header; h.Get("X-Amz-Missing-Meta") != "1" || h.Get("X-Amz-Meta-Long") != "" || len(h.Get("X-Amz-Meta-Short")) != 8192 {
			t.Errorf("metadata that is too long for a header: %v", h)
		}
		for name, user := range map[string]map[string]string{"many": {}, "large": {}} {
			for i := range 150 {
				user[fmt.Sprintf("n%03d", i)] = strings.Repeat("a", map[string]int{"many": 1, "large": 1000}[name])
			}
			a.exec(`insert into storage.objects (bucket_id, name, user_metadata) values ('b', $1, $2)`, name, user)
			h := c.ok(200, "HEAD", "/b/"+name, "", "").header
			size, told := 0, 0
			for n, v := range h {
				size += len(n) + len(v[0]) + 4
				if strings.HasPrefix(n, "X-Amz-Meta-") {
					told++
				}
			}
			if size > 16<<10 || len(h) > 100 || told == 0 || h.Get("X-Amz-Meta-N000") == "" || h.Get("X-Amz-Missing-Meta") != fmt.Sprint(150-told) {
				t.Errorf("%s: %d headers of %d bytes, %d are metadata, %s are missing", name, len(h), size, told, h.Get("X-Amz-Missing-Meta"))
			}
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
		wantFailure(t, "If-Match of a deletion", c.do("DELETE", "/b/new", "", "", headers{"If-Match": `"x"`}), 501, "NotImplemented", "")
		c.ok(200, "HEAD", "/b/new", "", "")
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
		wantFailure(t, "of nothing", c.do("PUT", "/other/copy", "", "", headers{"x-amz-copy-source": ""}), 400, "MissingParameter", "Missing Required Parameter CopySource")
		if r := c.ok(200, "GET", "/other/copy", "", ""); r.body != "0123456789" {
			t.Errorf("a copy of nothing has replaced the object: %q", r.body)
		}
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
