package rest_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// leanClient sends finished requests over one kept connection and reads no
// more of an answer than its status and its length, so that what is measured
// is the server: on the same two cores a client of net/http takes as long as
// the server does.
type leanClient struct {
	conn net.Conn
	in   *bufio.Reader
}

func dialLean(b testing.TB, base string) *leanClient {
	b.Helper()
	u, err := url.Parse(base)
	if err != nil {
		b.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return &leanClient{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
}

// do sends one request and reads its answer.
func (c *leanClient) do(request []byte, head bool) (status int, body []byte, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, fmt.Errorf("status line %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length := 0
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return status, nil, err
		}
		if len(line) <= 2 {
			break
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				return status, nil, err
			}
		}
	}
	if head {
		length = 0
	}
	if body, err = c.in.Peek(length); err == nil {
		_, err = c.in.Discard(length)
	}
	return status, body, err
}

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
	u, _ := url.Parse(base)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n", c.method, u.Path, target, u.Host, token)
	_ = c.header.Write(&b)
	if body != "" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return b.Bytes()
}

func (c *call) fixed() bool { return !strings.Contains(c.target+c.body, "%d") }

// load has so many clients send the call until b.N have been answered, and
// reports the rate, the median and the 99th percentile of the time of an
// answer, and the processor time of one: that of this process, the client's
// included, and that of PostgreSQL.
func (f *fixture) load(b *testing.B, clients int, token string, c *call) (perSecond float64, median time.Duration) {
	b.Helper()
	lean := make([]*leanClient, clients)
	for i := range lean {
		lean[i] = dialLean(b, f.URL)
	}
	one := func(l *leanClient, request []byte) error {
		if request == nil {
			request = c.bytes(f.URL, token, f.serial.Add(1))
		}
		status, body, err := l.do(request, c.method == http.MethodHead)
		if err != nil || status != c.status || c.want != "" && string(body) != c.want {
			return fmt.Errorf("%s %s: %d %s %w", c.method, c.target, status, body, err)
		}
		return nil
	}
	var fixed []byte
	if c.fixed() {
		fixed = c.bytes(f.URL, token, 0)
	}
	each := func(n int64, times [][]time.Duration) {
		var wg sync.WaitGroup
		var left atomic.Int64
		left.Store(n)
		for i, l := range lean {
			wg.Go(func() {
				for left.Add(-1) >= 0 {
					begin := time.Now()
					if err := one(l, fixed); err != nil {
						b.Error(err)
						return
					}
					if times != nil {
						times[i] = append(times[i], time.Since(begin))
					}
				}
			})
		}
		wg.Wait()
	}
	each(int64(50*clients), nil)
	times := make([][]time.Duration, clients)
	for i := range times {
		times[i] = make([]time.Duration, 0, b.N/clients+b.N/4+16)
	}
	own, database := processorTime(), f.databaseTime(b)
	b.ReportAllocs()
	b.ResetTimer()
	each(int64(b.N), times)
	b.StopTimer()
	own, database = processorTime()-own, f.databaseTime(b)-database
	all := slices.Concat(times...)
	slices.Sort(all)
	if len(all) == 0 {
		return 0, 0
	}
	perSecond, median = float64(b.N)/b.Elapsed().Seconds(), all[len(all)/2]
	micro := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	b.ReportMetric(perSecond, "req/s")
	b.ReportMetric(micro(median), "p50-µs")
	b.ReportMetric(micro(all[len(all)*99/100]), "p99-µs")
	b.ReportMetric(micro(own)/float64(b.N), "cpu-µs/op")
	b.ReportMetric(micro(database)/float64(b.N), "pg-cpu-µs/op")
	return perSecond, median
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// databaseTime is the processor time of the API's database connections, where
// the system tells it.
func (f *fixture) databaseTime(b testing.TB) time.Duration {
	b.Helper()
	rows, err := f.srv.Pool(b).Query(b.Context(), "select pid::text from pg_stat_activity where backend_type = 'client backend'")
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	var sum time.Duration
	for rows.Next() {
		var pid string
		if err := rows.Scan(&pid); err != nil {
			b.Fatal(err)
		}
		text, err := os.ReadFile("/proc/" + pid + "/schedstat")
		if err != nil {
			continue // no Linux, or a connection that has ended
		}
		onCPU, _, _ := strings.Cut(string(text), " ")
		if ns, err := strconv.ParseInt(onCPU, 10, 64); err == nil {
			sum += time.Duration(ns)
		}
	}
	return sum
}
