package storage_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/httpx"
	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
	"github.com/suparust/suparust/server/internal/storage/tus"
)

// unfinished are the files of uploads that are on their way, but for the
// notes that say of one that it is done.
func (a *api) unfinished() (names []string) {
	a.t.Helper()
	entries, err := os.ReadDir(filepath.Join(a.dir, "uploads"))
	if err != nil {
		a.t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.Contains(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

// offset is how much of an upload the server has.
func (a *api) offset(t testing.TB, at string) int {
	t.Helper()
	r := a.tus("HEAD", at, a.service, nil)
	n, err := strconv.Atoi(r.header.Get("Upload-Offset"))
	if r.status != 200 || err != nil {
		t.Fatalf("HEAD: %d, offset %q", r.status, r.header.Get("Upload-Offset"))
	}
	return n
}

// rawPatch begins a PATCH on a connection of its own and sends a part of its
// body.
func (a *api) rawPatch(at string, offset, length int, part string) net.Conn {
	a.t.Helper()
	path := strings.TrimPrefix(at, a.url)
	return a.rawRequest("PATCH %s"+path+" HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n", fmt.Sprintf(
		"Tus-Resumable: 1.0.0\r\nUpload-Offset: %d\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", offset, tus.ContentType, length, part))
}

// size waits until an upload's file has this many bytes.
func (a *api) size(t testing.TB, at string, want int64) {
	t.Helper()
	version := a.version(t, at)
	eventually(t, "the bytes have come", func() bool {
		info, err := os.Stat(filepath.Join(a.dir, "uploads", version))
		return err == nil && info.Size() == want
	})
}

func (a *api) version(t testing.TB, at string) string {
	t.Helper()
	id, ok := tus.ParseID(at[strings.LastIndexByte(at, '/')+1:])
	if !ok {
		t.Fatal(at)
	}
	return id.Version
}

func TestResumableBrokenConnections(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", true)
	content := strings.Repeat("0123456789", 100_000)
	at := a.create(t, a.service, object("b", "k"), len(content))
	sent := 0
	for _, n := range []int{300_000, 1, 400_001} { // each connection breaks after so many bytes
		c := a.rawPatch(at, sent, len(content)-sent, content[sent:sent+n])
		if n > 256<<10 { // otherwise they are still in the buffer
			a.size(t, at, int64(sent+256<<10))
		}
		c.Close()
		sent += n
		eventually(t, "what came is kept", func() bool { return a.offset(t, at) == sent })
		if n := a.one(`select count(*) from pg_stat_activity where usename = 'authenticator' and state <> 'idle'`); n != "0" {
			t.Errorf("%s database connections are in use", n)
		}
	}
	a.patch(at, a.service, sent, content[sent:]).has(t, 204, headers{"Tus-Complete": "1"})
	r := a.do("GET", "/object/public/b/k", "", nil)
	if r.body != content || r.header.Get("ETag") != etag(content) {
		t.Error("the object is not what was sent")
	}
	// one whose creation breaks has no address and leaves nothing
	a.rawRequest("POST %s"+resumable+" HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n", fmt.Sprintf(
		"Tus-Resumable: 1.0.0\r\nUpload-Length: 10\r\nUpload-Metadata: %s\r\nContent-Type: %s\r\nContent-Length: 10\r\n\r\nhalf", object("b", "x"), tus.ContentType)).Close()
	eventually(t, "nothing is left", func() bool { return len(a.unfinished()) == 0 })
	a.bytesMatchRows(t)
}

// TestResumableSilentClient: what a client sent before it fell silent is kept,
// and it is told so.
func TestResumableSilentClient(t *testing.T) {
	t.Parallel()
	var disk blob.Store
	a := start(t, func(c *storage.Config) { disk = c.Blobs })
	a.bucket("b", true)
	b := a.beside(t, disk, func(h http.Handler) http.Handler { return httpx.Patient(h, 100*time.Millisecond) })
	at := b.create(t, a.service, object("b", "k"), 10)
	res, err := http.ReadResponse(bufio.NewReader(b.rawPatch(at, 0, 10, "hello")), nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 408 || res.Header.Get("Content-Type") != "text/plain;charset=UTF-8" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	if got := b.offset(t, at); got != 5 {
		t.Errorf("offset %d", got)
	}
	b.patch(at, a.service, 5, "world").has(t, 204, headers{"Tus-Complete": "1"})
	b.do("GET", "/object/public/b/k", "", nil).is(t, 200, "helloworld")
}

func TestResumableExpiry(t *testing.T) {
	t.Parallel()
	t.Run("what is told", func(t *testing.T) {
		t.Parallel()
		var ahead atomic.Int64
		a := start(t, func(c *storage.Config) {
			c.UploadExpiry = time.Hour
			c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		})
		a.bucket("b", true)
		at := a.create(t, a.service, object("b", "k"), 3)
		for _, r := range []answer{a.tus("HEAD", at, a.service, nil), a.patch(at, a.service, 0, "a")} {
			expires, err := http.ParseTime(r.header.Get("Upload-Expires"))
			if left := time.Until(expires); err != nil || left < 59*time.Minute || left > time.Hour {
				t.Errorf("Upload-Expires: %q", r.header.Get("Upload-Expires"))
			}
		}
		token := a.sign(map[string]any{"role": "service_role"})
		ahead.Store(int64(61 * time.Minute))
		a.tus("HEAD", at, token, nil).has(t, 410, nil)
		a.patch(at, token, 1, "bc").says(t, 410, "The file for this url no longer exists\n")
		a.tus("DELETE", at, token, nil).says(t, 410, "The file for this url no longer exists\n")
	})
	t.Run("what is left", func(t *testing.T) {
		t.Parallel()
		a := start(t, func(c *storage.Config) { c.UploadExpiry = 200 * time.Millisecond })
		a.bucket("b", true)
		for i := range 5 {
			a.create(t, a.service, object("b", fmt.Sprint("gone", i)), 3)
		}
		a.create(t, a.service, object("b", "kept"), 0)
		eventually(t, "nothing is left of uploads", func() bool {
			left, err := os.ReadDir(filepath.Join(a.dir, "uploads"))
			return err == nil && len(left) == 0
		})
		a.do("GET", "/object/public/b/kept", "", nil).is(t, 200, "")
		a.bytesMatchRows(t)
	})
}

// age makes the files of a directory some hours old.
func age(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-3 * time.Hour)
	for _, e := range entries {
		if err := os.Chtimes(filepath.Join(dir, e.Name()), past, past); err != nil {
			t.Fatal(err)
		}
	}
}
