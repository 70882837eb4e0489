package session_test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/session"
)

func TestLater(t *testing.T) {
	t.Parallel()
	db, srv := open(t, 1)
	ctx := t.Context()
	srv.Exec(t, "create table later(n int primary key); grant all on later to authenticator")
	count := func() string { return one(t, db, nil, "select count(*) from later") }
	put := func(tx *session.Tx, n int, failed func(error)) {
		if err := tx.Later(ctx, failed, "insert into later values ($1)", n); err != nil {
			t.Error(err)
		}
	}
	unexpected := func(err error) { t.Error(err) }

	t.Run("it is done before what follows", func(t *testing.T) {
		err := db.Tx(ctx, nil, func(tx *session.Tx) error {
			put(tx, 1, unexpected)
			var n int
			if err := tx.QueryRow(ctx, "select count(*) from later").Scan(&n); err != nil || n != 1 {
				t.Error(n, err)
			}
			put(tx, 2, unexpected)
			tag, err := tx.Exec(ctx, "update later set n = n + 100")
			if tag.RowsAffected() != 2 {
				t.Error(tag)
			}
			put(tx, 3, unexpected)
			rows, qerr := tx.Query(ctx, "select n from later")
			if qerr != nil {
				return qerr
			}
			for n = 0; rows.Next(); n++ {
			}
			if n != 3 || rows.Err() != nil {
				t.Error(n, rows.Err())
			}
			put(tx, 4, unexpected)
			if serr := tx.Savepoint(ctx, func(tx *session.Tx) error { put(tx, 5, unexpected); return nil }); serr != nil {
				t.Error(serr)
			}
			put(tx, 6, unexpected)
			return err
		})
		if err != nil || count() != "6" {
			t.Error(err, count())
		}
	})
	t.Run("its failure undoes all", func(t *testing.T) {
		for name, rest := range map[string]func(*session.Tx) error{
			"at the end":  func(*session.Tx) error { return nil },
			"a row":       func(tx *session.Tx) error { var n int; return tx.QueryRow(ctx, "select 1").Scan(&n) },
			"a statement": func(tx *session.Tx) error { _, err := tx.Exec(ctx, "select 1"); return err },
			"rows": func(tx *session.Tx) error {
				rows, err := tx.Query(ctx, "select 1")
				if err == nil {
					rows.Close()
					err = rows.Err()
				}
				return err
			},
			"Flush":         func(tx *session.Tx) error { return tx.Flush(ctx) },
			"a savepoint":   func(tx *session.Tx) error { return tx.Savepoint(ctx, func(*session.Tx) error { return nil }) },
			"it overlooked": func(tx *session.Tx) error { _ = tx.Flush(ctx); return nil },
		} {
			var told error
			err := db.Tx(ctx, nil, func(tx *session.Tx) error {
				put(tx, 7, unexpected)
				put(tx, 6, func(err error) { told = err })
				return rest(tx)
			})
			if err == nil || code(told) != "23505" || count() != "6" {
				t.Errorf("%s: %v, told %v, %s rows", name, err, told, count())
			}
		}
	})
	t.Run("it is undone unsent", func(t *testing.T) {
		wrong := errors.New("wrong")
		err := db.Tx(ctx, nil, func(tx *session.Tx) error { put(tx, 8, unexpected); return wrong })
		if !errors.Is(err, wrong) || count() != "6" {
			t.Error(err, count())
		}
		if err := db.Tx(ctx, nil, func(*session.Tx) error { return nil }); err != nil {
			t.Error(err)
		}
	})
	t.Run("nothing is prepared, nothing waits", func(t *testing.T) {
		db.Prepare(false)
		defer db.Prepare(true)
		err := db.Tx(ctx, nil, func(tx *session.Tx) error { put(tx, 9, unexpected); return nil })
		if err != nil || count() != "7" {
			t.Error(err, count())
		}
	})
}

func TestLast(t *testing.T) {
	t.Parallel()
	db, srv := open(t, 1)
	ctx := t.Context()
	srv.Exec(t, `create table last(n int primary key, m int references last deferrable initially deferred);
		grant all on last to authenticator`)
	last := func(n int, m any) (back int, err error) {
		err = db.Tx(ctx, nil, func(tx *session.Tx) error {
			if err := tx.Later(ctx, func(error) {}, "insert into last values ($1)", n); err != nil {
				return err
			}
			return tx.Last(ctx, "update last set m = $2 where n = $1 returning n", n, m).Scan(&back)
		})
		return back, err
	}
	for _, prepare := range []bool{true, false} {
		db.Prepare(prepare)
		srv.Exec(t, "truncate last")
		if n, err := last(1, nil); err != nil || n != 1 {
			t.Error(prepare, n, err)
		}
		if _, err := last(1, nil); code(err) != "23505" { // what was put off fails
			t.Error(prepare, err)
		}
		if _, err := last(2, "no number"); err == nil { // the statement fails
			t.Error(prepare, "no error")
		}
		if _, err := last(3, 7); code(err) != "23503" { // the end fails
			t.Error(prepare, err)
		}
		if got := one(t, db, nil, "select string_agg(n::text, ',') from last"); got != "1" {
			t.Error(prepare, got)
		}
	}
}

// TestLastOverlooked overlooks what a Last has told, or never asks it: then
// nothing is committed, Tx says so, and the connection is as good as before.
func TestLastOverlooked(t *testing.T) {
	t.Parallel()
	db, srv := open(t, 1)
	ctx := t.Context()
	srv.Exec(t, `create table overlooked(n int primary key, m int references overlooked deferrable initially deferred);
		grant all on overlooked to anon, authenticator`)
	const insert = "insert into overlooked values ($1, $2) returning n"
	for name, last := range map[string]func(*session.Tx){
		"the statement fails": func(tx *session.Tx) { _ = tx.Last(ctx, insert, 1, "no number").Scan(new(int)) },
		"PostgreSQL fails it": func(tx *session.Tx) { _ = tx.Last(ctx, "select 1 / $1::int", 0).Scan(new(int)) },
		"the end fails":       func(tx *session.Tx) { _ = tx.Last(ctx, insert, 1, 7).Scan(new(int)) },
		"what was put off fails": func(tx *session.Tx) {
			_ = tx.Later(ctx, func(error) {}, "select 1 / $1::int", 0)
			_ = tx.Last(ctx, insert, 1, nil).Scan(new(int))
		},
		"the row is not scanned": func(tx *session.Tx) { tx.Last(ctx, "select 1 / $1::int", 0) },
	} {
		for _, s := range []*session.Settings{nil, as("anon", "")} {
			err := db.Tx(ctx, s, func(tx *session.Tx) error { last(tx); return nil })
			if err == nil {
				t.Errorf("%s, settings %v: no error", name, s != nil)
			}
			if n := one(t, db, nil, "select count(*) from overlooked"); n != "0" {
				t.Errorf("%s, settings %v: %s rows", name, s != nil, n)
			}
		}
	}
}

// TestLastCommitted overlooks that a row is not there, or what it is: all is
// committed.
func TestLastCommitted(t *testing.T) {
	t.Parallel()
	db, srv := open(t, 1)
	ctx := t.Context()
	srv.Exec(t, "create table kept(n serial); grant all on all tables in schema public to authenticator; grant all on all sequences in schema public to authenticator")
	for i, last := range []func(*session.Tx){
		func(tx *session.Tx) {
			_ = tx.Later(ctx, func(err error) { t.Error(err) }, "insert into kept default values")
			if err := tx.Last(ctx, "select 1 where false").Scan(new(int)); !errors.Is(err, pgx.ErrNoRows) {
				t.Error(err)
			}
		},
		func(tx *session.Tx) { tx.Last(ctx, "insert into kept default values") },
	} {
		err := db.Tx(ctx, nil, func(tx *session.Tx) error { last(tx); return nil })
		if n := one(t, db, nil, "select count(*) from kept"); err != nil || n != strconv.Itoa(i+1) {
			t.Error(i, err, n)
		}
	}
}

// TestBusy leaves an answer unread that is yet to come, so that the connection
// cannot be used again.
func TestBusy(t *testing.T) {
	t.Parallel()
	db, _ := open(t, 1)
	err := db.With(t.Context(), func(c *pgx.Conn) error {
		_, err := c.Query(t.Context(), "select pg_sleep(0.2)") //nolint:sqlclosecheck // that is what must do no harm
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := one(t, db, nil, "select 1"); got != "1" {
		t.Error(got)
	}
}
