package storage_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

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

// TestResumableTakeover: another request asks for an upload that one is busy
// with and whose client is silent.
func TestResumableTakeover(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", true)
	big := strings.Repeat("x", 256<<10)
	at := a.create(t, a.service, object("b", "k"), len(big)+10)
	first := a.rawPatch(at, 0, len(big)+10, big+"hello")
	a.size(t, at, int64(len(big)))
	second := a.patch(at, a.service, 0, "hello")
	second.says(t, 409, "Upload-Offset conflict\n")
	res, err := http.ReadResponse(bufio.NewReader(first), nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 204 || res.Header.Get("Upload-Offset") != fmt.Sprint(len(big)+5) || !res.Close || res.Header.Get("Tus-Complete") != "" {
		t.Errorf("the first request: %d %v", res.StatusCode, res.Header)
	}
	if got := a.offset(t, at); got != len(big)+5 {
		t.Errorf("offset %d", got)
	}
	a.patch(at, a.service, len(big)+5, "world").has(t, 204, headers{"Tus-Complete": "1"})
	a.do("GET", "/object/public/b/k", "", nil).is(t, 200, big+"helloworld")
}

func TestResumableRace(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", true)
	const parts, rivals = 8, 6
	part := func(p, rival int) string { return strings.Repeat(string(rune('a'+rival)), 1000+p) }
	at := a.create(t, a.service, object("b", "k"), parts*1000+parts*(parts-1)/2)
	want, offset := "", 0
	for p := range parts {
		var wg sync.WaitGroup
		var won atomic.Int64
		won.Store(-1)
		for rival := range rivals {
			wg.Go(func() {
				switch r := a.patch(at, a.service, offset, part(p, rival)); r.status {
				case 204:
					if won.Swap(int64(rival)) >= 0 {
						t.Errorf("part %d was taken twice", p)
					}
				case 409:
				default:
					t.Errorf("%d %s", r.status, r.body)
				}
			})
		}
		wg.Wait()
		if won.Load() < 0 {
			t.Fatalf("part %d was taken from nobody", p)
		}
		want += part(p, int(won.Load()))
		offset = len(want)
	}
	a.do("GET", "/object/public/b/k", "", nil).is(t, 200, want)
	a.bytesMatchRows(t)
}

// beside is another server of the same database, bytes and uploads; wrap may
// put something before its handler.
func (a *api) beside(t *testing.T, disk blob.Store, wrap func(http.Handler) http.Handler) *api {
	t.Helper()
	login, err := pgx.ParseConfig(a.dsn)
	if err != nil {
		t.Fatal(err)
	}
	handler, end := serve(t, storage.Config{
		Blobs: shared{disk}, Uploads: blob.NewUploadDir(blob.UploadDirConfig{Dir: filepath.Join(a.dir, "uploads"), Store: disk}),
	}, login, a.keys, slog.New(slog.DiscardHandler))
	srv := httptest.NewServer(wrap(handler))
	t.Cleanup(func() { srv.Close(); end() })
	b := *a
	b.url = srv.URL + "/storage/v1"
	return &b
}

// TestResumableProcesses: servers that share the files of uploads take turns.
func TestResumableProcesses(t *testing.T) {
	t.Parallel()
	var disk blob.Store
	a := start(t, func(c *storage.Config) { disk = c.Blobs })
	a.bucket("b", true)
	b := a.beside(t, disk, func(h http.Handler) http.Handler { return h })
	content := strings.Repeat("0123456789", 1000)
	at := strings.TrimPrefix(a.create(t, a.service, object("b", "k"), len(content)), a.url)
	for i := 0; i < len(content); i += 1000 {
		server := []*api{a, b}[i/1000%2]
		server.patch(at, a.service, i, content[i:i+1000]).has(t, 204, headers{"Upload-Offset": fmt.Sprint(i + 1000)})
	}
	r := b.do("GET", "/object/public/b/k", "", nil)
	if r.body != content || r.header.Get("ETag") != etag(content) {
		t.Error("the object is not what was sent")
	}
	// all at once, of both
	at = strings.TrimPrefix(a.create(t, a.service, object("b", "l"), 5), a.url)
	var wg sync.WaitGroup
	var won atomic.Int64
	for i := range 8 {
		wg.Go(func() {
			switch r := []*api{a, b}[i%2].patch(at, a.service, 0, "hello"); r.status {
			case 204:
				won.Add(1)
			case 409:
			default:
				t.Errorf("%d %s", r.status, r.body)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d took it", won.Load())
	}
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

// shared is a store that another opens and closes.
type shared struct{ blob.Store }

func (shared) Close() error { return nil }

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

// TestResumableCrash kills the server in the middle of parts, again and again;
// each upload goes on from where it was and is whole in the end.
//
//covers:storage 62 83 84
func TestResumableCrash(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", true)
	dir := t.TempDir()
	const uploads, size, kills = 12, 3 << 20, 8
	contents := make([]string, uploads)
	for i := range contents {
		contents[i] = strings.Repeat(fmt.Sprintf("%d %d|", i, rand.Uint64()), size/20)[:size/2+rand.IntN(size/3)]
	}
	paths := make([]string, uploads) // of the uploads, without the server
	done := make([]bool, uploads)
	for round := 0; ; round++ {
		c := startChild(t, a, dir)
		var (
			wg      sync.WaitGroup
			answers = make(chan struct{}, 10_000)
			left    atomic.Int64
		)
		for i := range uploads {
			if done[i] {
				continue
			}
			left.Add(1)
			wg.Go(func() {
				defer left.Add(-1)
				done[i] = c.upload(t, &paths[i], fmt.Sprint("k", i), contents[i], answers)
			})
		}
		finished := make(chan struct{})
		go func() { wg.Wait(); close(finished) }()
		if round < kills {
			for n := 5 + rand.IntN(25); n > 0; n-- {
				select {
				case <-answers:
				case <-finished:
				}
			}
			c.kill()
		}
		<-finished
		if t.Failed() {
			return
		}
		if round >= kills && left.Load() == 0 {
			for i := range uploads {
				r := c.do("GET", fmt.Sprint("/object/public/b/k", i), "", nil)
				if !done[i] || r.body != contents[i] || r.header.Get("ETag") != etag(contents[i]) {
					t.Errorf("upload %d: %v, %d, %d of %d bytes", i, done[i], r.status, len(r.body), len(contents[i]))
				}
			}
			c.bytesMatchRows(t)
			// what is left are creations that nobody was told of: they expire
			c.kill()
			age(t, filepath.Join(dir, "uploads"))
			c = startChild(t, a, dir, childExpiry+"=50ms")
			eventually(t, "nothing is left of uploads", func() bool {
				left, err := os.ReadDir(filepath.Join(dir, "uploads"))
				return err == nil && len(left) == 0
			})
			c.bytesMatchRows(t)
			return
		}
	}
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

// upload brings an upload to its end, in parts, from where it is. It returns
// false when the server dies.
func (a *api) upload(t *testing.T, path *string, key, content string, answers chan<- struct{}) bool {
	send := func(method, path string, body any, hs headers) (answer, bool) {
		hs["Tus-Resumable"] = "1.0.0"
		r, err := a.try(method, path, a.service, body, hs)
		answers <- struct{}{}
		return r, err == nil
	}
	if *path == "" {
		r, ok := send("POST", resumable, nil, headers{"Upload-Length": fmt.Sprint(len(content)), "Upload-Metadata": object("b", key), "X-Upsert": "true"})
		if !ok {
			return false
		}
		if *path = strings.TrimPrefix(r.header.Get("Location"), a.url); r.status != 201 {
			t.Errorf("POST: %d %s", r.status, r.body)
			return false
		}
	}
	r, ok := send("HEAD", *path, nil, headers{})
	if !ok {
		return false
	}
	offset, err := strconv.Atoi(r.header.Get("Upload-Offset"))
	if r.status != 200 || err != nil {
		t.Errorf("HEAD: %d %q", r.status, r.header.Get("Upload-Offset"))
		return false
	}
	for offset < len(content) {
		part := content[offset:min(len(content), offset+100_000+rand.IntN(400_000))]
		r, ok := send("PATCH", *path, part, headers{"Upload-Offset": fmt.Sprint(offset), "Content-Type": tus.ContentType, "X-Upsert": "true"})
		if !ok {
			return false
		}
		offset += len(part)
		if r.status != 204 || r.header.Get("Upload-Offset") != fmt.Sprint(offset) {
			t.Errorf("PATCH: %d %s, offset %s instead of %d", r.status, r.body, r.header.Get("Upload-Offset"), offset)
			return false
		}
	}
	return true
}
