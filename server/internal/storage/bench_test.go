package storage_test

import (
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// sizes of the objects that are measured.
var sizes = []int64{1 << 10, 1 << 20, 100 << 20}

// client is an HTTP client that keeps as many connections as it needs.
func client(b *testing.B) *http.Client {
	t := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true, WriteBufferSize: 256 << 10, ReadBufferSize: 256 << 10}
	b.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t}
}

// request is one request of a benchmark.
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
	return send(b, c, req)
}

// send sends a request, whose answer must be a success, and returns how many
// bytes it has brought.
func send(b *testing.B, c *http.Client, req *http.Request) int64 {
	res, err := c.Do(req)
	if err != nil {
		b.Error(err)
		return 0
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil || res.StatusCode/100 != 2 {
		b.Errorf("%d, %v", res.StatusCode, err)
	}
	return n
}

// beside measures do in turns with what limits it, so that both meet the same
// machine, and fails when the rate of do is less than share of the limit's. Of
// each the times are compared that a quarter of the rounds stay below: the
// others are the machine's other work. A few rounds are not judged, nor sizes
// below from. What prepare does before each round is not measured.
func beside(b *testing.B, size, from int64, share float64, prepare, do, limit func()) {
	b.Helper()
	var times, limits []time.Duration
	prepare()
	do()
	limit()
	for b.Loop() {
		prepare()
		begin := time.Now()
		do()
		middle := time.Now()
		limit()
		times, limits = append(times, middle.Sub(begin)), append(limits, time.Since(middle))
	}
	quarter := func(all []time.Duration) time.Duration {
		slices.Sort(all)
		return all[len(all)/4]
	}
	took, least := quarter(times), quarter(limits)
	of := least.Seconds() / took.Seconds()
	b.ReportMetric(float64(size)/1e6/took.Seconds(), "MB/s")
	b.ReportMetric(float64(size)/1e6/least.Seconds(), "limit-MB/s")
	b.ReportMetric(of, "of-limit")
	if len(times) >= 20 && size >= from && of < share {
		b.Errorf("%.2f of the limit's rate, less than %.1f: %v, and the limit %v", of, share, took, least)
	}
}

// hashAndWrite is the limit of an upload: the same bytes hashed and written to
// a file.
func hashAndWrite(b *testing.B, name string, size int64) func() {
	buf := make([]byte, 256<<10)
	return func() {
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
}

// BenchmarkUpload measures uploads beside their limit, 0.5 of which is the
// aim. Both write to memory, where there is such a file system, as a fixture
// does: a disk's file system takes its time for each name, of which a resumable
// upload has several.
func BenchmarkUpload(b *testing.B) {
	dir := memoryDir(b)
	a, s3 := startS3(b, func(c *storage.Config) {
		c.Blobs = blob.NewDisk(blob.DiskConfig{Dir: dir, Ephemeral: true})
		c.Uploads = blob.NewUploadDir(blob.UploadDirConfig{Dir: filepath.Join(dir, "uploads"), Store: c.Blobs})
	})
	a.bucket("b", true)
	hc := client(b)
	limit := filepath.Join(dir, "limit")
	for _, size := range sizes {
		for _, w := range uploads {
			b.Run(fmt.Sprintf("%s-%dKiB", w.name, size>>10), func(b *testing.B) {
				beside(b, size, 1<<20, 0.5, func() {}, func() { send(b, hc, w.request(b, hc, a, s3, "k", size)) }, hashAndWrite(b, limit, size))
			})
		}
	}
}

// BenchmarkDownload measures downloads beside their limit, http.ServeContent
// of the same file without a database, 0.6 of which is the aim. Both are served
// by another process, as a client's server is: in one process the runtime may
// run client and server in turns, which depends on what else the machine does.
func BenchmarkDownload(b *testing.B) {
	a, s3 := startS3(b)
	a.bucket("b", true)
	c := startChild(b, a, b.TempDir(), childEphemeral+"=1")
	s3.a = c.api
	hc := client(b)
	a.bucket("own", false)
	a.exec(`create policy own on storage.objects to authenticated using (bucket_id = 'own' and owner_id = (select auth.uid())::text)`)
	user := a.user("8f2a5b1e-7d1e-4a7f-9c55-0d3f6a2b1c4d")
	ways := append(slices.Clone(downloads), way{"policy", func(b *testing.B, _ *http.Client, a *api, _ *s3Client, key string, _ int64) *http.Request {
		return transfer(b, "GET", a.url+"/object/authenticated/own/"+key, 0, headers{"Authorization": "Bearer " + user})
	}})
	for _, size := range sizes {
		c.do("PUT", "/object/b/k", a.service, io.LimitReader(zeros{}, size)).ok(b)
		c.do("PUT", "/object/own/k", user, io.LimitReader(zeros{}, size)).ok(b)
		limit := strings.TrimSuffix(c.url, "/storage/v1") + bare + a.one(`select version from storage.objects where bucket_id = 'b'`)
		whole := func(b *testing.B, req *http.Request) {
			if n := send(b, hc, req); n != size {
				b.Fatal(n)
			}
		}
		for _, w := range ways {
			b.Run(fmt.Sprintf("%s-%dKiB", w.name, size>>10), func(b *testing.B) {
				var req, bare *http.Request
				beside(b, size, 1<<20, 0.6, func() {
					req, bare = w.request(b, hc, c.api, s3, "k", size), transfer(b, "GET", limit, 0, nil)
				}, func() { whole(b, req) }, func() { whole(b, bare) })
			})
		}
	}
}
