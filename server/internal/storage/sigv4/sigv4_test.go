package sigv4

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The examples of the algorithm's public description.
const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	exampleHost   = "examplebucket.s3.amazonaws.com"
	exampleScope  = exampleKey + "/20130524/us-east-1/s3/aws4_request"
)

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func authorization(signed, signature string) string {
	return "AWS4-HMAC-SHA256 Credential=" + exampleScope + ",SignedHeaders=" + signed + ",Signature=" + signature
}

func TestVerifyHeader(t *testing.T) {
	for _, tt := range []struct {
		name, method, path, query, signed, signature string
		header                                       http.Header
	}{
		{"a range", "GET", "/test.txt", "", "host;range;x-amz-content-sha256;x-amz-date",
			"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
			header("Range", "bytes=0-9", "X-Amz-Content-Sha256", emptyHash, "X-Amz-Date", "20130524T000000Z")},
		{"a key to be escaped", "PUT", "/test%24file.text", "", "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
			"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
			header("Date", "Fri, 24 May 2013 00:00:00 GMT", "X-Amz-Date", "20130524T000000Z", "X-Amz-Storage-Class", "REDUCED_REDUNDANCY",
				"X-Amz-Content-Sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")},
		{"a parameter without a value", "GET", "/", "lifecycle", "host;x-amz-content-sha256;x-amz-date",
			"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
			header("X-Amz-Content-Sha256", emptyHash, "X-Amz-Date", "20130524T000000Z")},
		{"parameters out of order", "GET", "/", "prefix=J&max-keys=2", "host;x-amz-content-sha256;x-amz-date",
			"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
			header("X-Amz-Content-Sha256", emptyHash, "X-Amz-Date", "20130524T000000Z")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.header.Set("Authorization", authorization(tt.signed, tt.signature))
			s, err := FromHeader(tt.header)
			if err != nil {
				t.Fatal(err)
			}
			if s.AccessKey != exampleKey || s.Region != "us-east-1" || s.Service != "s3" {
				t.Errorf("credentials %+v", s)
			}
			r := Request{Method: tt.method, Paths: []string{"/elsewhere", tt.path}, Hosts: []string{"proxy", exampleHost}, RawQuery: tt.query, Header: tt.header}
			if !s.Verify(exampleSecret, r) {
				t.Error("the signature was refused")
			}
			if s.Verify(exampleSecret+"x", r) {
				t.Error("another secret's signature was taken")
			}
			r.RawQuery += "&more=1"
			if s.Verify(exampleSecret, r) {
				t.Error("a changed query was taken")
			}
		})
	}
}

func TestVerifyQuery(t *testing.T) {
	const query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request" +
		"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host" +
		"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
	made := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	s, err := FromQuery(q, made.Add(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if !s.Verify(exampleSecret, Request{Method: "GET", Paths: []string{"/test.txt"}, Hosts: []string{exampleHost}, RawQuery: query, Header: http.Header{}}) {
		t.Error("the signature was refused")
	}
	if _, err := FromQuery(q, made.Add(24*time.Hour+time.Second)); !errors.Is(err, ErrExpired{}) {
		t.Errorf("after its time: %v", err)
	}
	for name, change := range map[string]func(url.Values){
		"Invalid expiration":       func(q url.Values) { q.Set("X-Amz-Expires", "-1") },
		"Invalid signature format": func(q url.Values) { q.Set("X-Amz-Date", "yesterday") },
		"Invalid credentials":      func(q url.Values) { q.Set("X-Amz-Credential", "a/b") },
	} {
		q, _ := url.ParseQuery(query)
		change(q)
		if _, err := FromQuery(q, made); err == nil || err.Error() != name {
			t.Errorf("%v, want %s", err, name)
		}
	}
}

// chunked is the public example: 64 KiB and 1 KiB of "a".
func chunked() (body string, s *Signature, size int) {
	const chunk = 65536
	body = "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + strings.Repeat("a", chunk) + "\r\n" +
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
	return body, &Signature{
		Date: "20130524T000000Z", ShortDate: "20130524", Region: "us-east-1", Service: "s3",
		Signature: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
	}, chunk + 1024
}

func TestSignedChunks(t *testing.T) {
	body, s, size := chunked()
	read := func(body string) ([]byte, error) {
		c, err := NewChunkReader(strings.NewReader(body), s, StreamingSigned, exampleSecret)
		if err != nil {
			t.Fatal(err)
		}
		return io.ReadAll(c)
	}
	got, err := read(body)
	if err != nil || len(got) != size {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if _, err := read(strings.Replace(body, "aaa", "aba", 1)); !errors.Is(err, ErrChunkSignature) {
		t.Errorf("changed bytes: %v", err)
	}
	if _, err := read(body[:66000]); err == nil {
		t.Error("half a body was taken")
	}
	if _, err := read(strings.ReplaceAll(body, ";chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497", "")); err == nil {
		t.Error("a chunk without a signature was taken")
	}
}

func TestUnsignedChunks(t *testing.T) {
	for _, tt := range []struct{ name, body, want, err, trailer string }{
		{"two chunks and a trailer", "3\r\nabc\r\n2\r\nde\r\n0\r\nX-Amz-Checksum-Crc32: AAA=\r\n\r\n", "abcde", "", "AAA="},
		{"nothing", "0\r\nx-amz-checksum-crc32:AAA=\r\n\r\n", "", "", "AAA="},
		{"no trailer", "3\r\nabc\r\n0\r\n\r\n", "abc", "Incomplete trailer section", ""},
		{"a trailer without its end", "0\r\na:b\r\n", "", "Incomplete trailer section", ""},
		{"no last chunk", "3\r\nabc\r\n", "abc", "Missing final chunk", ""},
		{"a short chunk", "5\r\nabc", "abc", "Unexpected end of chunk data", ""},
		{"a long chunk", "2\r\nabc\r\n0\r\na:b\r\n\r\n", "ab", "Missing CRLF after chunk data", ""},
		{"no size", "x\r\n", "", "Invalid chunk size", ""},
		{"a negative size", "-1\r\n", "", "Invalid chunk size", ""},
		{"a size beyond all", "ffffffffffffffff\r\n", "", "Invalid chunk size", ""},
		{"a line without an end", strings.Repeat("1", 20000), "", "The chunk header is too long", ""},
		{"more behind the end", "0\r\na:b\r\n\r\nx", "", "Unexpected data after final chunk", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := NewChunkReader(strings.NewReader(tt.body), &Signature{}, StreamingUnsignedTrailer, "")
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(c)
			message := ""
			if err != nil {
				message = err.Error()
			}
			if string(got) != tt.want || message != tt.err {
				t.Errorf("%q, %q; want %q, %q", got, message, tt.want, tt.err)
			}
			if c.Trailer()["x-amz-checksum-crc32"] != tt.trailer {
				t.Errorf("trailer %v", c.Trailer())
			}
		})
	}
	if _, err := NewChunkReader(strings.NewReader(""), &Signature{}, "STREAMING-SOMETHING", ""); err == nil {
		t.Error("an unknown algorithm was taken")
	}
}

func FuzzChunkReader(f *testing.F) {
	body, _, _ := chunked()
	f.Add([]byte(body), uint8(1))
	f.Add([]byte("3\r\nabc\r\n0\r\na:b\r\n\r\n"), uint8(0))
	kinds := []string{StreamingUnsignedTrailer, StreamingSigned, StreamingSignedTrailer}
	f.Fuzz(func(t *testing.T, body []byte, kind uint8) {
		_, s, _ := chunked()
		c, err := NewChunkReader(strings.NewReader(string(body)), s, kinds[int(kind)%len(kinds)], exampleSecret)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, c)
		if n > int64(len(body)) {
			t.Errorf("%d bytes out of %d", n, len(body))
		}
		if again, e := c.Read(make([]byte, 1)); again != 0 || err == nil && !errors.Is(e, io.EOF) || e == nil {
			t.Errorf("after the end: %d, %v", again, e)
		}
	})
}

func FuzzSignature(f *testing.F) {
	f.Add(authorization("host;x-amz-date", "00"), "20130524T000000Z", "a=b&X-Amz-Credential=a/b/c/d/e")
	f.Add("AWS4-HMAC-SHA256 ,=,", "", "X-Amz-Expires=1%zz")
	f.Fuzz(func(t *testing.T, auth, date, query string) {
		h := header("Authorization", auth, "X-Amz-Date", date)
		r := Request{Method: "GET", Paths: []string{"/"}, Hosts: []string{"h"}, RawQuery: query, Header: h}
		if s, err := FromHeader(h); err == nil && s.Verify("secret", r) {
			t.Error("a signature that nobody made was taken")
		}
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		if s, err := FromQuery(q, time.Unix(0, 0)); err == nil && s.Verify("secret", r) {
			t.Error("a signature that nobody made was taken")
		}
	})
}
