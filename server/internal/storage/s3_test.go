package storage_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"net/http"
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
