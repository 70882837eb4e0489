package session

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// Statement is one SQL statement with its parameters in text form; a nil
// parameter is NULL.
type Statement struct {
	SQL    string
	Params [][]byte
	// Formats of the result's columns: 1 is binary; nil is text for all.
	Formats []int16
	// Unprepared statements are sent as they are and not kept: for utility
	// statements and texts that will not come again.
	Unprepared bool
	// As are the settings from this statement on; nil leaves those before it.
	// They must have the same names as those, whose other values would stay.
	As *Settings
}

// Result is what a statement returned: its rows in text form but for the
// columns asked for otherwise, a nil value is NULL.
type Result struct {
	Rows [][][]byte
	Tag  pgconn.CommandTag
}

// Isolation levels other than the default.
const (
	RepeatableRead = "repeatable read"
	Serializable   = "serializable"
)

// Options of a transaction.
type Options struct {
	// ReadOnly makes the transaction refuse writes (SQLSTATE 25006).
	ReadOnly bool
	// Isolation is RepeatableRead or Serializable; "" is read committed.
	Isolation string
	// Rollback undoes everything at the end; deferred constraints are checked
	// before.
	Rollback bool
	// Try are statements that are run before the others and undone, in a
	// transaction of their own but in the same round trip; deferred constraints
	// are checked. When one fails, none of the others runs. Their results come
	// first.
	Try []Statement
	// Check looks at the results before they are committed; its error undoes
	// everything and is returned. It costs a second round trip.
	Check func([]Result) error
}

// begin keeps a transaction open beyond the round trip, or until its rollback.
// It comes last: up to it a failure ends the transaction without being asked
// to.
const begin = "begin"

// SQLSTATEs that say that a prepared statement no longer fits the database.
const (
	stateCachedPlan       = "0A000"
	stateUnknownStatement = "26000"
)

// Do runs the statements in one transaction under s, in one round trip. It
// returns when PostgreSQL has committed: an error that arises at the end, such
// as a deferred constraint's, is returned as any other, and with an error the
// results of the statements before it. Database errors are *pgconn.PgError as
// they came.
func (db *DB) Do(ctx context.Context, s *Settings, o Options, stmts ...Statement) ([]Result, error) {
	c, err := db.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer db.release(c)
	res, err := c.do(ctx, s, o, stmts)
	if c.stale(err) {
		c.forgetAll() // nothing has happened: the transaction was undone
		res, err = c.do(ctx, s, o, stmts)
	}
	return res, err
}

// stale tells whether the same may be tried again with statements prepared
// anew.
func (c *conn) stale(err error) bool {
	if err == nil || c.pg.IsClosed() {
		return false
	}
	var pe *pgconn.PgError
	return errors.As(err, &pe) &&
		(pe.Code == stateUnknownStatement || pe.Code == stateCachedPlan && pe.Message == "cached plan must not change result type")
}

func (c *conn) do(ctx context.Context, s *Settings, o Options, stmts []Statement) ([]Result, error) {
	c.db.traced(ctx, o.Try)
	c.db.traced(ctx, stmts)
	p := c.start(ctx)
	r := reader{conn: c, pipeline: p, wanted: make([]int, 0, len(o.Try)+len(stmts))}
	if len(o.Try) > 0 {
		r.under(s, false, o.Try)
		r.undo()
	}
	if err := r.isolate(o.Isolation); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	r.under(s, o.ReadOnly, stmts)
	switch {
	case o.Rollback:
		r.undo()
	case o.Check != nil:
		r.queue("", begin, nil, nil)
	}
	results, err := r.run()
	if c.pg.PgConn().IsClosed() {
		return results, err
	}
	if o.Check != nil && err == nil {
		if err = o.Check(results); err == nil && !o.Rollback {
			return results, c.commit(ctx)
		}
	}
	if c.pg.PgConn().TxStatus() != 'I' { // an explicit transaction that failed
		_, rerr := c.pg.PgConn().Exec(context.WithoutCancel(ctx), "rollback").ReadAll()
		err = errors.Join(err, rerr)
	}
	return results, err
}
