package storage_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

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

// TestResumableProcesses: servers that share the files of uploads take turns.
func TestResumableProcesses(t *testing.T) {
	t.Parallel()
	var disk blob.Store
	a := start(t, func(c *storage.Config) { disk = c.Blobs })
	a.bucket("b", true)
	b := a.beside(t, disk, unwrapped)
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
