package storage_test

import (
	"context"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// tripConn counts how often something is sent after something was read.
type tripConn struct {
	net.Conn
	read bool
	n    *atomic.Int64
}

func (c *tripConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read = c.read || n > 0
	return n, err
}

func (c *tripConn) Write(p []byte) (int, error) {
	if c.read {
		c.n.Add(1)
	}
	c.read = false
	return c.Conn.Write(p)
}

// TestRoundTrips: how often a request goes to the database.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", true)
	a.bucket("closed", false)
	a.exec(`update storage.buckets set allowed_mime_types = '{image/png}' where id = 'closed'`)
	a.exec(`create policy anyone on storage.objects for insert to authenticated with check (bucket_id = 'closed' or name = 'mine')`)
	login, err := pgx.ParseConfig(a.dsn)
	if err != nil {
		t.Fatal(err)
	}
	trips, dial := new(atomic.Int64), login.DialFunc
	login.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		return &tripConn{Conn: c, n: trips}, err
	}
	dir := t.TempDir()
	disk := blob.NewDisk(blob.DiskConfig{Dir: dir, Ephemeral: true})
	cfg := storage.Config{Blobs: disk, Uploads: blob.NewUploadDir(blob.UploadDirConfig{Dir: dir + "/uploads", Store: disk})}
	handler, end := serve(t, cfg, login, a.keys, slog.New(slog.DiscardHandler))
	srv := httptest.NewServer(handler)
	t.Cleanup(func() {
		srv.Close()
		end()
	})
	c := *a
	c.url = srv.URL + "/storage/v1"
	user := a.user("8f2a5b1e-7d1e-4a7f-9c55-0d3f6a2b1c4d")
	c.put("b/k", "hello") // opens the connection
	// what a start looks for in the background goes over the same connections
	for quiet, deadline := 0, time.Now().Add(time.Minute); quiet < 20; quiet++ {
		before := trips.Load()
		if got := c.do("GET", "/object/public/b/k", "", nil, nil); got.status != 200 {
			t.Fatal(got.status)
		}
		if trips.Load() != before+1 {
			quiet = 0
		}
		if time.Now().After(deadline) {
			t.Fatal("the search for what crashes have left does not end")
		}
	}

	png := headers{"Content-Type": "image/png"}
	large := headers{"Content-Type": "image/png", "Large": "1"}
	for _, r := range []struct {
		name, method, path, token string
		headers                   headers
		status                    int
		trips                     int64
	}{
		{"upload", "POST", "/object/b/new", a.service, nil, 200, 1},
		{"upload by a user", "POST", "/object/b/mine", user, nil, 200, 1},
		{"replacing", "PUT", "/object/b/new", a.service, nil, 200, 1},
		{"a large upload", "POST", "/object/b/large", a.service, large, 200, 2},
		{"replacing by a large one", "PUT", "/object/b/large", a.service, large, 200, 2},
		{"a policy refuses a large one", "POST", "/object/b/theirs", user, large, 400, 1},
		{"the bucket takes a large one", "POST", "/object/closed/large", user, large, 200, 2},
		{"a policy refuses", "POST", "/object/b/theirs", user, nil, 400, 1},
		{"the name is taken", "POST", "/object/b/k", a.service, nil, 400, 1},
		{"the bucket refuses", "POST", "/object/closed/x", a.service, nil, 400, 2},
		{"the bucket refuses a large one", "POST", "/object/closed/x", a.service, headers{"Large": "1"}, 400, 1},
		{"the bucket takes it", "POST", "/object/closed/x", user, png, 200, 1},
		{"a bucket that is missing", "POST", "/object/nope/x", a.service, nil, 400, 1},
		{"download", "GET", "/object/public/b/k", "", nil, 200, 1},
		{"download out of a private bucket", "GET", "/object/closed/x", a.service, nil, 200, 1},
		{"download that policies hide", "GET", "/object/closed/x", a.anon, nil, 400, 2},
		{"download with a key, public", "GET", "/object/b/k", a.anon, nil, 200, 1},
		{"copy", "POST", "/object/copy", a.service, headers{"Copy": "copied"}, 200, 3},
		{"a copy whose name is taken", "POST", "/object/copy", a.service, headers{"Copy": "k"}, 400, 2},
	} {
		before := trips.Load()
		var body any = "hello"
		switch {
		case r.headers["Copy"] != "":
			body = map[string]any{"bucketId": "b", "sourceKey": "k", "destinationKey": r.headers["Copy"]}
		case r.method == "GET":
			body = nil
		case r.headers["Large"] != "":
			body = strings.Repeat("x", 65<<10)
		}
		if got := c.do(r.method, r.path, r.token, body, r.headers); got.status != r.status {
			t.Errorf("%s: %d %s", r.name, got.status, got.body)
		}
		if n := trips.Load() - before; n != r.trips {
			t.Errorf("%s: %d round trips, not %d", r.name, n, r.trips)
		}
	}
}
