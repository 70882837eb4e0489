package s3

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// slowWay is a way to the gateway on which requests can be held up and answers
// lost.
type slowWay struct {
	address string
	match   atomic.Pointer[func(*http.Request) bool]
	mode    atomic.Int32
	held    chan heldRequest
}

// What becomes of the first request that matches.
const (
	arrivesLate = iota // the gateway gets it only when it is let go
	answersLate        // it is carried out, and its answer is held up
	answerLost         // it is carried out, and its connection breaks
)

type heldRequest struct {
	givenUp <-chan struct{} // by whom it came from
	let     func()          // returns when the gateway has answered
}

func newSlowWay(t *testing.T) *slowWay {
	t.Helper()
	target, err := url.Parse(gateway)
	if err != nil {
		t.Fatal(err)
	}
	s := &slowWay{held: make(chan heldRequest)}
	pass := httputil.NewSingleHostReverseProxy(target)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := s.match.Load()
		if f == nil || !(*f)(r) || !s.match.CompareAndSwap(f, nil) {
			pass.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		later := r.WithContext(context.WithoutCancel(r.Context()))
		later.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		let, answered := make(chan struct{}), make(chan struct{})
		held := heldRequest{r.Context().Done(), func() { close(let); <-answered }}
		switch s.mode.Load() {
		case arrivesLate:
			s.held <- held
			<-let
			pass.ServeHTTP(answer, later)
		case answersLate:
			pass.ServeHTTP(answer, later)
			s.held <- held
			<-let
		case answerLost:
			pass.ServeHTTP(answer, later)
			panic(http.ErrAbortHandler)
		}
		close(answered)
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(proxy.Close)
	s.address = proxy.URL
	return s
}

// next sets what becomes of the next request that matches.
func (s *slowWay) next(mode int32, match func(*http.Request) bool) {
	s.mode.Store(mode)
	s.match.Store(&match)
}

// over is a server whose way to the gateway this is.
func (s *slowWay) over(t *testing.T, opts ...suparusttest.Option) *suparusttest.Server {
	return suparusttest.Start(t, append(opts, suparusttest.WithConfig(func(c *server.Config) { c.Storage.S3.Endpoint = s.address }))...)
}

// consistent reports whether the rows name all that is in the bucket, and
// nothing else.
func consistent(t *testing.T, srv *suparusttest.Server, bucket string) bool {
	t.Helper()
	var versions []string
	if err := srv.Pool(t).QueryRow(t.Context(), `select coalesce(array_agg(version), '{}') from (select version from storage.objects
		union all select id::text from storage.s3_multipart_uploads_parts) v`).Scan(&versions); err != nil {
		t.Fatal(err)
	}
	var stored []string
	for _, key := range keys(t, bucket, "files/objects/") {
		stored = append(stored, key[strings.LastIndexByte(key, '/')+1:])
	}
	slices.Sort(versions)
	slices.Sort(stored)
	return slices.Equal(versions, stored) && unfinished(t, bucket) == 0
}

func toObject(method string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == method && strings.Contains(r.URL.Path, "/objects/") }
}

func isCopy(r *http.Request) bool { return r.Header.Get("X-Amz-Copy-Source") != "" }

func isCompletion(r *http.Request) bool { return r.Method == "POST" && r.URL.Query().Has("uploadId") }

func isFirstPart(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "1" }

// storing are requests that store bytes, and the request to the gateway that
// decides whether they are there.
var storing = []struct {
	name, method, path string
	body               func() io.Reader
	json               bool
	deciding           func(*http.Request) bool
}{
	{"upload", "POST", "/object/b/small", func() io.Reader { return strings.NewReader("small") }, false, toObject("PUT")},
	{"large upload", "POST", "/object/b/large", func() io.Reader { return bytes.NewReader(make([]byte, 6<<20)) }, false, isCompletion},
	{"copy", "POST", "/object/copy", func() io.Reader {
		return strings.NewReader(`{"bucketId":"b","sourceKey":"source","destinationKey":"copied"}`)
	}, true, isCopy},
	{"move", "POST", "/object/move", func() io.Reader {
		return strings.NewReader(`{"bucketId":"b","sourceKey":"moving","destinationKey":"moved"}`)
	}, true, isCopy},
}

// TestCutOff: a client that goes away leaves no bytes that no row names,
// whenever it does and however long the bucket takes.
//
//covers:storage 26
func TestCutOff(t *testing.T) {
	t.Parallel()
	name := bucket(t)
	way := newSlowWay(t)
	srv := way.over(t, inBucket(name))
	ok(t, srv, "POST", "/bucket", strings.NewReader(`{"name":"b"}`), "Content-Type", asJSON)
	ok(t, srv, "POST", "/object/b/source", strings.NewReader("source"))
	ok(t, srv, "POST", "/object/b/moving", strings.NewReader("moving"))
	cutOff := func(t *testing.T, mode int32, deciding func(*http.Request) bool, method, path string, body io.Reader, headers ...string) {
		t.Helper()
		ctx, cut := context.WithCancel(t.Context())
		defer cut()
		r, err := http.NewRequestWithContext(ctx, method, srv.URL+"/storage/v1"+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+srv.ServiceKey)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		way.next(mode, deciding)
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			if res, err := http.DefaultClient.Do(r); err == nil {
				t.Errorf("an answer: %s", res.Status)
				_ = res.Body.Close()
			}
		}()
		held := <-way.held
		cut()
		if c, ok := body.(io.Closer); ok {
			c.Close() // a client waits for it
		}
		<-gone
		select { // a server that gives the request up has done so by then
		case <-held.givenUp:
		case <-time.After(300 * time.Millisecond):
		}
		held.let()
		eventually(t, "rows and bytes are the same", func() bool { return consistent(t, srv, name) })
	}
	for mode, when := range map[int32]string{arrivesLate: "before", answersLate: "after"} {
		for _, c := range storing {
			t.Run(c.name+" cut off "+when+" it is stored", func(t *testing.T) {
				headers := []string{"x-upsert", "true"}
				if c.json {
					headers = append(headers, "Content-Type", asJSON)
				}
				cutOff(t, mode, c.deciding, c.method, c.path, c.body(), headers...)
				if c.name == "move" {
					ok(t, srv, "POST", "/object/b/moving", strings.NewReader("moving"), "x-upsert", "true")
					_, _ = do(t, srv, "DELETE", "/object/b/moved", nil)
				}
				_, _ = do(t, srv, "DELETE", "/object/b/copied", nil)
			})
		}
		t.Run("in the middle of a body, "+when+" its first part is stored", func(t *testing.T) {
			body, feed := io.Pipe()
			go func() { _, _ = feed.Write(make([]byte, 6<<20)) }() // and no end
			cutOff(t, mode, isFirstPart, "POST", "/object/b/half", body)
			if status, _ := do(t, srv, "HEAD", "/object/b/half", nil); status < 300 {
				t.Error("half of an object")
			}
		})
	}
}

// TestLostAnswers: a request to the bucket that was carried out and whose answer
// is lost counts.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	name := bucket(t)
	way := newSlowWay(t)
	srv := way.over(t, inBucket(name))
	ok(t, srv, "POST", "/bucket", strings.NewReader(`{"name":"b"}`), "Content-Type", asJSON)
	ok(t, srv, "POST", "/object/b/source", strings.NewReader("source"))
	ok(t, srv, "POST", "/object/b/moving", strings.NewReader("moving"))
	for _, c := range storing {
		var headers []string
		if c.json {
			headers = []string{"Content-Type", asJSON}
		}
		way.next(answerLost, c.deciding)
		if status, text := do(t, srv, c.method, c.path, c.body(), headers...); status != 200 {
			t.Errorf("%s: %d %s", c.name, status, text)
		}
		if way.match.Load() != nil {
			t.Errorf("%s: no answer was lost", c.name)
		}
		if !consistent(t, srv, name) {
			t.Errorf("%s: rows and bytes are not the same", c.name)
		}
	}
}

// TestCopyRequests: bytes are copied by one request to the bucket.
func TestCopyRequests(t *testing.T) {
	t.Parallel()
	way := newSlowWay(t)
	srv := way.over(t, inBucket(bucket(t)))
	ok(t, srv, "POST", "/bucket", strings.NewReader(`{"name":"b"}`), "Content-Type", asJSON)
	ok(t, srv, "POST", "/object/b/source", strings.NewReader("source"))
	var asked atomic.Int64
	way.next(answerLost, func(r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/objects/") { // not of the sweep
			asked.Add(1)
		}
		return false
	})
	ok(t, srv, "POST", "/object/copy", strings.NewReader(`{"bucketId":"b","sourceKey":"source","destinationKey":"copy"}`), "Content-Type", asJSON)
	if n := asked.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
	if got := ok(t, srv, "GET", "/object/b/copy", nil); got != "source" {
		t.Errorf("%q", got)
	}
}
