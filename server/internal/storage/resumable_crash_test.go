package storage_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/suparust/suparust/server/internal/storage/tus"
)

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
