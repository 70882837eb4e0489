package rest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/session"
)

var byKey = call{method: "GET", target: "/items?select=id,name&id=eq.4711", status: 200, want: `[{"id":4711,"name":"name 4711"}]`}

// leastRatio is the least part of the bare select's rate that a whole request
// may reach: below it something has become slow that is not PostgreSQL.
const leastRatio = 0.12

// BenchmarkByKey is a row by its key for eight clients, beside two limits that
// are measured in the same run. "bare" is the same select, prepared, over as
// many connections and with nothing around it; "engine" is what a request asks
// of PostgreSQL, its settings, its role and the statement that makes the body,
// with no HTTP around it. The ratios are the request's rate to theirs: the
// first tells what a request costs, the second what is not PostgreSQL in it.
func BenchmarkByKey(b *testing.B) {
	f := start(b, benchSchema)
	token := f.token(b, map[string]any{"role": "authenticated", "sub": "u1", "exp": 4102444800})
	b.Run("1", func(b *testing.B) {
		f.load(b, 1, token, &byKey)
		b.ReportMetric(250, "aim-p50-µs")
	})
	b.Run("8", func(b *testing.B) {
		bare, engine := bareRate(b, f, 8), engineRate(b, f, 8)
		rate, _ := f.load(b, 8, token, &byKey)
		b.ReportMetric(bare, "bare-req/s")
		b.ReportMetric(engine, "engine-req/s")
		b.ReportMetric(rate/bare, "to-bare")
		b.ReportMetric(rate/engine, "to-engine")
		if b.N > 1000 && rate < leastRatio*bare {
			b.Errorf("%.0f requests a second are less than %.2f of the %.0f of the bare select", rate, leastRatio, bare)
		}
	})
}

// rate is how often do is done in a second by so many at once, the best of
// three rounds.
func rate(b *testing.B, clients int, do func(client int) error) float64 {
	b.Helper()
	const each = 2000
	var best float64
	for range 3 {
		begin := time.Now()
		done := make(chan error)
		for i := range clients {
			go func() {
				var err error
				for n := 0; n < each && err == nil; n++ {
					err = do(i)
				}
				done <- err
			}()
		}
		for range clients {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		}
		best = max(best, float64(each*clients)/time.Since(begin).Seconds())
	}
	return best
}

func bareRate(b *testing.B, f *fixture, clients int) float64 {
	b.Helper()
	ctx := context.Background()
	conns := make([]*pgx.Conn, clients)
	for i := range conns {
		conns[i] = f.socket(b)
		if _, err := conns[i].Prepare(ctx, "bare", "select id, name from items where id = $1"); err != nil {
			b.Fatal(err)
		}
	}
	return rate(b, clients, func(i int) error {
		return conns[i].PgConn().ExecPrepared(ctx, "bare", [][]byte{[]byte("4711")}, nil, nil).Read().Err
	})
}

func engineRate(b *testing.B, f *fixture, clients int) float64 {
	b.Helper()
	db := session.New(session.Config{ConnConfig: f.socketConfig(b, "authenticator"), MaxConns: clients})
	b.Cleanup(db.Close)
	var version int64
	if _, err := fmt.Sscan(f.value(b, "select coalesce(sum(n), 0)::text from suparust.ddl_log"), &version); err != nil {
		b.Fatal(err)
	}
	settings := session.Settings{
		SearchPath: `"public", "public", "extensions"`, Role: "authenticated", RoleSettings: []session.Setting{{Name: "statement_timeout", Value: "8s"}},
		Claims: []byte(`{"exp":4102444800,"role":"authenticated","sub":"u1"}`), Subject: "u1", ClaimRole: "authenticated",
		Method: "GET", Path: "/items", Headers: []byte(`{"host":"127.0.0.1"}`), Cookies: []byte(`{}`), RequestID: "0123456789abcdef", SchemaVersion: &version,
	}
	statement := session.Statement{Params: [][]byte{[]byte("4711")}, SQL: `with "pgrst_source" as (select "public"."items"."id", "public"."items"."name" ` +
		`from "public"."items" where "public"."items"."id" = $1 limit 1000) select null as "total", count(*) as "page", null as "location", ` +
		`coalesce(json_agg("_pgrst_row"), '[]') as "body", current_setting('response.headers', true) as "headers", ` +
		`current_setting('response.status', true) as "status", null as "inserted" from (select * from "pgrst_source") as "_pgrst_row"`}
	return rate(b, clients, func(int) error {
		_, err := db.Do(context.Background(), &settings, session.Options{ReadOnly: true}, statement)
		return err
	})
}

// BenchmarkSelectByKey is the row with the client of net/http, as an app in Go
// meets it. The metric "bare" is the same select, prepared, over the same
// socket; "ratio" is how much longer the request takes.
func BenchmarkSelectByKey(b *testing.B) {
	f := start(b, benchSchema)
	bare := barePrepared(b, f)
	req, err := http.NewRequest(http.MethodGet, f.URL+"/items?select=id,name&id=eq.4711", nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+f.token(b, map[string]any{"role": "authenticated", "sub": "u1"}))
	get := func() {
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || string(body) != `[{"id":4711,"name":"name 4711"}]` {
			b.Fatal(res.StatusCode, string(body), err)
		}
	}
	for range 200 {
		get()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		get()
	}
	perRequest := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(float64(bare.Nanoseconds()), "bare-ns/op")
	b.ReportMetric(float64(perRequest)/float64(bare), "ratio")
}

// BenchmarkSelectByKeyParallel is the same row for several clients at once.
func BenchmarkSelectByKeyParallel(b *testing.B) {
	f := start(b, benchSchema)
	token := f.token(b, map[string]any{"role": "authenticated", "sub": "u1"})
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	b.Cleanup(transport.CloseIdleConnections)
	b.SetParallelism(4)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		c := http.Client{Transport: transport}
		for pb.Next() {
			req, err := http.NewRequest(http.MethodGet, f.URL+"/items?select=id,name&id=eq.4711", nil)
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("Authorization", "Bearer "+token)
			res, err := c.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			_, err = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode != http.StatusOK {
				b.Error(res.StatusCode, err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

// barePrepared is the time of the select alone, the median of several rounds.
func barePrepared(b *testing.B, f *fixture) time.Duration {
	b.Helper()
	ctx := context.Background()
	const sql = "select id, name from items where id = $1"
	conn := f.socket(b)
	if _, err := conn.Prepare(ctx, "bare", sql); err != nil {
		b.Fatal(err)
	}
	var best time.Duration
	for round := range 5 {
		start := time.Now()
		const n = 1000
		for range n {
			res := conn.PgConn().ExecPrepared(ctx, "bare", [][]byte{[]byte("4711")}, nil, nil).Read()
			if res.Err != nil || len(res.Rows) != 1 {
				b.Fatal(res.Err, len(res.Rows))
			}
		}
		if d := time.Since(start) / n; round == 0 || d < best {
			best = d
		}
	}
	return best
}
