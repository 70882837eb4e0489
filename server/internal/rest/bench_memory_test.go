package rest_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"
)

// heapPeak samples the heap of the whole process, the driver's buffers among
// it, until the function it returns is called, which says by how much it grew
// at most.
func heapPeak() (peak func() int64) {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	base, most := int64(m.HeapInuse), int64(m.HeapInuse)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
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
	return func() int64 {
		close(stop)
		wg.Wait()
		return most - base
	}
}

// written is a body that is made while it is sent.
type written struct {
	head, row, last, tail string
	rows                  int
	rest                  string
	n                     int
}

func (b *written) Read(p []byte) (int, error) {
	for b.rest == "" {
		switch {
		case b.n == 0:
			b.rest = b.head
		case b.n < b.rows:
			b.rest = b.row
		case b.n == b.rows:
			b.rest = b.last
		case b.n == b.rows+1 && b.tail != "":
			b.rest = b.tail
		default:
			return 0, io.EOF
		}
		b.n++
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// size is how long the body is.
func (b *written) size() int64 {
	return int64(len(b.head) + len(b.row)*(b.rows-1) + len(b.last) + len(b.tail))
}

// bulk is one way to write many rows.
type bulk struct {
	name, method, path, contentType string
	body                            func(size int) *written
}

func bulks() []bulk {
	fill := strings.Repeat("lorem ipsum ", 8)
	jsonRows := func(size int) *written {
		row := `{"a":1234567,"b":"` + fill + `","c":true}`
		return &written{head: "[", row: row + ",", last: row, tail: "]", rows: size / (len(row) + 1)}
	}
	return []bulk{
		{"JSON", http.MethodPost, "/sink", "application/json", jsonRows},
		{"JSON_columns", http.MethodPost, "/sink?columns=a,b,c", "application/json", jsonRows},
		{"CSV", http.MethodPost, "/sink", "text/csv", func(size int) *written {
			row := `1234567,"` + fill + `",true` + "\n"
			return &written{head: "a,b,c\n", row: row, last: row, rows: size / len(row)}
		}},
		{"form", http.MethodPost, "/sink", "application/x-www-form-urlencoded", func(size int) *written {
			return &written{head: "a=1&b=", row: "lorem+ipsum+", last: "%21", rows: size / 12}
		}},
		{"PATCH", http.MethodPatch, "/sink?a=eq.1", "application/json", func(size int) *written {
			return &written{head: `{"b":"`, row: fill, last: fill, tail: `"}`, rows: size / len(fill)}
		}},
	}
}

// The trigger lets nothing be stored: measured is the server, not the disk.
const sinkSchema = `create table sink(a int, b text, c bool);
create function sink_none() returns trigger language plpgsql as 'begin return null; end';
create trigger none before insert or update on sink for each row execute function sink_none();
insert into sink values (1);
alter role service_role set statement_timeout = '120s'`

// BenchmarkBodyMemory writes bodies of 1, 10 and 50 MB and fails when the heap
// of the whole process, driver and client included, grows by three times the
// body and 1 MB, which is for the buffers of any request.
func BenchmarkBodyMemory(b *testing.B) {
	f := start(b, sinkSchema)
	c := f.as(b, "service_role", nil)
	for _, w := range bulks() {
		for _, size := range []int{1, 10, 50} {
			b.Run(fmt.Sprintf("%s/%dMB", w.name, size), func(b *testing.B) {
				var worst float64
				for b.Loop() {
					body := w.body(size * 1_000_000)
					peak := heapPeak()
					c.stream(b, w, body)
					worst = max(worst, float64(peak()-1_000_000)/float64(body.size()))
				}
				b.SetBytes(int64(size) * 1_000_000)
				b.ReportMetric(worst, "peak/body")
				if worst >= 3 {
					b.Errorf("the heap grew by %.2f times the body and 1 MB, 3 is the limit", worst)
				}
			})
		}
	}
}

// stream sends a body that is not held anywhere in whole.
func (c *client) stream(t testing.TB, w bulk, body *written) {
	t.Helper()
	req, err := http.NewRequest(w.method, c.url+w.path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = body.size()
	req.Header.Set("Content-Type", w.contentType)
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode/100 != 2 {
		t.Fatal(res.StatusCode, string(answer), err)
	}
}

// BenchmarkStream reads an answer of 100 MB. The heap may grow by 8 MB; the
// metric "first" is when the first byte came, relative to the last.
func BenchmarkStream(b *testing.B) {
	f := start(b, `create view large as select i as id, repeat(md5(i::text), 31) as fill from generate_series(1, 98000) i;
		alter role service_role set statement_timeout = '120s'`)
	f.configure(b, "db_max_rows", "0")
	c := f.as(b, "service_role", nil)
	for name, accept := range map[string]string{"JSON": "application/json", "CSV": "text/csv"} {
		b.Run(name, func(b *testing.B) {
			var grown int64
			var first float64
			for b.Loop() {
				peak := heapPeak()
				req, err := http.NewRequest(http.MethodGet, f.URL+"/large", nil)
				if err != nil {
					b.Fatal(err)
				}
				req.Header.Set("Accept", accept)
				req.Header.Set("Authorization", "Bearer "+c.token)
				begin := time.Now()
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					b.Fatal(err)
				}
				begun := time.Since(begin)
				n, err := io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if err != nil || n < 97_000_000 || res.StatusCode != http.StatusOK {
					b.Fatal(res.StatusCode, n, err)
				}
				b.SetBytes(n)
				first = max(first, float64(begun)/float64(time.Since(begin)))
				grown = max(grown, peak())
			}
			b.ReportMetric(float64(grown)/1e6, "heap-MB")
			b.ReportMetric(first, "first")
			if grown >= 8<<20 {
				b.Errorf("the heap grew by %.1f MB, 8 is the limit", float64(grown)/1e6)
			}
		})
	}
}
