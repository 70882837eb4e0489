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
func (f *fixture) measure(b *testing.B, workers int, round func(worker int) error) (lean.Figures, cost) {
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
	return got, cost{got.PerSecond, (got.CPU + database) / time.Duration(b.N)}
}

func micro(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// cost is what one round takes: how many are done in a second, and the
// processor time of one, the database's included.
type cost struct {
	perSecond float64
	cpu       time.Duration
}

// best is the lowest cost of three loads.
func (f *fixture) best(b *testing.B, workers int, n int64, round func(worker int) error) (least cost) {
	b.Helper()
	for range 3 {
		database := f.databaseTime(b)
		got, err := lean.Load(workers, n, round)
		if err != nil {
			b.Fatal(err)
		}
		cpu := (got.CPU + f.databaseTime(b) - database) / time.Duration(n)
		if least.perSecond == 0 || cpu < least.cpu {
			least.cpu = cpu
		}
		least.perSecond = max(least.perSecond, got.PerSecond)
	}
	return least
}

// withinSQL reports how many times as long as its bare SQL a request takes,
// and fails when that is above the limit in processor time too: on a machine
// that is busy with something else the rates alone tell little.
func withinSQL(b *testing.B, got, bare cost, limit float64) {
	b.Helper()
	rate := bare.perSecond / got.perSecond
	cpu := rate
	if bare.cpu > 0 {
		cpu = float64(got.cpu) / float64(bare.cpu)
		b.ReportMetric(cpu, "of-bare-cpu")
	}
	b.ReportMetric(bare.perSecond, "bare-req/s")
	b.ReportMetric(rate, "of-bare")
	if b.N >= 1000 && min(rate, cpu) > limit {
		b.Errorf("a request takes %.2f times its bare SQL, and %.2f times its processor time: %.1f is the limit", rate, cpu, limit)
	}
}

// databaseTime is what PostgreSQL has computed for the connections to it.
func (f *fixture) databaseTime(b testing.TB) time.Duration {
	b.Helper()
	sum, err := lean.DatabaseTime(b.Context(), f.db(b))
	if err != nil {
		b.Fatal(err)
	}
	return sum
}

// bare is a connection of the kind the API has, with statements prepared on it.
type bare struct {
	*pgconn.PgConn
	ids map[string][]int // of each statement, where its columns named id stand
}

func (f *fixture) bare(b *testing.B, statements map[string]string) bare {
	b.Helper()
	c, err := pgx.ConnectConfig(b.Context(), f.connect("supabase_auth_admin"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close(context.Background()) })
	ids := map[string][]int{}
	for name, sql := range statements {
		st, err := c.Prepare(b.Context(), "bare_"+name, sql)
		if err != nil {
			b.Fatal(err)
		}
		for i, column := range st.Fields {
			if column.Name == "id" {
				ids[name] = append(ids[name], i)
			}
		}
	}
	return bare{c.PgConn(), ids}
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
