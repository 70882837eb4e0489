package rest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/catalog"
)

// bigSchema is so many tables, each but the first with a reference to the one
// before it, and so many views on them.
func bigSchema(tables, views int) string {
	var b strings.Builder
	for i := range tables {
		fmt.Fprintf(&b, "create table t%d(id int primary key, name text not null, made timestamptz default now(), amount numeric(10,2)", i)
		if i > 0 {
			fmt.Fprintf(&b, ", other int references t%d (id)", i-1)
		}
		b.WriteString(");\n")
	}
	for i := range views {
		fmt.Fprintf(&b, "create view v%d as select id, name, amount from t%d;\n", i, i)
	}
	return b.String()
}

// BenchmarkSchemaLoad is the first reading of a schema, over a connection that
// has not read anything before.
func BenchmarkSchemaLoad(b *testing.B) {
	for _, size := range []struct {
		tables, views int
		limit         time.Duration
	}{{70, 30, 30 * time.Millisecond}, {1000, 300, 150 * time.Millisecond}} {
		b.Run(fmt.Sprintf("%dTables%dViews", size.tables, size.views), func(b *testing.B) {
			f := start(b, bigSchema(size.tables, size.views))
			ctx := context.Background()
			var times []time.Duration
			for b.Loop() {
				b.StopTimer()
				conn := f.socketAs(b, "authenticator")
				b.StartTimer()
				begin := time.Now()
				s, err := catalog.Load(ctx, conn, catalog.Options{Schemas: []string{"public"}})
				times = append(times, time.Since(begin))
				b.StopTimer()
				if err != nil || len(s.Relations) != size.tables+size.views {
					b.Fatal(err, len(s.Relations))
				}
				conn.Close(ctx)
				b.StartTimer()
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2])/1e6, "p50-ms")
			b.ReportMetric(float64(size.limit)/1e6, "limit-ms")
		})
	}
}
