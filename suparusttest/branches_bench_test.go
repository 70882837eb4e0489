//go:build unix

package suparusttest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// BenchmarkBranch measures a branch from its being asked for to its first answer:
// of the project, of what a server with a database of 20 MB has, and of a
// snapshot of that. What it is compared with is a Start with nothing made ready and
// its first answer, in the same rounds, and the copies of the database in a branch
// of it.
func BenchmarkBranch(b *testing.B) {
	b.Cleanup(func() { closePools(b) })
	dir := publicTempDir(b)
	srv := suparusttest.Start(b, suparusttest.WithoutProject(), suparusttest.WithConfig(func(c *server.Config) { c.SnapshotDir = dir }))
	fill(b, srv)
	srv.SaveSnapshot(b, "filled")
	c := srv.Control(b)
	for _, from := range []struct {
		name, body string
		copies     int // of the database
	}{{"project", `{}`, 0}, {"current", `{"from":"current"}`, 2}, {"snapshot", `{"snapshot":"filled"}`, 1}} {
		b.Run(from.name, func(b *testing.B) {
			var took, copies, starts []time.Duration
			for b.Loop() {
				var made branch
				took = append(took, timed(func() {
					c.Post(b, "/branches", from.body).WantStatus(b, http.StatusCreated).JSON(b, &made)
					api := &suparusttest.Client{HTTP: c.HTTP, URL: made.URL, Header: http.Header{"Apikey": {made.AnonKey}}}
					api.Get(b, "/rest/v1/").WantStatus(b, http.StatusOK)
				}))
				c.Delete(b, "/branches/"+made.ID).WantStatus(b, http.StatusNoContent)
				copies = append(copies, byCopy(b, srv))
				closePools(b)
				test(b, func(tb testing.TB) {
					starts = append(starts, timed(func() {
						suparusttest.Start(tb, suparusttest.WithoutProject()).Client().Get(tb, "/rest/v1/").WantStatus(tb, http.StatusOK)
					}))
					closePools(b)
				})
			}
			b.ReportMetric(ms(median(took)), "ms/branch")
			b.ReportMetric(ms(median(starts)), "ms/start")
			b.ReportMetric(ms(median(copies)), "ms/cp")
			limit := branchMore + median(starts) + 2*time.Duration(from.copies)*median(copies)
			b.ReportMetric(ms(limit), "ms/limit")
			if len(took) >= enough && median(took) > limit {
				b.Errorf("a branch takes %s, the limit is %s", median(took), limit)
			}
		})
	}
}

// branchMore is what a branch may take beside what it is compared with.
const branchMore = 20 * time.Millisecond
