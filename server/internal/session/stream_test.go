package session_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/suparust/suparust/server/internal/session"
)

func TestStream(t *testing.T) {
	t.Parallel()
	db, srv := open(t, 1) // one connection: what a stream leaves behind, the next one meets
	ctx := t.Context()
	backend := one(t, db, nil, "select pg_backend_pid()")
	same := func(t *testing.T) {
		t.Helper()
		if got := one(t, db, nil, "select pg_backend_pid() || current_user || current_setting('request.jwt.claims', true)"); got != backend+"authenticator" {
			t.Errorf("the next request has %s", got)
		}
	}
	many := session.Statement{SQL: "select i, current_user from generate_series(1, $1::int) i", Params: [][]byte{[]byte("100000")}}

	t.Run("rows as they come, with the results before", func(t *testing.T) {
		for range 2 { // the second time the statements are prepared
			n := 0
			err := db.Stream(ctx, as("authenticated", "u1"), session.Options{ReadOnly: true, Isolation: session.RepeatableRead},
				[]session.Statement{{SQL: "select 'first'"}, {SQL: "show transaction_read_only", Unprepared: true}, many},
				func(values [][]byte, before []session.Result) error {
					n++
					if string(values[0]) != fmt.Sprint(n) || string(values[1]) != "authenticated" || len(before) != 2 ||
						string(before[0].Rows[0][0]) != "first" || string(before[1].Rows[0][0]) != "on" {
						return fmt.Errorf("row %d is %q", n, values)
					}
					return nil
				})
			if err != nil || n != 100000 {
				t.Errorf("%d rows, %v", n, err)
			}
			same(t)
		}
	})
	t.Run("an error of the receiver ends the statement", func(t *testing.T) {
		enough := errors.New("enough")
		n := 0
		err := db.Stream(ctx, as("anon", ""), session.Options{}, []session.Statement{
			{SQL: "select i, pg_sleep(case when i > 50000 then 60 else 0 end) from generate_series(1, 100000) i"}},
			func([][]byte, []session.Result) error {
				if n++; n == 10 {
					return enough
				}
				return nil
			})
		if !errors.Is(err, enough) || n != 10 {
			t.Errorf("%d rows, %v", n, err)
		}
		same(t)
	})
	t.Run("an error after some rows", func(t *testing.T) {
		n := 0
		err := db.Stream(ctx, as("anon", ""), session.Options{}, []session.Statement{{SQL: "select 1 / (50000 - i) from generate_series(1, 100000) i"}},
			func([][]byte, []session.Result) error { n++; return nil })
		if code(err) != "22012" || n != 49999 {
			t.Errorf("%d rows, %v", n, err)
		}
		same(t)
	})
	t.Run("an error before any", func(t *testing.T) {
		for _, sql := range []string{"select nope", "select 1/0", "insert into checked values (1)"} {
			err := db.Stream(ctx, as("anon", ""), session.Options{ReadOnly: true}, []session.Statement{{SQL: sql}, many},
				func([][]byte, []session.Result) error { return errors.New("a row") })
			if len(code(err)) != 5 {
				t.Errorf("%s: %v", sql, err)
			}
			same(t)
		}
	})
	t.Run("a statement that no longer fits is prepared anew", func(t *testing.T) {
		for _, column := range []string{"one", "two"} {
			srv.Exec(t, "drop table if exists public.shifting; create table public.shifting as select 1 as "+column+"; grant select on public.shifting to anon")
			if column == "two" {
				srv.Exec(t, "alter table public.shifting add more text default 'x'")
			}
			n := 0
			err := db.Stream(ctx, as("anon", ""), session.Options{}, []session.Statement{{SQL: "select * from shifting"}},
				func(values [][]byte, _ []session.Result) error { n += len(values); return nil })
			if want := map[string]int{"one": 1, "two": 2}[column]; err != nil || n != want {
				t.Errorf("%d values, want %d: %v", n, want, err)
			}
		}
	})
	t.Run("a client that goes away", func(t *testing.T) {
		gone, cancel := context.WithCancel(ctx)
		defer cancel()
		err := db.Stream(gone, as("anon", ""), session.Options{}, []session.Statement{
			{SQL: "select i, pg_sleep(case when i > 50000 then 60 else 0 end) from generate_series(1, 100000) i"}},
			func([][]byte, []session.Result) error { cancel(); return nil })
		if err == nil {
			t.Error("the statement has ended by itself")
		}
		if got := one(t, db, nil, "select current_user"); got != "authenticator" {
			t.Errorf("the next request runs as %s", got)
		}
	})
}
