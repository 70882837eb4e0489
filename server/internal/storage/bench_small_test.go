package storage_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/httpx/lean"
	"github.com/suparust/suparust/server/internal/session"
)

// enough is from how many requests on a figure is judged.
const enough = 1000

// cpuLimit is what the server may compute for a request for 1 KiB, beside what
// PostgreSQL does.
const cpuLimit = 300 * time.Microsecond

// small is a kind of requests for 1 KiB and the rates aimed at: six times
// those of the platform's server on such a machine.
type small struct {
	name       string
	one, eight float64
	request    func(c *child, n int64) []byte
}

var smalls = []small{
	{"upload", 6 * 249, 6 * 413, func(c *child, n int64) []byte {
		return lean.Request("POST", c.url, fmt.Sprintf("/object/b/new-%d", n), c.bearer(nil), kibibyte)
	}},
	{"form", 6 * 249, 6 * 413, func(c *child, n int64) []byte {
		body := "--x\r\nContent-Disposition: form-data; name=\"cacheControl\"\r\n\r\n3600\r\n" +
			"--x\r\nContent-Disposition: form-data; name=\"\"; filename=\"blob\"\r\nContent-Type: text/plain\r\n\r\n" + kibibyte + "\r\n--x--\r\n"
		return lean.Request("POST", c.url, fmt.Sprintf("/object/b/form-%d", n), c.bearer(http.Header{"Content-Type": {"multipart/form-data; boundary=x"}}), body)
	}},
	{"replace", 6 * 249, 6 * 413, func(c *child, n int64) []byte {
		return lean.Request("PUT", c.url, fmt.Sprintf("/object/b/old-%d", n%64), c.bearer(nil), kibibyte)
	}},
	{"download", 6 * 352, 6 * 741, func(c *child, _ int64) []byte {
		return lean.Request("GET", c.url, "/object/authenticated/b/k", c.bearer(nil), "")
	}},
	{"public", 6 * 352, 6 * 741, func(c *child, _ int64) []byte { return lean.Request("GET", c.url, "/object/public/b/k", nil, "") }},
}

var kibibyte = strings.Repeat("x", 1<<10)

// bearer adds the token of service_role.
func (c *child) bearer(h http.Header) http.Header {
	if h == nil {
		h = http.Header{}
	}
	h.Set("Authorization", "Bearer "+c.service)
	return h
}

// BenchmarkSmall measures requests for 1 KiB against a server in a process of
// its own: how many there are in a second, and what the server and PostgreSQL
// compute for one. The rate that is judged is the best of several rounds, and
// the processor time that of the cheapest, as a machine that does something
// else as well shows in both. An upload is judged beside its own SQL as well.
// "memory" keeps files as a fixture does, in memory where there is such a file
// system; beside durable files there is no aim but what the disk allows.
func BenchmarkSmall(b *testing.B) {
	a := start(b)
	a.bucket("b", true)
	for _, kind := range []struct{ name, env string }{{"memory", childEphemeral + "=1"}, {"durable", childEphemeral + "="}} {
		b.Run(kind.name, func(b *testing.B) {
			dir := b.TempDir()
			if kind.name == "memory" {
				dir = memoryDir(b)
			}
			c := startChild(b, a, dir, kind.env)
			c.do("PUT", "/object/b/k", a.service, kibibyte).ok(b)
			for _, s := range smalls {
				for _, clients := range []int{1, 8} {
					limit := s.one
					if clients == 8 {
						limit = s.eight
					}
					b.Run(fmt.Sprintf("%s/%d", s.name, clients), func(b *testing.B) {
						got := c.load(b, s, clients)
						if s.name == "upload" && kind.name == "memory" {
							c.besideSQL(b, clients, got)
						}
						if kind.name == "durable" && s.name != "download" && s.name != "public" {
							return
						}
						b.ReportMetric(limit, "limit-req/s")
						if b.N >= enough && got.perSecond < limit {
							b.Errorf("%.0f requests a second, fewer than %.0f", got.perSecond, limit)
						}
						if b.N >= enough && got.server > cpuLimit {
							b.Errorf("%v of the server's processor time for a request, more than %v", got.server, cpuLimit)
						}
					})
				}
			}
			c.kill()
			a.exec(`set role service_role; set storage.allow_delete_query = 'true'; delete from storage.objects; reset role`)
		})
	}
}

// memoryDir is a directory in memory, or at least a temporary one.
func memoryDir(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "storage-bench-")
	if err != nil {
		return b.TempDir()
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// sqlLimit is how many times as long as its SQL an upload may take.
const sqlLimit = 2.5

// besideSQL reports how many times as long as its bare SQL an upload takes,
// and fails when that is above the limit in the processor time of server and
// database together, too: on a machine that is busy with something else the
// rates alone tell little. The SQL is what an upload asks and writes, under no
// settings but the role and with no lock, in as many round trips.
func (c *child) besideSQL(b *testing.B, clients int, got smallest) {
	b.Helper()
	cfg, err := pgx.ParseConfig(c.dsn)
	if err != nil {
		b.Fatal(err)
	}
	db := session.New(session.Config{ConnConfig: cfg, MaxConns: clients})
	defer db.Close()
	settings := &session.Settings{SearchPath: "storage", Role: "service_role"}
	round := func(int) error {
		insert := session.Statement{SQL: `insert into storage.objects (bucket_id, name, version, metadata) values ('b', $1, $2, $3)`,
			Params: [][]byte{fmt.Appendf(nil, "sql-%d", serial.Add(1)), []byte("1"), []byte(`{"mimetype":"application/json","contentLength":1024}`)}}
		_, err := db.Do(b.Context(), settings, session.Options{Rollback: true},
			session.Statement{SQL: `select file_size_limit, allowed_mime_types from storage.buckets where id = 'b'`}, insert)
		if err == nil {
			insert.Params[1] = []byte("5e2c1d7a-6f0b-4c8e-9a51-3b7d2f4e8c60")
			_, err = db.Do(b.Context(), settings, session.Options{}, insert)
		}
		return err
	}
	var least time.Duration
	var most float64
	const n = 1000
	for range 3 {
		before := c.databaseTime(b)
		sql, err := lean.Load(clients, n, round)
		if err != nil {
			b.Fatal(err)
		}
		if cpu := (sql.CPU + c.databaseTime(b) - before) / n; least == 0 || cpu < least {
			least = cpu
		}
		most = max(most, sql.PerSecond)
	}
	rate, cpu := most/got.perSecond, got.both.Seconds()/least.Seconds()
	b.ReportMetric(rate, "of-sql")
	b.ReportMetric(cpu, "of-sql-cpu")
	if b.N >= enough && min(rate, cpu) > sqlLimit {
		b.Errorf("an upload takes %.2f times its SQL, and %.2f times its processor time: %.1f is the limit", rate, cpu, sqlLimit)
	}
}

// serial makes the names of objects unique.
var serial atomic.Int64

// smallest are the figures of a load: the rate of the best round, and the
// processor time for one request of the cheapest, of the server and of server
// and database together.
type smallest struct {
	perSecond    float64
	server, both time.Duration
}

// load has so many clients send b.N requests in rounds.
func (c *child) load(b *testing.B, s small, clients int) (best smallest) {
	b.Helper()
	conns := make([]*lean.Client, clients)
	for i := range conns {
		l, err := lean.Dial(c.url)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { l.Close() })
		conns[i] = l
	}
	round := func(i int) error {
		status, body, err := conns[i].Do(s.request(c, serial.Add(1)))
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %s", status, body)
		}
		return err
	}
	if _, err := lean.Load(clients, int64(50*clients), round); err != nil {
		b.Fatal(err)
	}
	const most = 1000 // requests of a round
	var server, database, median time.Duration
	b.ResetTimer()
	for left := b.N; left > 0; left -= most {
		n := min(left, most)
		s0, d0 := cpuOf(b, c.cmd.Process.Pid), c.databaseTime(b)
		got, err := lean.Load(clients, int64(n), round)
		if err != nil {
			b.Fatal(err)
		}
		used, asked := cpuOf(b, c.cmd.Process.Pid)-s0, c.databaseTime(b)-d0
		server, database, median = server+used, database+asked, median+got.Median*time.Duration(n)
		best.perSecond = max(best.perSecond, got.PerSecond)
		if per := used / time.Duration(n); best.server == 0 || per < best.server {
			best.server = per
		}
		if per := (used + asked) / time.Duration(n); best.both == 0 || per < best.both {
			best.both = per
		}
	}
	b.StopTimer()
	micro := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(b.N) }
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric(best.perSecond, "best-req/s")
	b.ReportMetric(micro(median), "p50-µs")
	b.ReportMetric(micro(server), "cpu-µs/op")
	b.ReportMetric(float64(best.server.Microseconds()), "best-cpu-µs/op")
	b.ReportMetric(micro(database), "pg-cpu-µs/op")
	return best
}

// cpuOf is the time that a process has computed, with all its threads.
func cpuOf(b *testing.B, pid int) time.Duration {
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

// databaseTime is what PostgreSQL has computed for the connections to it.
func (a *api) databaseTime(b testing.TB) time.Duration {
	b.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	sum, err := lean.DatabaseTime(b.Context(), a.admin)
	if err != nil {
		b.Fatal(err)
	}
	return sum
}
