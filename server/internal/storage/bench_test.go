package storage_test

import (
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// sizes of the objects that are measured.
var sizes = []int64{1 << 10, 1 << 20, 100 << 20}

// client is an HTTP client that keeps as many connections as it needs.
func client(b *testing.B) *http.Client {
	t := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true, WriteBufferSize: 256 << 10, ReadBufferSize: 256 << 10}
	b.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t}
}

// request is one request of a benchmark, whose answer must be 200.
func request(b *testing.B, c *http.Client, method, url, token string, body io.Reader, size int64) int64 {
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		b.Error(err)
		return 0
	}
	req.ContentLength = size
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := c.Do(req)
	if err != nil {
		b.Error(err)
		return 0
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil || res.StatusCode != 200 {
		b.Errorf("%d, %v", res.StatusCode, err)
	}
	return n
}

// BenchmarkUpload measures uploads beside the limit: the same bytes hashed
// and written to a file.
func BenchmarkUpload(b *testing.B) {
	a := start(b)
	a.bucket("b", true)
	hc := client(b)
	for _, size := range sizes {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				request(b, hc, "PUT", a.url+"/object/b/k", a.service, io.LimitReader(zeros{}, size), size)
			}
		})
		b.Run(fmt.Sprintf("%dKiB-limit", size>>10), func(b *testing.B) {
			b.SetBytes(size)
			name, buf := filepath.Join(a.dir, "limit"), make([]byte, 256<<10)
			for b.Loop() {
				f, err := os.Create(name)
				if err != nil {
					b.Fatal(err)
				}
				h := md5.New()
				// without the ReaderFrom of files, which has no use here
				if _, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(f, h)}, io.LimitReader(zeros{}, size), buf); err != nil {
					b.Fatal(err)
				}
				h.Sum(nil)
				if err := f.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDownload measures downloads beside the limit: http.ServeContent of
// the same file, without a database.
func BenchmarkDownload(b *testing.B) {
	a := start(b)
	a.bucket("b", true)
	hc := client(b)
	for _, size := range sizes {
		a.do("PUT", "/object/b/k", a.service, io.LimitReader(zeros{}, size)).ok(b)
		version := a.one(`select version from storage.objects`)
		bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f, err := os.Open(filepath.Join(a.dir, "objects", version[:2], version))
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			defer f.Close()
			http.ServeContent(w, r, "k", time.Time{}, f)
		}))
		for _, from := range []struct{ name, url, token string }{
			{"public", a.url + "/object/public/b/k", ""}, {"authenticated", a.url + "/object/authenticated/b/k", a.service}, {"limit", bare.URL, ""},
		} {
			b.Run(fmt.Sprintf("%dKiB-%s", size>>10, from.name), func(b *testing.B) {
				b.SetBytes(size)
				for b.Loop() {
					if n := request(b, hc, "GET", from.url, from.token, nil, 0); n != size {
						b.Fatal(n)
					}
				}
			})
		}
		bare.Close()
	}
}

// BenchmarkParallelTransfers is 16 uploads and then 16 downloads of 100 MiB at
// once, and one upload of 1 GiB, with the growth of the heap of client and
// server together.
func BenchmarkParallelTransfers(b *testing.B) {
	a := start(b, withLimit(2<<30))
	a.bucket("b", true)
	hc := client(b)
	const size, transfers = 100 << 20, 16
	for _, method := range []string{"PUT", "GET"} {
		b.Run(map[string]string{"PUT": "upload", "GET": "download"}[method], func(b *testing.B) {
			b.SetBytes(size * transfers)
			peak := watchHeap(b)
			for b.Loop() {
				var wg sync.WaitGroup
				for i := range transfers {
					wg.Go(func() {
						if method == "PUT" {
							request(b, hc, method, fmt.Sprintf("%s/object/b/k%d", a.url, i), a.service, io.LimitReader(zeros{}, size), size)
						} else if n := request(b, hc, method, fmt.Sprintf("%s/object/public/b/k%d", a.url, i), "", nil, 0); n != size {
							b.Error(n)
						}
					})
				}
				wg.Wait()
			}
			b.ReportMetric(float64(peak())/(1<<20), "MiB-grown")
			b.ReportMetric(40, "limit-MiB-grown")
		})
	}
	b.Run("upload-1GiB", func(b *testing.B) {
		b.SetBytes(1 << 30)
		peak := watchHeap(b)
		for b.Loop() {
			request(b, hc, "PUT", a.url+"/object/b/giant", a.service, io.LimitReader(zeros{}, 1<<30), -1)
		}
		b.ReportMetric(float64(peak())/(1<<20), "MiB-grown")
		b.ReportMetric(40, "limit-MiB-grown")
	})
}
