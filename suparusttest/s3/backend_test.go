package s3

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/suparust/suparust/internal/pgtest"
	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// inBucket keeps the server's files in a bucket of the gateway.
func inBucket(name string) suparusttest.Option {
	return suparusttest.WithConfig(func(c *server.Config) { useBucket(c, name) })
}

func useBucket(c *server.Config, name string) {
	c.Storage.Backend = "s3"
	c.Storage.S3 = server.S3Config{
		Endpoint: gateway, Bucket: name, Prefix: "files", PathStyle: true, AccessKeyID: gatewayKey, SecretAccessKey: gatewaySecret,
	}
	c.Storage.FileSizeLimit = 64 << 20
}

// do sends a request as service_role.
func do(t *testing.T, srv *suparusttest.Server, method, path string, body io.Reader, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+"/storage/v1"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	r.Header.Set("Authorization", "Bearer "+srv.ServiceKey)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func ok(t *testing.T, srv *suparusttest.Server, method, path string, body io.Reader, headers ...string) string {
	t.Helper()
	status, text := do(t, srv, method, path, body, headers...)
	if status >= 300 {
		t.Fatalf("%s %s: %d %.300s", method, path, status, text)
	}
	return text
}

const asJSON = "application/json"

//covers:storage 35 37 45 55 56 57 86
func TestBackend(t *testing.T) {
	t.Parallel()
	name := bucket(t)
	srv := suparusttest.Start(t, inBucket(name))
	ok(t, srv, "POST", "/bucket", strings.NewReader(`{"name":"b"}`), "Content-Type", asJSON)
	big := make([]byte, 12<<20+7) // three parts
	if _, err := rand.Read(big); err != nil {
		t.Fatal(err)
	}
	ok(t, srv, "POST", "/object/b/small", strings.NewReader("0123456789"))
	ok(t, srv, "POST", "/object/b/empty", strings.NewReader(""))
	ok(t, srv, "POST", "/object/b/exact", bytes.NewReader(big[:5<<20]))
	ok(t, srv, "POST", "/object/b/big", bytes.NewReader(big))
	for key, want := range map[string][]byte{"small": []byte("0123456789"), "empty": {}, "exact": big[:5<<20], "big": big} {
		if got := ok(t, srv, "GET", "/object/b/"+key, nil); got != string(want) {
			t.Errorf("%s: %d bytes, want %d", key, len(got), len(want))
		}
	}
	if got := ok(t, srv, "GET", "/object/b/big", nil, "Range", "bytes=5242870-5242889"); got != string(big[5242870:5242890]) {
		t.Errorf("a range: %d bytes", len(got))
	}
	if got := ok(t, srv, "GET", "/object/b/small", nil, "Range", "bytes=-3"); got != "789" {
		t.Errorf("the end: %q", got)
	}
	if n := len(keys(t, name, "files/objects/")); n != 4 {
		t.Errorf("%d objects in the bucket, want 4", n)
	}
	ok(t, srv, "POST", "/object/copy", strings.NewReader(`{"bucketId":"b","sourceKey":"big","destinationKey":"copy"}`), "Content-Type", asJSON)
	ok(t, srv, "POST", "/object/move", strings.NewReader(`{"bucketId":"b","sourceKey":"big","destinationKey":"moved"}`), "Content-Type", asJSON)
	for _, key := range []string{"copy", "moved"} {
		if got := ok(t, srv, "GET", "/object/b/"+key, nil); got != string(big) {
			t.Errorf("%s: %d bytes, want %d", key, len(got), len(big))
		}
	}
	ok(t, srv, "PUT", "/object/b/small", strings.NewReader("replaced"))
	if got := ok(t, srv, "GET", "/object/b/small", nil); got != "replaced" {
		t.Errorf("replaced: %q", got)
	}
	if n := len(keys(t, name, "files/objects/")); n != 5 {
		t.Errorf("%d objects in the bucket, want 5", n)
	}
	if status, _ := do(t, srv, "POST", "/object/b/too-big", io.MultiReader(bytes.NewReader(make([]byte, 64<<20)), strings.NewReader("x"))); status != 400 {
		t.Errorf("too big: %d", status)
	}
	ok(t, srv, "DELETE", "/object/b", strings.NewReader(`{"prefixes":["small","empty","exact","copy","moved"]}`), "Content-Type", asJSON)
	if left := keys(t, name, "files/objects/"); len(left) != 0 {
		t.Errorf("left in the bucket: %v", left)
	}
}

func TestNoBucket(t *testing.T) {
	t.Parallel()
	cfg := server.DefaultConfig()
	cfg.Ephemeral()
	cfg.Storage.Backend = "s3"
	if _, err := server.New(cfg); err == nil || !strings.Contains(err.Error(), "SUPARUST_S3_BUCKET") {
		t.Errorf("no bucket: %v", err)
	}
	cfg.Storage.S3 = server.S3Config{Endpoint: gateway, Bucket: "is-not-there", PathStyle: true, AccessKeyID: gatewayKey, SecretAccessKey: gatewaySecret}
	srv, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "is not there: create it") {
		t.Errorf("a missing bucket: %v", err)
	}
}

// external is a PostgreSQL that no server owns.
func external(t *testing.T) string {
	t.Helper()
	return pgtest.Start(t, "alter role supabase_admin password 'secret'").URL(pgtest.Superuser, "secret", "postgres")
}

//covers:storage 82 83 86
func TestTwoServers(t *testing.T) {
	t.Parallel()
	name, database := bucket(t), external(t)
	one := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database))
	two := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database))
	ok(t, one, "POST", "/bucket", strings.NewReader(`{"name":"b"}`), "Content-Type", asJSON)
	ok(t, one, "POST", "/object/b/a", strings.NewReader("of one"))
	if got := ok(t, two, "GET", "/object/b/a", nil); got != "of one" {
		t.Errorf("the second server reads %q", got)
	}
	ok(t, two, "PUT", "/object/b/a", strings.NewReader("of two"))
	if got := ok(t, one, "GET", "/object/b/a", nil); got != "of two" {
		t.Errorf("the first server reads %q", got)
	}
	// both replace the same key; whoever is last, what is read is whole
	var all sync.WaitGroup
	for i, srv := range []*suparusttest.Server{one, two, one, two, one, two} {
		all.Go(func() {
			text := strings.Repeat(fmt.Sprint(i), 100_000)
			if status, body := do(t, srv, "PUT", "/object/b/a", strings.NewReader(text)); status != 200 {
				t.Errorf("%d %s", status, body)
			}
			got := ok(t, srv, "GET", "/object/b/a", nil)
			if len(got) != 100_000 || strings.Trim(got, got[:1]) != "" {
				t.Errorf("a mixture of %d bytes", len(got))
			}
		})
	}
	all.Wait()
	if n := len(keys(t, name, "files/objects/")); n != 1 {
		t.Errorf("%d objects in the bucket, want 1", n)
	}
	// a third one's sweep leaves what the others have
	three := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database))
	ok(t, two, "POST", "/object/b/b", strings.NewReader("b"))
	ok(t, three, "DELETE", "/object/b/a", nil)
	if status, _ := do(t, one, "GET", "/object/b/a", nil); status != 400 {
		t.Errorf("deleted by another server: %d", status)
	}
	if got := ok(t, three, "GET", "/object/b/b", nil); got != "b" {
		t.Errorf("%q", got)
	}
}

//covers:storage 84
func TestSweep(t *testing.T) {
	t.Parallel()
	name, database := bucket(t), external(t)
	one := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database))
	ok(t, one, "POST", "/bucket", strings.NewReader(`{"name":"b"}`), "Content-Type", asJSON)
	ok(t, one, "POST", "/object/b/kept", strings.NewReader("kept"))
	c := client(gateway, gatewayKey, gatewaySecret, "")
	stray := "files/objects/ab/ab000000-0000-4000-8000-000000000000"
	if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &name, Key: &stray, Body: strings.NewReader("left by a crash")}); err != nil {
		t.Fatal(err)
	}
	head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &name, Key: &stray})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the service's clock goes on", func() bool { return time.Now().Unix() > head.LastModified.Unix() })
	// one that takes an hour for an upload's leaves it
	suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database))
	if n := len(keys(t, name, stray)); n != 1 {
		t.Error("what may be an upload's was removed")
	}
	two := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database),
		suparusttest.WithConfig(func(c *server.Config) { c.Storage.S3.SweepAge = time.Nanosecond }))
	eventually(t, "the stray object is removed", func() bool { return len(keys(t, name, stray)) == 0 })
	if got := ok(t, two, "GET", "/object/b/kept", nil); got != "kept" {
		t.Errorf("%q", got)
	}
}

// TestSweepOfTheYoung: what a crash has left just before a start is removed
// when it is old enough, and not only by the next start.
//
//covers:storage 84
func TestSweepOfTheYoung(t *testing.T) {
	t.Parallel()
	name, database := bucket(t), external(t)
	one := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database))
	ok(t, one, "POST", "/bucket", strings.NewReader(`{"name":"b"}`), "Content-Type", asJSON)
	ok(t, one, "POST", "/object/b/kept", strings.NewReader("kept"))
	c := client(gateway, gatewayKey, gatewaySecret, "")
	stray := "files/objects/ab/ab000000-0000-4000-8000-000000000000"
	if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &name, Key: &stray, Body: strings.NewReader("left by a crash")}); err != nil {
		t.Fatal(err)
	}
	// old enough some time after the start
	two := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database),
		suparusttest.WithConfig(func(c *server.Config) { c.Storage.S3.SweepAge = 5 * time.Second }))
	ok(t, two, "POST", "/object/b/later", strings.NewReader("later"))
	if n := len(keys(t, name, stray)); n != 1 {
		t.Skip("the start took longer than what was left may be old")
	}
	eventually(t, "the stray object is removed", func() bool { return len(keys(t, name, stray)) == 0 })
	for _, key := range []string{"kept", "later"} {
		if got := ok(t, two, "GET", "/object/b/"+key, nil); got != key {
			t.Errorf("%q", got)
		}
	}
}

// eventually waits until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		if cond() {
			tick.Stop()
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}
