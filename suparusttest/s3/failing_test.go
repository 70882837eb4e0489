package s3

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// refusing is a way to the gateway that refuses what it is told to, with this
// status and code.
func refusing(t *testing.T, refuse *atomic.Pointer[func(*http.Request) bool], status int, code string) (address string) {
	t.Helper()
	target, err := url.Parse(gateway)
	if err != nil {
		t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(target)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := refuse.Load(); f == nil || !(*f)(r) {
			pass.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `<Error><Code>`+code+`</Code><Message>refused by the test</Message></Error>`)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// TestResumableFailures: whatever request to the bucket fails, the upload goes
// on from where it was, at another server.
//
//covers:storage 62 83 84
func TestResumableFailures(t *testing.T) {
	t.Parallel()
	name, database := bucket(t), external(t)
	var refuse atomic.Pointer[func(*http.Request) bool]
	address := refusing(t, &refuse, http.StatusForbidden, "AccessDenied")
	one := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database), suparusttest.WithConfig(func(c *server.Config) { c.Storage.S3.Endpoint = address }))
	two := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database))
	ok(t, one, "POST", "/bucket", strings.NewReader(`{"name":"b"}`), "Content-Type", asJSON)
	for _, c := range []struct {
		key    string
		size   int
		refuse func(r *http.Request) bool
		offset int64 // that is there after the failure
	}{
		{"a part", 12 << 20, func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "2" }, 5 << 20},
		{"the beginning of parts", 12 << 20, func(r *http.Request) bool { return r.Method == "POST" && r.URL.Query().Has("uploads") }, 0},
		{"the tail", 12 << 20, func(r *http.Request) bool { return r.Method == "PUT" && strings.Contains(r.URL.Path, "/tail-") }, 10 << 20},
		{"the record", 12 << 20, func(r *http.Request) bool { return r.Method == "PUT" && strings.HasSuffix(r.URL.Path, "/record") }, 0},
		{"the last part", 12 << 20, func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "3" }, 12 << 20},
		{"the parts' end", 12 << 20, func(r *http.Request) bool { return r.Method == "POST" && r.URL.Query().Has("uploadId") }, 12 << 20},
		{"the object", 10, func(r *http.Request) bool { return r.Method == "PUT" && strings.Contains(r.URL.Path, "/objects/") }, 10},
		{"the removal of the tail", 10, func(r *http.Request) bool {
			return r.Method == "DELETE" && strings.Contains(r.URL.Path, "/tail-")
		}, 10},
	} {
		content := randomBytes(t, c.size)
		at := create(t, one, strings.ReplaceAll(c.key, " ", "-"), c.size)
		refuse.Store(&c.refuse)
		if status, _ := patch(t, one, at, 0, content); status < 500 {
			t.Errorf("%s: %d", c.key, status)
		}
		refuse.Store(nil)
		offset := offsetOf(t, two, at)
		if offset != c.offset {
			t.Errorf("%s: offset %d, want %d", c.key, offset, c.offset)
		}
		if offset < int64(c.size) {
			if status, _ := patch(t, two, at, offset, content[offset:]); status != 204 {
				t.Errorf("%s: the rest: %d", c.key, status)
			}
		}
		got := ok(t, two, "GET", "/object/b/"+strings.ReplaceAll(c.key, " ", "-"), nil)
		if got != string(content) {
			t.Errorf("%s: %d bytes, want %d", c.key, len(got), c.size)
		}
	}
	if n := len(keys(t, name, "files/objects/")); n != 8 {
		t.Errorf("%d objects, want 8", n)
	}
	if n := unfinished(t, name); n != 0 {
		t.Errorf("%d uploads in parts are left", n)
	}
	// a server on another database has none of these
	at := create(t, one, "ours", 10)
	other := suparusttest.Start(t, inBucket(name))
	if status, _ := tus(t, other, "HEAD", at, nil); status != 404 {
		t.Errorf("at a server on another database: %d", status)
	}
}

// TestConflicts: that something else was being done to the bytes' name is no
// sign that they are there.
//
//covers:storage 84
func TestConflicts(t *testing.T) {
	t.Parallel()
	name := bucket(t)
	var refuse atomic.Pointer[func(*http.Request) bool]
	address := refusing(t, &refuse, http.StatusConflict, "ConditionalRequestConflict")
	srv := suparusttest.Start(t, inBucket(name), suparusttest.WithConfig(func(c *server.Config) { c.Storage.S3.Endpoint = address }))
	ok(t, srv, "POST", "/bucket", strings.NewReader(`{"name":"b"}`), "Content-Type", asJSON)
	conflict := func(r *http.Request) bool {
		return isCompletion(r) || toObject("PUT")(r) && !r.URL.Query().Has("partNumber")
	}
	for key, size := range map[string]int{"large": 6 << 20, "small": 10} {
		content := randomBytes(t, size)
		at := create(t, srv, key, size)
		refuse.Store(&conflict)
		if status, _ := patch(t, srv, at, 0, content); status < 500 {
			t.Errorf("%s: %d", key, status)
		}
		refuse.Store(nil)
		if offset := offsetOf(t, srv, at); offset != int64(size) {
			t.Errorf("%s: offset %d", key, offset)
		}
		if got := ok(t, srv, "GET", "/object/b/"+key, nil); got != string(content) {
			t.Errorf("%s: %d bytes, want %d", key, len(got), size)
		}
	}
}
