package s3

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

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
