package session_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/suparust/suparust/server/internal/session"
)

// What is tried is undone, before the others run and in their round trip; when
// it fails they do not run at all.
func TestTry(t *testing.T) {
	t.Parallel()
	all, srv := open(t, 1)
	ctx := t.Context()
	service, user := as("service_role", ""), as("authenticated", "u1")
	count := session.Statement{SQL: "select count(*) from notes"}
	mine := session.Statement{SQL: "insert into notes values ($1, 'u1')", Params: [][]byte{[]byte("6000")}, As: user}
	theirs := session.Statement{SQL: "insert into notes values (6001, 'u2')", As: user}
	insert := session.Statement{SQL: "insert into notes values ($1, 'u3')", Params: [][]byte{[]byte("6000")}}
	who := session.Statement{SQL: "select current_user"}
	numbers := func(res []session.Result) string {
		var all []string
		for _, r := range res {
			if len(r.Rows) == 0 {
				all = append(all, r.Tag.String())
				continue
			}
			all = append(all, string(r.Rows[0][0]))
		}
		return strings.Join(all, ", ")
	}
	db, trips := counting(t, srv)
	for name, c := range map[string]struct {
		try, do    []session.Statement
		o          session.Options
		want, code string
		rows       string // that are there afterwards
		trips      int64
	}{
		"both run":                 {[]session.Statement{count, mine, count}, []session.Statement{who, count, insert}, session.Options{}, "100, INSERT 0 1, 11, service_role, 100, INSERT 0 1", "", "101", 1},
		"the trial is refused":     {[]session.Statement{count, theirs}, []session.Statement{insert}, session.Options{}, "100", "42501", "100", 1},
		"the statement is refused": {[]session.Statement{count, mine}, []session.Statement{insert, {SQL: "select 1/0"}}, session.Options{}, "100, INSERT 0 1, INSERT 0 1", "22012", "100", 1},
		"both are undone":          {[]session.Statement{mine}, []session.Statement{insert, count}, session.Options{Rollback: true}, "INSERT 0 1, INSERT 0 1, 101", "", "100", 1},
		"a check refuses": {[]session.Statement{mine}, []session.Statement{insert}, session.Options{Check: func(res []session.Result) error {
			if len(res) != 2 {
				t.Errorf("checked %d results", len(res))
			}
			return errors.New("no")
		}}, "INSERT 0 1, INSERT 0 1", "no", "100", 2},
	} {
		for range 2 { // prepared at the second time
			before := trips.Load()
			c.o.Try = c.try
			res, err := db.Do(ctx, service, c.o, c.do...)
			code := ""
			var pe *pgconn.PgError
			if errors.As(err, &pe) {
				code = pe.Code
			} else if err != nil {
				code = err.Error()
			}
			if n := trips.Load() - before; n != c.trips {
				t.Errorf("%s: %d round trips, not %d", name, n, c.trips)
			}
			if got := numbers(res); got != c.want || code != c.code {
				t.Errorf("%s: %s and %q, want %s and %q", name, got, code, c.want, c.code)
			}
			if got := one(t, all, service, count.SQL); got != c.rows {
				t.Errorf("%s: %s rows, not %s", name, got, c.rows)
			}
			if _, err := all.Do(ctx, service, session.Options{}, session.Statement{SQL: "delete from notes where id >= 6000"}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
