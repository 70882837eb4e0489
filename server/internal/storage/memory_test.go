package storage_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"
)

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestConstantMemory runs alone, because it measures the whole process.
//
//covers:storage 85
func TestConstantMemory(t *testing.T) {
	const (
		size  = 128 << 20
		bound = 40 << 20
	)
	a := start(t)
	a.bucket("b", true)
	peak := watchHeap(t)
	begin := time.Now()
	a.do("POST", "/object/b/raw", a.service, io.LimitReader(zeros{}, size)).ok(t)
	uploaded := time.Since(begin)
	body, writer := io.Pipe()
	go func() {
		_, err := io.WriteString(writer, "--b\r\nContent-Disposition: form-data; name=\"\"; filename=\"x\"\r\n\r\n")
		if err == nil {
			_, err = io.CopyN(writer, zeros{}, size)
		}
		if err == nil {
			_, err = io.WriteString(writer, "\r\n--b--\r\n")
		}
		writer.CloseWithError(err)
	}()
	a.do("POST", "/object/b/form", a.service, body, headers{"Content-Type": "multipart/form-data; boundary=b"}).ok(t)
	a.patch(a.create(t, a.service, object("b", "parts"), size), a.service, 0, io.LimitReader(zeros{}, size)).has(t, 204, headers{"Tus-Complete": "1"})
	begin = time.Now()
	res, err := http.Get(a.url + "/object/public/b/raw")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if n != size || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	downloaded := time.Since(begin)
	grown := peak()
	t.Logf("the heap grew by %.1f MiB; upload %.0f MiB/s, download %.0f MiB/s", float64(grown)/(1<<20),
		size>>20/uploaded.Seconds(), size>>20/downloaded.Seconds())
	if grown > bound {
		t.Errorf("the heap grew by %d bytes, more than %d", grown, bound)
	}
	if got := a.one(`select string_agg(distinct metadata->>'size', ' ') from storage.objects`); got != fmt.Sprint(size) {
		t.Errorf("sizes: %s", got)
	}
}

// watchHeap samples the heap until the function it returns is called, which
// says by how much it grew at most.
func watchHeap(t testing.TB) (peak func() int64) {
	t.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	base, most := int64(m.HeapInuse), int64(m.HeapInuse)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			runtime.ReadMemStats(&m)
			most = max(most, int64(m.HeapInuse))
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	})
	return sync.OnceValue(func() int64 {
		close(stop)
		wg.Wait()
		return most - base
	})
}
