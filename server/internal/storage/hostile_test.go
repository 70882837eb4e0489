package storage_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// rawRequest opens a connection and writes on it what is given.
func (a *api) rawRequest(head, body string) net.Conn {
	a.t.Helper()
	u, err := url.Parse(a.url)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, fmt.Sprintf(head, u.Path, u.Host, a.service)+body); err != nil {
		a.t.Fatal(err)
	}
	return c
}

const rawUpload = "POST %s/object/b/k HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"

// noTrace waits until nothing is left of an upload that failed.
func (a *api) noTrace(t *testing.T) {
	t.Helper()
	eventually(t, "no file is left", func() bool { return len(a.files()) == 0 })
	if n := a.one(`select count(*) from storage.objects`); n != "0" {
		t.Errorf("%s rows", n)
	}
}

func TestBrokenUploads(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	half := strings.Repeat("x", 300<<10)
	formHead := "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 10000000\r\n\r\n"
	formBody := "--b\r\nContent-Disposition: form-data; name=\"\"; filename=\"f\"\r\n\r\n"
	for name, tt := range map[string]struct{ head, body string }{
		"raw":     {"Content-Length: 10000000\r\n\r\n", half},
		"chunked": {"Transfer-Encoding: chunked\r\n\r\n", fmt.Sprintf("%x\r\n%s\r\n", len(half), half)},
		"form":    {formHead, formBody + half},
	} {
		t.Run(name, func(t *testing.T) {
			c := a.rawRequest(rawUpload+tt.head, tt.body)
			eventually(t, "the upload has begun", func() bool { return len(a.files()) == 1 })
			// no connection to the database is held while bytes come
			eventually(t, "the upload holds no connection to the database", func() bool {
				return a.one(`select count(*) from pg_stat_activity where datname = current_database() and usename = 'authenticator' and state <> 'idle'`) == "0"
			})
			c.Close()
			a.noTrace(t)
		})
		t.Run(name+", half closed", func(t *testing.T) {
			c := a.rawRequest(rawUpload+tt.head, tt.body)
			if err := c.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if res, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil && res.StatusCode < 400 {
				t.Errorf("half a body is answered with %d", res.StatusCode)
			}
			a.noTrace(t)
		})
	}
	t.Run("bad chunk", func(t *testing.T) {
		c := a.rawRequest(rawUpload+"Transfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\nnonsense\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil && res.StatusCode < 400 {
			t.Errorf("answered with %d", res.StatusCode)
		}
		a.noTrace(t)
	})
	t.Run("length that lies about the limit", func(t *testing.T) {
		c := a.rawRequest(rawUpload+"Content-Length: 99999999999\r\n\r\n", "x")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != 400 {
			t.Fatalf("%v, %v", res, err)
		}
		if b, _ := io.ReadAll(res.Body); !strings.Contains(string(b), `"code":"EntityTooLarge"`) {
			t.Errorf("%s", b)
		}
		a.noTrace(t)
	})
}

// TestNoText: what is no text is the name of nothing, and is replaced where it
// says something of an object. The database is not asked for it.
func TestNoText(t *testing.T) {
	t.Parallel()
	a, s3 := startS3(t)
	a.bucket("b", false)
	a.put("b/k", "x")
	user := func(name string) string {
		return a.one(`select user_metadata->>'a' from storage.objects where name = $1`, name)
	}
	a.do("POST", "/object/b/header", a.service, "x", headers{"X-Metadata": base64.StdEncoding.EncodeToString([]byte("{\"a\":\"\xff!\"}"))}).ok(t)
	a.do("POST", "/object/b/form", a.service, "--b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{\"a\":\"\xff!\"}\r\n"+
		"--b\r\nContent-Disposition: form-data; name=\"\"; filename=\"f\"\r\n\r\nx\r\n--b--\r\n", headers{"Content-Type": "multipart/form-data; boundary=b"}).ok(t)
	for _, name := range []string{"header", "form"} {
		if got := user(name); got != "\uFFFD!" {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, tt := range []struct {
		method, path, query, source string
		status                      int
		code                        string
	}{
		{"PUT", "/b/c", "", "/b/%FF", 404, "NoSuchKey"},
		{"PUT", "/b/c", "", "/b/\xff", 404, "NoSuchKey"},
		{"PUT", "/b/c", "", "/%FF/k", 400, "InvalidBucketName"},
		{"GET", "/b/k", "uploadId=%FF", "", 404, "NoSuchUpload"},
		{"DELETE", "/b/k", "uploadId=%FF", "", 404, "NoSuchUpload"},
		{"GET", "/b", "uploads=&prefix=%FF", "", 200, "ListMultipartUploadsResult"},
		{"GET", "/b", "uploads=&key-marker=%FF&upload-id-marker=%FF", "", 200, "ListMultipartUploadsResult"},
		{"GET", "/b", "list-type=2&prefix=%FF", "", 200, "ListBucketResult"},
		{"GET", "/b", "list-type=2&start-after=%FF&delimiter=%FF", "", 200, "ListBucketResult"},
		{"GET", "/b", "versions=&key-marker=%FF", "", 200, "ListVersionsResult"},
	} {
		hs := headers{}
		if tt.source != "" {
			hs["X-Amz-Copy-Source"] = tt.source
		}
		if r := s3.do(tt.method, tt.path, tt.query, "", hs); r.status != tt.status || !strings.Contains(r.body, tt.code) {
			t.Errorf("%s %s?%s %q: %d %s", tt.method, tt.path, tt.query, tt.source, r.status, r.body)
		}
	}
}

// TestOverlongNames: a name that is too long for an index is refused like any
// other that nothing can have.
func TestOverlongNames(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	a.put("b/k", "x")
	raw := make([]byte, 3600)
	rand.NewChaCha8([32]byte{}).Read(raw) // what repeats itself is compressed
	long := base64.RawURLEncoding.EncodeToString(raw)
	a.do("POST", "/object/upload/sign/b/"+long, a.service, nil).fails(t, 400, "400", "InvalidKey", "Invalid key: "+long, "InvalidKey")
	for _, route := range []string{"/object/copy", "/object/move"} {
		a.do("POST", route, a.service, map[string]any{"bucketId": "b", "sourceKey": "k", "destinationKey": "x", "destinationBucket": long}).
			fails(t, 400, "404", "InvalidRequest", "The related resource does not exist", "InvalidRequest")
	}
	a.do("POST", "/bucket", a.service, map[string]any{"name": "x", "id": long}).
		fails(t, 400, "400", "Invalid Input", "Bucket name invalid", "InvalidBucketName")
}

// TestStalledClients: clients that do not send, or do not read, keep nothing
// that others need.
func TestStalledClients(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", true)
	a.do("POST", "/object/b/big", a.service, strings.NewReader(strings.Repeat("x", 32<<20))).ok(t)
	const clients = 30 // more than the server has connections
	for i := range clients {
		a.rawRequest(strings.Replace(rawUpload, "/b/k", fmt.Sprintf("/b/k%d", i), 1)+"Content-Length: 1000\r\n\r\n", "x")
		a.rawRequest("GET %s/object/public/b/big HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", "")
	}
	eventually(t, "all uploads have begun", func() bool { return len(a.files()) == clients+1 })
	a.put("b/other", "x")
	a.do("GET", "/object/public/b/other", "", nil).is(t, 200, "x")
}

//covers:storage 19 82
func TestOneOfManyWins(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	const writers = 12
	answers := make([]answer, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() { answers[i] = a.do("POST", "/object/b/k", a.service, fmt.Sprint("content ", i)) })
	}
	wg.Wait()
	won := ""
	for i, r := range answers {
		if r.status != 200 {
			r.duplicate(t, "KeyAlreadyExists")
			continue
		}
		if won != "" {
			t.Error("two uploads made the same object")
		}
		won = fmt.Sprint("content ", i)
	}
	a.do("GET", "/object/b/k", a.service, nil).is(t, 200, won)
	a.bytesMatchRows(t)
}

// TestReadersSeeWholeVersions: while an object is replaced, moved and deleted,
// whoever reads it gets one version whole, or none.
//
//covers:storage 86
func TestReadersSeeWholeVersions(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", true)
	a.put("b/k", "0")
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, err := a.try("GET", "/object/public/b/k", "", nil)
				switch {
				case err != nil:
					t.Error(err)
				case r.status == 200 && r.header.Get("ETag") != etag(r.body):
					t.Errorf("%d bytes do not fit their ETag", len(r.body))
				case r.status != 200 && !strings.Contains(r.body, "NoSuchKey"):
					t.Errorf("%d %s", r.status, r.body)
				}
			}
		})
	}
	for w := range 4 {
		writers.Go(func() {
			for i := range 25 {
				content := strings.Repeat(fmt.Sprint(w, i, " "), 10000*(i%3)+1)
				switch {
				case i%10 == 7:
					a.do("DELETE", "/object/b/k", a.service, nil)
				case i%10 == 3:
					a.do("POST", "/object/move", a.service, map[string]any{"bucketId": "b", "sourceKey": "k", "destinationKey": fmt.Sprint("k", w, i)})
				case i%10 == 5:
					a.do("POST", "/object/copy", a.service, map[string]any{"bucketId": "b", "sourceKey": "k", "destinationKey": fmt.Sprint("c", w)}, headers{"X-Upsert": "true"})
				default:
					if r := a.do("PUT", "/object/b/k", a.service, content); r.status != 200 {
						t.Errorf("%d %s", r.status, r.body)
					}
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	a.bytesMatchRows(t)
}
