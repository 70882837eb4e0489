package session_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/suparust/suparust/server/internal/session"
)

// A statement whose result type has changed is prepared anew.
func TestStatementsFollowTheSchema(t *testing.T) {
	t.Parallel()
	db, srv := open(t, 1)
	all := session.Statement{SQL: "select * from notes where id = 1"}
	for _, ddl := range []string{"select 1", "alter table notes add column extra text", "alter table notes drop column body"} {
		srv.Exec(t, ddl)
		if _, err := db.Do(t.Context(), as("service_role", ""), session.Options{}, all); err != nil {
			t.Errorf("after %s: %v", ddl, err)
		}
	}
}

// More statements than are kept prepared do not add up on the server.
func TestPreparedStatementsAreBounded(t *testing.T) {
	t.Parallel()
	db, _ := open(t, 1)
	for i := range 700 {
		one(t, db, nil, fmt.Sprintf("select %d", i))
	}
	var n int
	if _, err := fmt.Sscan(one(t, db, nil, "select count(*) from pg_prepared_statements"), &n); err != nil || n > 513 {
		t.Errorf("%d statements are prepared: %v", n, err)
	}
}

// A statement that makes room for one that is never reached goes nevertheless.
func TestPreparedStatementsOfFailuresAreBounded(t *testing.T) {
	t.Parallel()
	db, _ := open(t, 1)
	fails := session.Statement{SQL: "select 1 / $1::int", Params: [][]byte{[]byte("0")}}
	for i := range 900 {
		unseen := session.Statement{SQL: fmt.Sprintf("select %d", -i)}
		if _, err := db.Do(t.Context(), nil, session.Options{}, fails, unseen); code(err) != "22012" {
			t.Fatal(err)
		}
		one(t, db, nil, fmt.Sprintf("select %d", i))
	}
	var n int
	if _, err := fmt.Sscan(one(t, db, nil, "select count(*) from pg_prepared_statements"), &n); err != nil || n > 520 {
		t.Errorf("%d statements are prepared: %v", n, err)
	}
}

// Long statements are run and not kept: their plans would fill the memory of
// PostgreSQL long before their number is bounded.
func TestLongStatementsAreNotKept(t *testing.T) {
	t.Parallel()
	db, _ := open(t, 1)
	long := "select count(*) from public.notes where id in (0" + strings.Repeat(", 1", 20_000) + ") and body is distinct from $1"
	for range 2 {
		if got := one(t, db, as("service_role", ""), long, "x"); got != "1" {
			t.Errorf("the count is %s", got)
		}
	}
	if got := one(t, db, nil, "select count(*) from pg_prepared_statements where length(statement) > 20000"); got != "0" {
		t.Errorf("%s long statements are kept", got)
	}
	for i := range 200 { // of a middling length: their number alone would not bound them
		one(t, db, nil, fmt.Sprintf("select %d /* %s */", i, strings.Repeat("x", 15<<10)))
	}
	var sum int
	if _, err := fmt.Sscan(one(t, db, nil, "select sum(length(statement)) from pg_prepared_statements"), &sum); err != nil || sum > 1<<20+1<<10 {
		t.Errorf("%d bytes of statements are kept: %v", sum, err)
	}
}

// Statements that the schema has outgrown do not add up on the server either.
func TestPreparedStatementsOfOldSchemasAreBounded(t *testing.T) {
	t.Parallel()
	db, srv := open(t, 1)
	for i := range 20 {
		srv.Exec(t, fmt.Sprintf("alter table notes add column extra%d text", i))
		for n := range 10 {
			if _, err := db.Do(t.Context(), as("service_role", ""), session.Options{}, session.Statement{SQL: fmt.Sprintf("select * from notes where id = %d", n)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := one(t, db, nil, "select count(*) > 30 from pg_prepared_statements"); got != "f" {
		t.Errorf("%s statements are prepared", one(t, db, nil, "select count(*)::text from pg_prepared_statements"))
	}
}
