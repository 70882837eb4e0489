package storage_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/suparust/suparust/server/internal/storage/tus"
)

// way is one of bringing the bytes of an object in or out.
type way struct {
	name string
	// request is the one that has the bytes; those before it are sent by hc.
	request func(b *testing.B, hc *http.Client, a *api, s3 *s3Client, key string, size int64) *http.Request
}

var uploads = []way{
	{"put", func(b *testing.B, _ *http.Client, a *api, _ *s3Client, key string, size int64) *http.Request {
		return transfer(b, "PUT", a.url+"/object/b/"+key, size, headers{"Authorization": "Bearer " + a.service})
	}},
	{"form", func(b *testing.B, _ *http.Client, a *api, _ *s3Client, key string, size int64) *http.Request {
		head, tail := "--b\r\nContent-Disposition: form-data; name=\"\"; filename=\"x\"\r\n\r\n", "\r\n--b--\r\n"
		r := transfer(b, "PUT", a.url+"/object/b/"+key, size+int64(len(head)+len(tail)),
			headers{"Authorization": "Bearer " + a.service, "Content-Type": "multipart/form-data; boundary=b"})
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(head), io.LimitReader(zeros{}, size), strings.NewReader(tail)))
		return r
	}},
	{"tus", func(b *testing.B, hc *http.Client, a *api, _ *s3Client, key string, size int64) *http.Request {
		res, err := hc.Do(transfer(b, "POST", a.url+resumable, 0, headers{"Authorization": "Bearer " + a.service, "Tus-Resumable": "1.0.0",
			"Upload-Length": fmt.Sprint(size), "Upload-Metadata": object("b", key), "X-Upsert": "true"}))
		if err != nil {
			b.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusCreated {
			b.Fatal(res.Status)
		}
		return transfer(b, "PATCH", res.Header.Get("Location"), size,
			headers{"Authorization": "Bearer " + a.service, "Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": tus.ContentType, "X-Upsert": "true"})
	}},
	{"s3", func(b *testing.B, _ *http.Client, _ *api, s3 *s3Client, key string, size int64) *http.Request {
		r := s3.request("PUT", "/b/"+key, nil, nil, nil, "UNSIGNED-PAYLOAD")
		r.Body, r.ContentLength = io.NopCloser(io.LimitReader(zeros{}, size)), size
		return r
	}},
}

var downloads = []way{
	{"public", func(b *testing.B, _ *http.Client, a *api, _ *s3Client, key string, _ int64) *http.Request {
		return transfer(b, "GET", a.url+"/object/public/b/"+key, 0, nil)
	}},
	{"authenticated", func(b *testing.B, _ *http.Client, a *api, _ *s3Client, key string, _ int64) *http.Request {
		return transfer(b, "GET", a.url+"/object/authenticated/b/"+key, 0, headers{"Authorization": "Bearer " + a.service})
	}},
	{"s3", func(_ *testing.B, _ *http.Client, _ *api, s3 *s3Client, key string, _ int64) *http.Request {
		return s3.request("GET", "/b/"+key, nil, nil, nil, "")
	}},
}

// transfer is a request with so many bytes.
func transfer(b *testing.B, method, url string, size int64, hs headers) *http.Request {
	b.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	if size != 0 {
		r.Body, r.ContentLength = io.NopCloser(io.LimitReader(zeros{}, size)), size
	}
	for name, value := range hs {
		r.Header.Set(name, value)
	}
	return r
}

// mostGrown is by how much the memory of client and server together may grow
// in transfers of any size, in MiB.
const mostGrown = 40

// BenchmarkParallelTransfers is 16 uploads or downloads of 100 MiB at once in
// each way, and one upload of 1 GiB whose length is not told, with the growth
// of the heap of client and server together.
func BenchmarkParallelTransfers(b *testing.B) {
	a, s3 := startS3(b, withLimit(2<<30))
	a.bucket("b", true)
	hc := client(b)
	const size, transfers = 100 << 20, 16
	measured := func(b *testing.B, bytes int64, round func()) {
		b.Helper()
		b.SetBytes(bytes)
		peak := watchHeap(b)
		for b.Loop() {
			round()
		}
		grown := float64(peak()) / (1 << 20)
		b.ReportMetric(grown, "MiB-grown")
		b.ReportMetric(mostGrown, "limit-MiB-grown")
		if grown > mostGrown {
			b.Errorf("the heap has grown by %.1f MiB, more than %d", grown, mostGrown)
		}
	}
	for _, kind := range []struct {
		name string
		ways []way
		want int64
	}{{"upload", uploads, -1}, {"download", downloads, size}} {
		for _, w := range kind.ways {
			b.Run(kind.name+"-"+w.name, func(b *testing.B) {
				measured(b, size*transfers, func() {
					var wg sync.WaitGroup
					for i := range transfers {
						req := w.request(b, hc, a, s3, fmt.Sprintf("k%d", i), size)
						wg.Go(func() {
							if n := send(b, hc, req); kind.want >= 0 && n != kind.want {
								b.Errorf("%d bytes", n)
							}
						})
					}
					wg.Wait()
				})
			})
		}
	}
	b.Run("upload-1GiB", func(b *testing.B) {
		measured(b, 1<<30, func() {
			request(b, hc, "PUT", a.url+"/object/b/giant", a.service, io.LimitReader(zeros{}, 1<<30), -1)
		})
	})
}
