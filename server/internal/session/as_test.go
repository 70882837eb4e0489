package session_test

import (
	"testing"

	"github.com/suparust/suparust/server/internal/session"
)

// Statements of one round trip run as different roles, each under its own
// settings, and prepared each for its own role.
func TestStatementsAsAnother(t *testing.T) {
	t.Parallel()
	db, srv := open(t, 1)
	ctx := t.Context()
	service, user, other := as("service_role", ""), as("authenticated", "u1"), as("authenticated", "u2")
	service.Method, service.Path, service.Headers = "POST", "/x", []byte(`{"a":"b"}`)
	for _, s := range []*session.Settings{user, other} {
		s.Method, s.Path, s.Headers = service.Method, service.Path, service.Headers
	}
	count := "select count(*) from notes"
	who := `select current_user || ' ' || current_setting('request.jwt.claim.sub') || ' ' || (current_setting('request.jwt.claims')::json ->> 'role')
		|| ' ' || current_setting('request.path') || ' ' || current_setting('request.headers')`
	text := func(r session.Result) string { return string(r.Rows[0][0]) }

	t.Run("each sees its own", func(t *testing.T) {
		for range 2 {
			res, err := db.Do(ctx, service, session.Options{},
				session.Statement{SQL: count}, session.Statement{SQL: count, As: user}, session.Statement{SQL: who},
				session.Statement{SQL: who, As: other}, session.Statement{SQL: count, As: service}, session.Statement{SQL: who})
			if err != nil || len(res) != 6 {
				t.Fatalf("%v %v", res, err)
			}
			for i, want := range []string{"100", "10", `authenticated u1 authenticated /x {"a":"b"}`, `authenticated u2 authenticated /x {"a":"b"}`,
				"100", `service_role  service_role /x {"a":"b"}`} {
				if got := text(res[i]); got != want {
					t.Errorf("statement %d: %s, want %s", i, got, want)
				}
			}
		}
	})
	t.Run("the results before an error", func(t *testing.T) {
		for name, refused := range map[string]session.Statement{
			"a policy":       {SQL: "insert into notes values (5000, 'u2')", As: user},
			"a syntax error": {SQL: "select from where", As: user},
			"a role":         {SQL: "select 1", As: as("supabase_admin", "")},
		} {
			for _, o := range []session.Options{{}, {Rollback: true}, {Check: func([]session.Result) error { t.Error("checked"); return nil }}} {
				res, err := db.Do(ctx, service, o, session.Statement{SQL: count}, refused, session.Statement{SQL: count})
				if err == nil || len(res) != 1 || text(res[0]) != "100" {
					t.Errorf("%s: %v %v", name, res, err)
				}
			}
		}
	})
	t.Run("undone", func(t *testing.T) {
		insert := session.Statement{SQL: "insert into notes values (5001, 'u1')", As: user}
		res, err := db.Do(ctx, service, session.Options{Rollback: true}, insert, session.Statement{SQL: count})
		if err != nil || text(res[1]) != "11" {
			t.Fatalf("%v %v", res, err)
		}
		if got := one(t, db, service, count); got != "100" {
			t.Errorf("%s rows", got)
		}
	})
	t.Run("a refusal takes one round trip, and so does one that is undone", func(t *testing.T) {
		db, trips := counting(t, srv)
		refused := session.Statement{SQL: "insert into notes values (5000, 'u2')", As: user}
		allowed := session.Statement{SQL: "insert into notes values (5000, 'u1')", As: user}
		for range 2 { // prepared at the second time
			for _, st := range []session.Statement{refused, allowed} {
				before := trips.Load()
				_, err := db.Do(ctx, service, session.Options{Rollback: true}, session.Statement{SQL: count}, st)
				if (err == nil) != (st.SQL == allowed.SQL) {
					t.Error(err)
				}
				if n := trips.Load() - before; n != 1 {
					t.Errorf("%d round trips", n)
				}
			}
		}
	})
}
