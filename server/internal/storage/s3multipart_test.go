package storage_test

import (
	"crypto/md5"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// begin starts an upload in parts and returns its id.
func (c *s3Client) begin(path string, hs ...headers) string {
	c.t.Helper()
	r := c.ok(200, "POST", path, "uploads", "", hs...)
	var doc struct{ Bucket, Key, UploadId string }
	if err := xml.Unmarshal([]byte(r.body), &doc); err != nil || doc.UploadId == "" {
		c.t.Fatalf("%s: %v", r.body, err)
	}
	if "/"+doc.Bucket+"/"+doc.Key != path {
		c.t.Errorf("%+v", doc)
	}
	return doc.UploadId
}

func complete(parts ...string) string {
	var b strings.Builder
	b.WriteString("<CompleteMultipartUpload>")
	for i := 0; i < len(parts); i += 2 {
		b.WriteString("<Part><PartNumber>" + parts[i] + "</PartNumber><ETag>" + parts[i+1] + "</ETag></Part>")
	}
	return b.String() + "</CompleteMultipartUpload>"
}

//covers:storage 66 67
func TestS3Multipart(t *testing.T) {
	t.Parallel()
	a, c := startS3(t)
	a.bucket("b", false)
	part := func(id, number, body string) string {
		t.Helper()
		r := c.ok(200, "PUT", "/b/big", "partNumber="+number+"&uploadId="+id, body)
		if want := fmt.Sprintf("%x", md5.Sum([]byte(body))); r.header.Get("Etag") != want {
			t.Errorf("ETag %s, want %s", r.header.Get("Etag"), want)
		}
		return r.header.Get("Etag")
	}
	files := func() (n int) {
		if err := filepath.WalkDir(filepath.Join(a.dir, "objects"), func(_ string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				n++
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}

	id := c.begin("/b/big", headers{"Content-Type": "text/css", "Cache-Control": "max-age=5", "x-amz-meta-color": "red"})
	e2 := part(id, "2", "second")
	part(id, "1", "thrown away")
	e1 := part(id, "1", "first ")
	if got := a.one(`select in_progress_size from storage.s3_multipart_uploads`); got != "12" {
		t.Errorf("in progress: %s", got)
	}
	var parts struct {
		IsTruncated          bool
		NextPartNumberMarker string
		Part                 []struct {
			PartNumber, Size   int
			ETag, LastModified string
		}
	}
	r := c.ok(200, "GET", "/b/big", "max-parts=1&uploadId="+id, "")
	if err := xml.Unmarshal([]byte(r.body), &parts); err != nil || !parts.IsTruncated || parts.NextPartNumberMarker != "1" || len(parts.Part) != 1 || parts.Part[0].ETag != e1 {
		t.Errorf("parts: %s", r.body)
	}
	wantFailure(t, "a wrong ETag", c.do("POST", "/b/big", "uploadId="+id, complete("1", e2)), 400, "InvalidPart", "")
	for _, number := range []string{"", " ", "Infinity", strings.Repeat("9", 400)} {
		wantFailure(t, "a number that is none", c.do("POST", "/b/big", "uploadId="+id, complete(number, e2)), 400, "InvalidRequest", "")
	}
	wantFailure(t, "a part that is not there", c.do("POST", "/b/big", "uploadId="+id, complete("3", e2)), 400, "InvalidPart", "")
	for body, code := range map[string]string{
		"<CompleteMultipartUpload/>": "InvalidRequest", "<CompleteMultipartUpload> </CompleteMultipartUpload>": "InvalidRequest",
		"<Other/>": "MalformedXML", "garbage": "MalformedXML", "<CompleteMultipartUpload><Part></CompleteMultipartUpload>": "MalformedXML",
	} {
		wantFailure(t, body, c.do("POST", "/b/big", "uploadId="+id, body), 400, code, "")
	}
	wantFailure(t, "JSON that is none", c.do("POST", "/b/big", "uploadId="+id, `{"Parts":`, headers{"Content-Type": "application/json"}), 400, "InvalidRequest", "Body is not valid JSON but content-type is set to 'application/json'")
	wantFailure(t, "empty JSON", c.do("POST", "/b/big", "uploadId="+id, "", headers{"Content-Type": "application/json"}), 400, "InvalidRequest", "Body cannot be empty when content-type is set to 'application/json'")
	wantFailure(t, "another key", c.do("POST", "/b/other", "uploadId="+id, complete("1", e1)), 404, "NoSuchUpload", "Upload not found")
	wantFailure(t, "a bucket with an upload", c.do("DELETE", "/b", "", ""), 409, "ResourceReferenced", "")

	r = c.ok(200, "POST", "/b/big", "uploadId="+id, complete("2", `"`+e2+`"`, "1", `"`+e1+`"`))
	sum := md5.Sum(append(sumOf("first "), sumOf("second")...))
	etag := fmt.Sprintf(`"%x-2"`, sum)
	if !strings.HasSuffix(r.body, "<Location>b/big</Location><Bucket>b</Bucket><Key>big</Key><ETag>"+etag+"</ETag></CompleteMultipartUploadResult>") {
		t.Errorf("%s", r.body)
	}
	r = c.ok(200, "GET", "/b/big", "", "")
	if r.body != "first second" || r.header.Get("Content-Type") != "text/css" || r.header.Get("Cache-Control") != "max-age=5" ||
		r.header.Get("X-Amz-Meta-Color") != "red" || r.header.Get("Etag") != etag {
		t.Errorf("%q %v", r.body, r.header)
	}
	wantFailure(t, "completed", c.do("PUT", "/b/big", "partNumber=1&uploadId="+id, "x"), 404, "NoSuchUpload", "")
	if n := files(); n != 1 {
		t.Errorf("%d files are left, want 1", n)
	}

	t.Run("copied parts", func(t *testing.T) {
		id := c.begin("/b/copied")
		copied := func(number, span string) string {
			hs := headers{"x-amz-copy-source": "b/big"}
			if span != "" {
				hs["x-amz-copy-source-range"] = span
			}
			r := c.ok(200, "PUT", "/b/copied", "partNumber="+number+"&uploadId="+id, "", hs)
			var doc struct{ ETag, LastModified string }
			if err := xml.Unmarshal([]byte(r.body), &doc); err != nil || doc.ETag == "" || doc.LastModified == "" {
				t.Fatalf("%s: %v", r.body, err)
			}
			return doc.ETag
		}
		wantFailure(t, "of nothing", c.do("PUT", "/b/copied", "partNumber=1&uploadId="+id, "",
			headers{"x-amz-copy-source": ""}), 400, "MissingParameter", "Missing Required Parameter CopySource")
		wantFailure(t, "a range without a begin", c.do("PUT", "/b/copied", "partNumber=1&uploadId="+id, "",
			headers{"x-amz-copy-source": "b/big", "x-amz-copy-source-range": "bytes=-5"}), 400, "InvalidRange", "invalid range provided")
		one, two := copied("1", "bytes=6-11"), copied("2", "")
		c.ok(200, "POST", "/b/copied", "uploadId="+id, complete("1", one, "2", two))
		if r := c.ok(200, "GET", "/b/copied", "", ""); r.body != "secondfirst second" {
			t.Errorf("%q", r.body)
		}
	})
	t.Run("abort", func(t *testing.T) {
		before := files()
		id := c.begin("/b/aborted")
		c.ok(200, "PUT", "/b/aborted", "partNumber=1&uploadId="+id, "x")
		c.ok(200, "DELETE", "/b/aborted", "uploadId="+id, "")
		wantFailure(t, "aborted", c.do("GET", "/b/aborted", "uploadId="+id, ""), 404, "NoSuchUpload", "Upload not found")
		if n := files(); n != before {
			t.Errorf("%d files, want %d", n, before)
		}
		c.ok(404, "HEAD", "/b/aborted", "", "")
	})
	t.Run("one part, and none named", func(t *testing.T) {
		id := c.begin("/b/single")
		c.ok(200, "PUT", "/b/single", "partNumber=7&uploadId="+id, "alone")
		c.ok(200, "POST", "/b/single", "uploadId="+id, "")
		if r := c.ok(200, "GET", "/b/single", "", ""); r.body != "alone" {
			t.Errorf("%q", r.body)
		}
	})
	t.Run("limits", func(t *testing.T) {
		a.exec(`update storage.buckets set file_size_limit = 10`)
		defer a.exec(`update storage.buckets set file_size_limit = null`)
		id := c.begin("/b/limited")
		c.ok(200, "PUT", "/b/limited", "partNumber=1&uploadId="+id, "123456")
		wantFailure(t, "together", c.do("PUT", "/b/limited", "partNumber=2&uploadId="+id, "12345"), 413, "EntityTooLarge", "")
		c.ok(200, "PUT", "/b/limited", "partNumber=1&uploadId="+id, "1234567890")
		wantFailure(t, "number", c.do("PUT", "/b/limited", "partNumber=10001&uploadId="+id, "1"), 400, "InvalidRequest", "Querystring, partNumber must be <= 10000")
		wantFailure(t, "an upload that is not there", c.do("PUT", "/b/limited", "partNumber=1&uploadId=x", "1"), 404, "NoSuchUpload", "")
		c.ok(200, "DELETE", "/b/limited", "uploadId="+id, "")
	})
	t.Run("uploads", func(t *testing.T) {
		var ids []string
		for _, key := range []string{"/b/u/1", "/b/u/2", "/b/v", "/b/v"} {
			ids = append(ids, c.begin(key))
		}
		type list struct {
			Upload []struct {
				Key, UploadId, Initiated string
			}
			CommonPrefixes                    []struct{ Prefix string }
			IsTruncated                       bool
			NextKeyMarker, NextUploadIdMarker string
		}
		read := func(query string) (l list) {
			t.Helper()
			if err := xml.Unmarshal([]byte(c.ok(200, "GET", "/b", query, "").body), &l); err != nil {
				t.Fatal(err)
			}
			return l
		}
		if l := read("uploads"); len(l.Upload) != 4 || l.IsTruncated {
			t.Errorf("%+v", l)
		}
		if l := read("uploads&delimiter=/"); len(l.Upload) != 2 || len(l.CommonPrefixes) != 1 || l.CommonPrefixes[0].Prefix != "u/" {
			t.Errorf("%+v", l)
		}
		seen := map[string]bool{}
		for query, page := "uploads&max-uploads=1", 0; page < 10; page++ {
			l := read(query)
			for _, u := range l.Upload {
				seen[u.UploadId] = true
			}
			if !l.IsTruncated {
				break
			}
			query = "uploads&max-uploads=1&key-marker=" + l.NextKeyMarker + "&upload-id-marker=" + l.NextUploadIdMarker
		}
		for _, id := range ids {
			if !seen[id] {
				t.Errorf("an upload was not listed page by page: %v", seen)
			}
		}
	})
}

func sumOf(s string) []byte {
	sum := md5.Sum([]byte(s))
	return sum[:]
}

//covers:storage 68 81
func TestS3Session(t *testing.T) {
	t.Parallel()
	a, c := startS3(t)
	a.bucket("mine", false)
	a.exec(`create table storage.seen (operation text)`)
	a.exec(`grant insert on storage.seen to authenticated`)
	a.exec(`create policy own on storage.objects to authenticated
		using (owner_id = (select auth.uid()::text)) with check (owner_id = (select auth.uid()::text) and bucket_id = 'mine' and storage.operation() like 'storage.s3.%')`)
	const alice, bob = "3f8f6e0a-2f3b-4a73-9c4d-0b7b1f7a0001", "3f8f6e0a-2f3b-4a73-9c4d-0b7b1f7a0002"
	ca, cb := c.as(a.user(alice)), c.as(a.user(bob))
	ca.ok(200, "PUT", "/mine/a", "", "of alice")
	if got := a.one(`select owner_id from storage.objects where name = 'a'`); got != alice {
		t.Errorf("owner %s", got)
	}
	if r := ca.ok(200, "GET", "/mine/a", "", ""); r.body != "of alice" {
		t.Errorf("%q", r.body)
	}
	wantFailure(t, "another's object", cb.do("GET", "/mine/a", "", ""), 404, "NoSuchKey", "Object not found")
	wantFailure(t, "replacing another's", cb.do("PUT", "/mine/a", "", "x"), 403, "AccessDenied", "new row violates row-level security policy")
	wantFailure(t, "deleting another's", cb.do("DELETE", "/mine/a", "", ""), 403, "AccessDenied", "Access denied")
	r := cb.ok(200, "POST", "/mine", "delete", "<Delete><Object><Key>a</Key></Object><Object><Key>none</Key></Object></Delete>")
	if !strings.Contains(r.body, "<Deleted><Key>none</Key></Deleted><Error><Key>a</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>") {
		t.Errorf("%s", r.body)
	}
	if r := cb.ok(200, "GET", "/mine", "list-type=2", ""); strings.Contains(r.body, "<Contents>") {
		t.Errorf("%s", r.body)
	}
	if r := ca.ok(200, "GET", "/mine", "list-type=2&delimiter=/", ""); !strings.Contains(r.body, "<Key>a</Key>") {
		t.Errorf("%s", r.body)
	}
	if r := ca.ok(200, "GET", "/", "", ""); !strings.Contains(r.body, "<Buckets/>") {
		t.Errorf("%s", r.body)
	}
	id := ca.begin("/mine/parts")
	ca.ok(200, "PUT", "/mine/parts", "partNumber=1&uploadId="+id, "x")
	a.exec(`update storage.objects set owner_id = 'none' where name = 'a'`)
	ca.ok(200, "POST", "/mine/parts", "uploadId="+id, "")
	wantFailure(t, "an upload that may not be", c.as(a.sign(map[string]any{"role": "anon"})).do("POST", "/mine/p", "uploads", ""), 403, "AccessDenied", "")
	wantFailure(t, "a token that is none", c.as("x.y.z").do("GET", "/mine/a", "", ""), 403, "AccessDenied", "JWS Protected Header is invalid")
	wantFailure(t, "an old token", c.as(a.sign(map[string]any{"role": "authenticated", "exp": 1})).do("GET", "/mine/a", "", ""), 403, "AccessDenied",
		`"exp" claim timestamp check failed`)
	other := c.as(a.user(alice))
	other.secret = "wrong"
	wantFailure(t, "another secret", other.do("GET", "/mine/a", "", ""), 403, "SignatureDoesNotMatch",
		"The request signature we calculated does not match the signature you provided, Check your credentials. The session token should be a valid JWT token")
}

//covers:storage 84
func TestS3PartsAreNoOrphans(t *testing.T) {
	t.Parallel()
	a, c := startS3(t)
	a.bucket("b", false)
	id := c.begin("/b/k")
	c.ok(200, "PUT", "/b/k", "partNumber=1&uploadId="+id, "a part")
	part := a.one(`select id from storage.s3_multipart_uploads_parts`)

	// a server that starts with the same files and one that belongs to nothing
	dir := t.TempDir()
	file := func(version string) string { return filepath.Join(dir, "objects", version[:2], version) }
	const stray = "00000000-0000-4000-8000-000000000000"
	for _, version := range []string{part, stray} {
		if err := os.MkdirAll(filepath.Dir(file(version)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file(version), []byte("a part"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	login, err := pgx.ParseConfig(a.dsn)
	if err != nil {
		t.Fatal(err)
	}
	blobs := blob.NewDisk(blob.DiskConfig{Dir: dir})
	_, end := serve(t, storage.Config{Blobs: blobs, Uploads: blob.NewUploadDir(blob.UploadDirConfig{Dir: filepath.Join(dir, "uploads"), Store: blobs})},
		login, a.keys, slog.New(slog.DiscardHandler))
	deadline := time.After(20 * time.Second)
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		if _, err := os.Stat(file(stray)); errors.Is(err, fs.ErrNotExist) {
			tick.Stop()
			break
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the sweep did not remove what belongs to nothing")
		}
	}
	end() // waits for the sweep
	if _, err := os.Stat(file(part)); err != nil {
		t.Errorf("the sweep took a part: %v", err)
	}
}

//covers:storage 66 84
func TestS3UploadsExpire(t *testing.T) {
	t.Parallel()
	a, c := startS3(t, func(c *storage.Config) { c.UploadExpiry = time.Second })
	a.bucket("b", false)
	begin := func(key string) string {
		id := c.begin("/b/" + key)
		// long enough from now that the test does not depend on its own speed
		a.exec(`update storage.s3_multipart_uploads set created_at = now() + interval '1 hour' where id = $1`, id)
		for _, number := range []string{"1", "2"} {
			c.ok(200, "PUT", "/b/"+key, "partNumber="+number+"&uploadId="+id, "a part")
		}
		return id
	}
	old, young := begin("old"), begin("young")
	a.exec(`update storage.s3_multipart_uploads set created_at = now() - interval '1 hour' where id = $1`, old)
	eventually(t, "the rows and the bytes of the old one are gone", func() bool {
		return a.one(`select count(*) from storage.s3_multipart_uploads where id = '`+old+`'`) == "0" && len(a.files()) == 2
	})
	if n := a.one(`select count(*) from storage.s3_multipart_uploads_parts`); n != "2" {
		t.Errorf("%s parts are left, want those of the young one", n)
	}
	wantFailure(t, "expired", c.do("PUT", "/b/old", "partNumber=3&uploadId="+old, "x"), 404, "NoSuchUpload", "")
	c.ok(200, "POST", "/b/young", "uploadId="+young, "")
	if r := c.ok(200, "GET", "/b/young", "", ""); r.body != "a parta part" {
		t.Errorf("%q", r.body)
	}
	if n := len(a.files()); n != 1 {
		t.Errorf("%d files are left, want the object's", n)
	}
}

// TestS3CompleteOnlyNew: the end of an upload in parts heeds the conditions of
// a write, and the upload stays when they do not hold.
//
//covers:storage 67
func TestS3CompleteOnlyNew(t *testing.T) {
	t.Parallel()
	a, c := startS3(t)
	a.bucket("b", false)
	id := c.begin("/b/k")
	for _, number := range []string{"1", "2"} {
		c.ok(200, "PUT", "/b/k", "partNumber="+number+"&uploadId="+id, "part "+number)
	}
	a.put("b/k", "there")
	onlyNew := headers{"If-None-Match": "*"}
	wantFailure(t, "over another", c.do("POST", "/b/k", "uploadId="+id, "", onlyNew), 412, "PreconditionFailed", "")
	wantFailure(t, "If-Match", c.do("POST", "/b/k", "uploadId="+id, "", headers{"If-Match": `"x"`}), 501, "NotImplemented", "")
	if r := c.ok(200, "GET", "/b/k", "", ""); r.body != "there" {
		t.Errorf("%q", r.body)
	}
	if n := len(a.files()); n != 3 {
		t.Errorf("%d files, want the object's and two parts'", n)
	}
	c.ok(204, "DELETE", "/b/k", "", "")
	c.ok(200, "POST", "/b/k", "uploadId="+id, "", onlyNew)
	if r := c.ok(200, "GET", "/b/k", "", ""); r.body != "part 1part 2" {
		t.Errorf("%q", r.body)
	}
	if n := len(a.files()); n != 1 {
		t.Errorf("%d files, want the object's", n)
	}
}
