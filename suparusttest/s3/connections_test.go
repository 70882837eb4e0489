package s3

import (
	"bytes"
	"net"
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

// counted is a way to the gateway that counts the connections it is given.
func counted(t *testing.T, count *atomic.Int64) (address string) {
	t.Helper()
	target, err := url.Parse(gateway)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(target))
	proxy.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			count.Add(1)
		}
	}
	proxy.Start()
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// What is read of the bucket is what a client asked for, to its end: the
// connection is used again.
func TestConnections(t *testing.T) {
	t.Parallel()
	var count atomic.Int64
	address := counted(t, &count)
	srv := suparusttest.Start(t, inBucket(bucket(t)), suparusttest.WithConfig(func(c *server.Config) { c.Storage.S3.Endpoint = address }))
	ok(t, srv, "POST", "/bucket", strings.NewReader(`{"name":"b"}`), "Content-Type", asJSON)
	ok(t, srv, "POST", "/object/b/big", bytes.NewReader(make([]byte, 8<<20)))
	ok(t, srv, "GET", "/object/b/big", nil)
	before := count.Load()
	for range 20 {
		if got := ok(t, srv, "GET", "/object/b/big", nil, "Range", "bytes=1000-1999"); len(got) != 1000 {
			t.Fatalf("%d bytes", len(got))
		}
		ok(t, srv, "GET", "/object/b/big", nil)
		ok(t, srv, "POST", "/object/b/small", strings.NewReader("x"), "x-upsert", "true")
	}
	if n := count.Load() - before; n > 1 { // the sweep of the start may have had the other one
		t.Errorf("60 requests opened %d connections", n)
	}
}
