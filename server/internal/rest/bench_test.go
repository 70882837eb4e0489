package rest_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"
)

// BenchmarkSelectByKey is a row by its key over HTTP. The metric "bare" is the
// limit, measured in the same run: the same select, prepared, over the same
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
