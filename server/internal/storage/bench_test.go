package storage_test

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
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

// cpu is the time that a process has computed.
func cpu(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skip("there is no /proc")
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
	var ticks int
	for _, v := range f[11:13] {
		n, err := strconv.Atoi(v)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100) // Linux counts in hundredths
}

// BenchmarkSmall measures requests for 1 KiB against a server in a process of
// its own: how many there are in a second, and what the server computes for
// one. limit is the rate aimed at, six times that of the platform's server on
// such a machine.
func BenchmarkSmall(b *testing.B) {
	a := start(b)
	a.bucket("b", true)
	content := strings.Repeat("x", 1<<10)
	for kind, env := range map[string]string{"memory": childEphemeral + "=1", "durable": childEphemeral + "="} {
		c := startChild(b, a, b.TempDir(), env)
		c.do("PUT", "/object/b/k", a.service, content).ok(b)
		for _, m := range []struct {
			name    string
			workers int
			limit   float64
		}{{"upload", 1, 6 * 249}, {"upload", 8, 6 * 413}, {"download", 1, 6 * 352}, {"download", 8, 6 * 741}, {"public", 1, 6 * 352}, {"public", 8, 6 * 741}} {
			b.Run(fmt.Sprintf("%s/%s/%d", kind, m.name, m.workers), func(b *testing.B) {
				hc := client(b)
				var next atomic.Int64
				one := func() {
					switch m.name {
					case "upload":
						request(b, hc, "POST", fmt.Sprintf("%s/object/b/%s-%d-%d-%d", c.url, kind, m.workers, b.N, next.Add(1)), a.service, strings.NewReader(content), 1<<10)
					case "download":
						request(b, hc, "GET", c.url+"/object/authenticated/b/k", a.service, nil, 0)
					default:
						request(b, hc, "GET", c.url+"/object/public/b/k", "", nil, 0)
					}
				}
				one()
				before := cpu(b, c.cmd.Process.Pid)
				b.ResetTimer()
				var wg sync.WaitGroup
				var left atomic.Int64
				left.Store(int64(b.N))
				for range m.workers {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							one()
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
				b.ReportMetric(m.limit, "limit-req/s")
				b.ReportMetric(float64((cpu(b, c.cmd.Process.Pid)-before).Microseconds())/float64(b.N)/1000, "cpu-ms/op")
			})
		}
		c.kill()
	}
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
