package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/httpx/lean"
)

// call is a request of a benchmark.
type call struct {
	method, target string
	header         http.Header
	body           string
	status         int
	want           string  // the answer's body, where it is always the same
	aim            float64 // requests a second of eight clients
}

// bytes is the call as it is sent. A %d in its target or its body is a number
// that no call before had.
func (c *call) bytes(base, token string, n int64) []byte {
	target, body := c.target, c.body
	if strings.Contains(target, "%d") {
		target = fmt.Sprintf(target, n)
	}
	if strings.Contains(body, "%d") {
		body = fmt.Sprintf(body, n)
	}
	header := c.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Authorization", "Bearer "+token)
	return lean.Request(c.method, base, target, header, body)
}

func (c *call) fixed() bool { return !strings.Contains(c.target+c.body, "%d") }

// load has so many clients send the call until b.N have been answered, and
// reports the rate, the median and the 99th percentile of the time of an
// answer, and the processor time of one: that of this process, the client's
// included, and that of PostgreSQL.
func (f *fixture) load(b *testing.B, clients int, token string, c *call) (perSecond float64, median time.Duration) {
	b.Helper()
	conns := make([]*lean.Client, clients)
	for i := range conns {
		l, err := lean.Dial(f.URL)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { l.Close() })
		conns[i] = l
	}
	var fixed []byte
	if c.fixed() {
		fixed = c.bytes(f.URL, token, 0)
	}
	round := func(i int) error {
		request := fixed
		if request == nil {
			request = c.bytes(f.URL, token, f.serial.Add(1))
		}
		status, body, err := conns[i].Do(request)
		if err != nil || status != c.status || c.want != "" && string(body) != c.want {
			return fmt.Errorf("%s %s: %d %s %w", c.method, c.target, status, body, err)
		}
		return nil
	}
	if _, err := lean.Load(clients, int64(50*clients), round); err != nil {
		b.Fatal(err)
	}
	database := f.databaseTime(b)
	b.ReportAllocs()
	b.ResetTimer()
	got, err := lean.Load(clients, int64(b.N), round)
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
	database = f.databaseTime(b) - database
	micro := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	b.ReportMetric(got.PerSecond, "req/s")
	b.ReportMetric(micro(got.Median), "p50-µs")
	b.ReportMetric(micro(got.P99), "p99-µs")
	b.ReportMetric(micro(got.CPU)/float64(b.N), "cpu-µs/op")
	b.ReportMetric(micro(database)/float64(b.N), "pg-cpu-µs/op")
	return got.PerSecond, got.Median
}

// databaseTime is what PostgreSQL has computed for the connections to it.
func (f *fixture) databaseTime(b testing.TB) time.Duration {
	b.Helper()
	sum, err := lean.DatabaseTime(b.Context(), f.srv.Pool(b))
	if err != nil {
		b.Fatal(err)
	}
	return sum
}
