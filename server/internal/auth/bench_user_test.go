package auth_test

import (
	"testing"
)

// BenchmarkGetUser is GET /user for one client and for eight. Of the eight the
// rate is put beside that of the bare statement a request needs, prepared and
// over as many connections of the same kind.
func BenchmarkGetUser(b *testing.B) {
	f := start(b, nil)
	u := f.signUp(b, "bench@example.com")
	request := f.raw("GET", "/user", u.token, "")
	b.Run("1", func(b *testing.B) {
		c := f.dial(b, 1)
		f.measure(b, 1, func(i int) error { _, err := answered(c[i], request); return err })
	})
	b.Run("8", func(b *testing.B) {
		const clients = 8
		statements := map[string]string{"user": query(b, "user", "session")}
		conns := make([]bare, clients)
		for i := range conns {
			conns[i] = f.bare(b, statements)
		}
		params := []string{u.id, claims(b, u.token)["session_id"].(string)}
		bare := f.best(b, clients, 8000, func(i int) error { _, err := conns[i].run(step{"user", params}); return err })
		c := f.dial(b, clients)
		_, got := f.measure(b, clients, func(i int) error { _, err := answered(c[i], request); return err })
		b.ReportMetric(6000, "aim-req/s")
		withinSQL(b, got, bare, 2)
	})
}
