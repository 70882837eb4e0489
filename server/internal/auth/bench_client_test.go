package auth_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/suparust/suparust/server/internal/httpx/lean"
)

// dial opens so many kept connections.
func (f *fixture) dial(b *testing.B, clients int) []*lean.Client {
	b.Helper()
	conns := make([]*lean.Client, clients)
	for i := range conns {
		c, err := lean.Dial(f.url)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { c.Close() })
		conns[i] = c
	}
	return conns
}

// raw is a request as it is sent; token "" is the anon key's.
func (f *fixture) raw(method, target, token, body string) []byte {
	if token == "" {
		token = f.keys.AnonKey
	}
	return lean.Request(method, f.url, target, http.Header{"Apikey": {f.keys.AnonKey}, "Authorization": {"Bearer " + token}}, body)
}

// answered sends a request and refuses an answer other than 200.
func answered(c *lean.Client, request []byte) ([]byte, error) {
	status, body, err := c.Do(request)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%d %s", status, body)
	}
	return body, err
}

// measure has so many workers do rounds until b.N are done, after some that do
// not count, and reports the rate, the times of one and the processor time of
// one: that of this process, the client's included, and that of PostgreSQL.
func (f *fixture) measure(b *testing.B, workers int, round func(worker int) error) lean.Figures {
	b.Helper()
	if _, err := lean.Load(workers, int64(50*workers), round); err != nil {
		b.Fatal(err)
	}
	database := f.databaseTime(b)
	b.ReportAllocs()
	b.ResetTimer()
	got, err := lean.Load(workers, int64(b.N), round)
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
	database = f.databaseTime(b) - database
	b.ReportMetric(got.PerSecond, "req/s")
	b.ReportMetric(micro(got.Median), "p50-µs")
	b.ReportMetric(micro(got.P99), "p99-µs")
	b.ReportMetric(micro(got.CPU)/float64(b.N), "cpu-µs/op")
	b.ReportMetric(micro(database)/float64(b.N), "pg-cpu-µs/op")
	return got
}

func micro(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// best is the highest rate of three loads.
func best(b *testing.B, workers int, n int64, round func(worker int) error) float64 {
	b.Helper()
	var rate float64
	for range 3 {
		got, err := lean.Load(workers, n, round)
		if err != nil {
			b.Fatal(err)
		}
		rate = max(rate, got.PerSecond)
	}
	return rate
}

// withinSQL reports how many times as long as its bare SQL a request takes,
// and fails when that is above the limit.
func withinSQL(b *testing.B, got lean.Figures, bare, limit float64) {
	b.Helper()
	b.ReportMetric(bare, "bare-req/s")
	b.ReportMetric(bare/got.PerSecond, "of-bare")
	if b.N >= 1000 && bare > limit*got.PerSecond {
		b.Errorf("a request takes %.2f times its bare SQL, %.1f is the limit", bare/got.PerSecond, limit)
	}
}

// databaseTime is the processor time of the connections to the database.
func (f *fixture) databaseTime(b *testing.B) (sum time.Duration) {
	b.Helper()
	rows, err := f.db(b).Query(b.Context(), "select pid from pg_stat_activity where backend_type = 'client backend'")
	if err != nil {
		b.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		b.Fatal(err)
	}
	for _, pid := range pids {
		sum += lean.ProcessorTimeOf(pid)
	}
	return sum
}

// bare is a connection of the kind the API has, with statements prepared on it.
type bare struct{ *pgconn.PgConn }

func (f *fixture) bare(b *testing.B, statements map[string]string) bare {
	b.Helper()
	c, err := pgx.ConnectConfig(b.Context(), f.connect("supabase_auth_admin"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close(context.Background()) })
	for name, sql := range statements {
		if _, err := c.Prepare(b.Context(), "bare_"+name, sql); err != nil {
			b.Fatal(err)
		}
	}
	return bare{c.PgConn()}
}

// step is the execution of a prepared statement.
type step struct {
	name   string
	params []string
}

// run does the steps in one round trip and returns the rows of the last one.
func (c bare) run(steps ...step) ([][][]byte, error) {
	p := c.StartPipeline(context.Background())
	for _, s := range steps {
		params := make([][]byte, len(s.params))
		for i, v := range s.params {
			params[i] = []byte(v)
		}
		p.SendQueryPrepared("bare_"+s.name, params, nil, nil)
	}
	if err := p.Sync(); err != nil {
		return nil, err
	}
	var rows [][][]byte
	for range steps {
		got, err := p.GetResults()
		if err != nil {
			return nil, err
		}
		res := got.(*pgconn.ResultReader).Read()
		if res.Err != nil {
			return nil, res.Err
		}
		rows = res.Rows
	}
	return rows, p.Close()
}

// query is the text of one of the API's own statements.
func query(b *testing.B, names ...string) (sql string) {
	b.Helper()
	for _, name := range names {
		text, err := os.ReadFile("queries/" + name + ".sql")
		if err != nil {
			b.Fatal(err)
		}
		sql += string(text)
	}
	return sql
}
