package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// tus sends a request of the protocol as service_role and returns its answer's
// status and offset, -1 when it tells none.
func tus(t *testing.T, srv *suparusttest.Server, method, path string, body io.Reader, headers ...string) (status int, offset int64) {
	t.Helper()
	status, h, text := ask(t, srv, method, path, body, headers...)
	offset, err := strconv.ParseInt(h.Get("Upload-Offset"), 10, 64)
	if err != nil {
		offset = -1
	}
	if status >= 300 {
		t.Logf("%s: %d %s", method, status, text)
	}
	return status, offset
}

func ask(t *testing.T, srv *suparusttest.Server, method, path string, body io.Reader, headers ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, srv.URL+"/storage/v1/upload/resumable"+path, body)
	if err != nil {
		t.Error(err)
		return 0, nil, ""
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	r.Header.Set("Authorization", "Bearer "+srv.ServiceKey)
	r.Header.Set("Tus-Resumable", "1.0.0")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Logf("%s: %v", method, err) // of a server that is killed
		return 0, http.Header{}, ""
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body) // as far as it came
	return res.StatusCode, res.Header, string(text)
}

// create begins an upload and returns the last part of its address.
func create(t *testing.T, srv *suparusttest.Server, key string, length int, first ...byte) string {
	t.Helper()
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	headers := []string{"Upload-Length", strconv.Itoa(length), "Upload-Metadata", "bucketName " + encode("b") + ",objectName " + encode(key)}
	var body io.Reader
	if len(first) > 0 {
		headers, body = append(headers, "Content-Type", "application/offset+octet-stream"), bytes.NewReader(first)
	}
	status, h, text := ask(t, srv, "POST", "", body, headers...)
	if status != 201 {
		t.Fatalf("create: %d %s", status, text)
	}
	at := h.Get("Location")
	return at[strings.LastIndexByte(at, '/'):]
}

func patch(t *testing.T, srv *suparusttest.Server, at string, offset int64, part []byte) (status int, end int64) {
	t.Helper()
	return patchFrom(t, srv, at, offset, bytes.NewReader(part))
}

func patchFrom(t *testing.T, srv *suparusttest.Server, at string, offset int64, part io.Reader) (status int, end int64) {
	t.Helper()
	return tus(t, srv, "PATCH", at, part, "Upload-Offset", strconv.FormatInt(offset, 10), "Content-Type", "application/offset+octet-stream")
}

func offsetOf(t *testing.T, srv *suparusttest.Server, at string) int64 {
	t.Helper()
	status, offset := tus(t, srv, "HEAD", at, nil)
	if status != 200 {
		t.Fatalf("HEAD: %d", status)
	}
	return offset
}

func randomBytes(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// unfinished are the uploads in parts that the service knows of.
func unfinished(t *testing.T, bucket string) int {
	t.Helper()
	res, err := client(gateway, gatewayKey, gatewaySecret, "").ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	return len(res.Uploads)
}

// isWhole checks the object, its ETag, and that nothing of its upload is left
// but the record.
func isWhole(t *testing.T, srv *suparusttest.Server, bucket, key string, want []byte) {
	t.Helper()
	if got := ok(t, srv, "GET", "/object/b/"+key, nil); got != string(want) {
		t.Errorf("%s: %d bytes, want %d", key, len(got), len(want))
	}
	if info, sum := ok(t, srv, "GET", "/object/info/b/"+key, nil), fmt.Sprintf("%x", md5.Sum(want)); !strings.Contains(info, sum) {
		t.Errorf("%s: no ETag %s in %s", key, sum, info)
	}
	for _, name := range keys(t, bucket, "files/uploads/") {
		if !strings.HasSuffix(name, "/record") {
			t.Errorf("%s: %s is left", key, name)
		}
	}
	if n := unfinished(t, bucket); n != 0 {
		t.Errorf("%s: %d unfinished uploads are left in the bucket", key, n)
	}
}

//covers:storage 57 58 62 86
func TestResumableAnywhere(t *testing.T) {
	t.Parallel()
	name, database := bucket(t), external(t)
	one := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database))
	two := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database))
	servers := []*suparusttest.Server{one, two}
	ok(t, one, "POST", "/bucket", strings.NewReader(`{"name":"b"}`), "Content-Type", asJSON)
	const part = 5 << 20 // of the bucket's service
	for key, cuts := range map[string][]int{
		"empty": {}, "small": {10}, "two-small": {3, 4}, "exact": {part}, "exact-in-two": {part - 1, 1}, "many": {1, part, 7, part - 8, 6 << 20, 100}, "large": {17<<20 + 5},
	} {
		size := 0
		for _, n := range cuts {
			size += n
		}
		content := randomBytes(t, size)
		at := create(t, one, key, size)
		offset := int64(0)
		for i, n := range cuts {
			srv := servers[(i+1)%2]
			if got := offsetOf(t, srv, at); got != offset {
				t.Errorf("%s: offset %d, want %d", key, got, offset)
			}
			if status, _ := patch(t, srv, at, offset+1, []byte("x")); status != 409 {
				t.Errorf("%s: at a wrong offset: %d", key, status)
			}
			status, end := patch(t, srv, at, offset, content[offset:offset+int64(n)])
			if offset += int64(n); status != 204 || end != offset {
				t.Fatalf("%s: part %d: %d, offset %d, want %d", key, i, status, end, offset)
			}
		}
		isWhole(t, servers[len(cuts)%2], name, key, content)
		if got := offsetOf(t, two, at); got != int64(size) {
			t.Errorf("%s: offset of the whole is %d", key, got)
		}
	}
	if n := len(keys(t, name, "files/objects/")); n != 7 {
		t.Errorf("%d objects in the bucket, want 7", n)
	}
	first := randomBytes(t, 6<<20)
	at := create(t, one, "with-creation", len(first)+1, first...)
	if status, _ := patch(t, two, at, int64(len(first)), []byte("xyz")); status != 413 {
		t.Errorf("too much: %d", status)
	}
	if status, _ := tus(t, two, "PATCH", at, io.MultiReader(strings.NewReader("x"), bytes.NewReader(first)),
		"Upload-Offset", strconv.Itoa(len(first)), "Content-Type", "application/offset+octet-stream"); status != 413 {
		t.Errorf("too much, of an unknown length: %d", status)
	}
	if status, _ := patch(t, two, at, int64(len(first)), []byte("!")); status != 204 {
		t.Errorf("the last byte: %d", status)
	}
	isWhole(t, one, name, "with-creation", append(first, '!'))

	at = create(t, one, "given-up", 20<<20, randomBytes(t, 8<<20)...)
	if n := unfinished(t, name); n != 1 {
		t.Errorf("%d uploads in parts", n)
	}
	if status, _ := tus(t, two, "DELETE", at, nil); status != 204 {
		t.Errorf("DELETE: %d", status)
	}
	if status, _ := tus(t, one, "HEAD", at, nil); status != 404 {
		t.Errorf("deleted: %d", status)
	}
	if n := unfinished(t, name); n != 0 {
		t.Errorf("%d uploads in parts are left", n)
	}
}

// TestResumableKilled: what a process that is killed has taken is there for
// another, which goes on.
//
//covers:storage 62 83
func TestResumableKilled(t *testing.T) {
	t.Parallel()
	name, database := bucket(t), external(t)
	one := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database))
	ok(t, one, "POST", "/bucket", strings.NewReader(`{"name":"b"}`), "Content-Type", asJSON)
	content := randomBytes(t, 30<<20)
	at := create(t, one, "k", len(content))
	for offset := int64(0); offset < 20<<20; {
		two := startProcess(t, one, name, database)
		body, feed := io.Pipe()
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			patchFrom(t, two.Server, at, offset, body)
		}()
		// two parts, and some bytes that are not to be answered for
		if _, err := feed.Write(content[offset : offset+11<<20]); err != nil {
			t.Fatal(err)
		}
		want := offset + 10<<20
		eventually(t, "the parts are in the record", func() bool { return recorded(t, name) >= want })
		two.kill()
		_ = feed.Close()
		<-answered
		if offset = offsetOf(t, one, at); offset < want {
			t.Fatalf("offset %d after a kill, want at least %d", offset, want)
		}
	}
	offset := offsetOf(t, one, at)
	if status, _ := patch(t, one, at, offset, content[offset:]); status != 204 {
		t.Errorf("the rest: %d", status)
	}
	isWhole(t, one, name, "k", content)
}

// recorded is how many bytes the only upload's record tells of in parts.
func recorded(t *testing.T, bucket string) int64 {
	t.Helper()
	for _, key := range keys(t, bucket, "files/uploads/") {
		if strings.HasSuffix(key, "/record") {
			var record struct {
				Parts []string
			}
			if err := json.Unmarshal([]byte(object(t, bucket, key)), &record); err != nil {
				t.Fatal(err)
			}
			return 5 << 20 * int64(len(record.Parts))
		}
	}
	return 0
}

func object(t *testing.T, bucket, key string) string {
	t.Helper()
	res, err := client(gateway, gatewayKey, gatewaySecret, "").GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestResumableTurns: a request at one server makes room for one at another,
// and what both send does not mix.
//
//covers:storage 59 86
func TestResumableTurns(t *testing.T) {
	t.Parallel()
	name, database := bucket(t), external(t)
	one := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database))
	two := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database))
	ok(t, one, "POST", "/bucket", strings.NewReader(`{"name":"b"}`), "Content-Type", asJSON)

	// hold begins a request that stays until its body ends
	type answer struct {
		status int
		end    int64
	}
	hold := func(srv *suparusttest.Server, at string, begin string) (feed *io.PipeWriter, answered chan answer) {
		body, feed := io.Pipe()
		answered = make(chan answer, 1)
		go func() {
			status, end := patchFrom(t, srv, at, 0, body)
			answered <- answer{status, end}
		}()
		if _, err := feed.Write([]byte(begin)); err != nil {
			t.Fatal(err)
		}
		return feed, answered
	}
	admin, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.WithoutCancel(t.Context()))
	locked := func() (n int) {
		if err := admin.QueryRow(t.Context(), `select count(*) from pg_locks where locktype = 'advisory' and granted`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}

	at := create(t, one, "turns", 10)
	feed, answered := hold(one, at, "hello")
	eventually(t, "the first has the upload", func() bool { return locked() == 1 })
	begun := time.Now()
	if got := offsetOf(t, two, at); got != 5 {
		t.Errorf("offset %d", got)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the other server waited %v", took)
	}
	if a := <-answered; a.status != 204 || a.end != 5 {
		t.Errorf("the interrupted request: %+v", a)
	}
	_ = feed.Close()
	if status, _ := patch(t, two, at, 5, []byte("world")); status != 204 {
		t.Errorf("the rest: %d", status)
	}
	isWhole(t, one, name, "turns", []byte("helloworld"))

	// many requests for the same bytes: one of each round gets its way
	at = create(t, one, "race", 40)
	var want []byte
	for round := range 4 {
		answers := make(chan answer, 6)
		for i := range 6 {
			go func() {
				status, end := patch(t, []*suparusttest.Server{one, two}[i%2], at, int64(10*round), bytes.Repeat([]byte{byte('a' + i)}, 10))
				answers <- answer{status, end}
			}()
		}
		won := 0
		for range 6 {
			switch a := <-answers; a.status {
			case 204:
				won++
			case 409:
			default:
				t.Errorf("%+v", a)
			}
		}
		if won != 1 {
			t.Fatalf("%d requests got their way", won)
		}
		want = append(want, 0)
	}
	got := ok(t, one, "GET", "/object/b/race", nil)
	for round := range want {
		if part := got[10*round:][:10]; strings.Trim(part, part[:1]) != "" {
			t.Errorf("a mixture: %q", got)
		}
	}
	eventually(t, "no lock is left", func() bool { return locked() == 0 })

	// the database ends the connection that holds the lock
	at = create(t, one, "lost", 10)
	feed, answered = hold(one, at, "hello")
	eventually(t, "the first has the upload", func() bool { return locked() == 1 })
	if _, err := admin.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'`); err != nil {
		t.Fatal(err)
	}
	if a := <-answered; a.status != 503 {
		t.Errorf("a request that has lost its lock: %+v", a)
	}
	_ = feed.Close()
	offset := offsetOf(t, one, at)
	if status, _ := patch(t, two, at, offset, []byte("helloworld")[offset:]); status != 204 {
		t.Errorf("after the loss: %d", status)
	}
	isWhole(t, one, name, "lost", []byte("helloworld"))

	// another has changed the record, in spite of the lock
	at = create(t, one, "fenced", 10)
	feed, answered = hold(one, at, "hello")
	eventually(t, "the first has the upload", func() bool { return locked() == 1 })
	c := client(gateway, gatewayKey, gatewaySecret, "")
	for _, key := range keys(t, name, "files/uploads/") {
		if text := object(t, name, key); !strings.Contains(text, `"whole"`) {
			if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &name, Key: &key, Body: strings.NewReader(text + " ")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = feed.Close()
	if a := <-answered; a.status != 503 {
		t.Errorf("a request whose upload another has changed: %+v", a)
	}
	if got := offsetOf(t, two, at); got != 0 {
		t.Errorf("offset %d", got)
	}
}

//covers:storage 62 84
func TestResumableExpires(t *testing.T) {
	t.Parallel()
	name, database := bucket(t), external(t)
	one := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database),
		suparusttest.WithConfig(func(c *server.Config) { c.Storage.UploadExpiry = time.Second }))
	ok(t, one, "POST", "/bucket", strings.NewReader(`{"name":"b"}`), "Content-Type", asJSON)
	kept := create(t, one, "kept", 0)
	for i, n := range []int{0, 10, 6 << 20} {
		create(t, one, fmt.Sprint("gone", i), 20<<20, randomBytes(t, n)...)
	}
	eventually(t, "nothing is left of uploads", func() bool { return len(keys(t, name, "files/uploads/")) == 0 && unfinished(t, name) == 0 })
	if status, _ := tus(t, one, "HEAD", kept, nil); status != 404 {
		t.Errorf("HEAD: %d", status)
	}
	if got := ok(t, one, "GET", "/object/b/kept", nil); got != "" {
		t.Errorf("%q", got)
	}
	if n := len(keys(t, name, "files/objects/")); n != 1 {
		t.Errorf("%d objects, want 1", n)
	}
}

// TestResumableMemory: a large part takes no more memory than a small one.
//
//covers:storage 85
func TestResumableMemory(t *testing.T) {
	t.Parallel()
	name, database := bucket(t), external(t)
	one := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database))
	ok(t, one, "POST", "/bucket", strings.NewReader(`{"name":"b"}`), "Content-Type", asJSON)
	p := startProcess(t, one, name, database)
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("the system does not tell how much memory a process has")
	}
	upload := func(key string, size int) {
		at := create(t, p.Server, key, size)
		if status, end := patchFrom(t, p.Server, at, 0, io.LimitReader(zeros{}, int64(size))); status != 204 || end != int64(size) {
			t.Fatalf("%d, offset %d", status, end)
		}
	}
	upload("small", 12<<20)
	before := peak(t, p.cmd.Process.Pid)
	upload("large", 200<<20)
	if grown := peak(t, p.cmd.Process.Pid) - before; grown > 40<<10 {
		t.Errorf("200 MiB in one part took %d KiB", grown)
	} else {
		t.Logf("200 MiB in one part: %d KiB more than 12 MiB", grown)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// peak is the most memory that a process has had, in KiB.
func peak(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
