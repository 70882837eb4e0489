package rest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/httpx/lean"
)

// BenchmarkSchemaReload is the reading of a schema over a connection that has
// read it before, which is what a change of the schema costs. It fails where
// the processor time of both sides is above the limit: they work one after the
// other, so that is what a quiet machine needs.
func BenchmarkSchemaReload(b *testing.B) {
	for _, size := range []struct {
		relations int
		limit     time.Duration
	}{{100, 10 * time.Millisecond}, {5000, 200 * time.Millisecond}} {
		b.Run(fmt.Sprintf("%dRelations", size.relations), func(b *testing.B) {
			f := start(b, "")
			var sql strings.Builder
			for i := range size.relations {
				fmt.Fprintf(&sql, "create table t%d(id int primary key, name text not null, made timestamptz default now(), other int references t%d);\n", i, i/2)
				if (i+1)%100 == 0 { // a transaction's locks are bounded
					f.exec(b, sql.String())
					sql.Reset()
				}
			}
			ctx := context.Background()
			conn, err := pgx.ConnectConfig(ctx, f.connConfig(b, "authenticator"))
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close(ctx)
			load := func() time.Duration {
				began := time.Now()
				s, err := catalog.Load(ctx, conn, catalog.Options{Schemas: []string{"public"}, Prepare: true})
				if err != nil || len(s.Relations) != size.relations {
					b.Fatal(err)
				}
				return time.Since(began)
			}
			load()
			var times []time.Duration
			used := lean.ProcessorTime() + f.databaseTime(b)
			for b.Loop() {
				times = append(times, load())
			}
			used = (lean.ProcessorTime() + f.databaseTime(b) - used) / time.Duration(len(times))
			slices.Sort(times)
			b.ReportMetric(float64(used)/1e6, "cpu-ms")
			b.ReportMetric(float64(times[len(times)/2])/1e6, "p50-ms")
			b.ReportMetric(float64(size.limit)/1e6, "limit-ms")
			if used > size.limit {
				b.Errorf("a reload takes %s of the processor, more than %s", used, size.limit)
			}
		})
	}
}
