package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrRollback, returned by the function given to Tx or Savepoint, undoes the
// work without being an error to the caller.
var ErrRollback = errors.New("roll back")

// Tx is a transaction under a caller's settings.
type Tx struct {
	conn  *conn
	scope string // makes the statement text the caller's own, see Settings.key
	depth int
	queue []queued // see Later
	last  *lastRow // see Last
}

// Tx runs fn in a transaction: BEGIN and the settings travel in one round
// trip, then fn's statements, then COMMIT. A nil s runs as the login role;
// BEGIN travels with the first statement then. The transaction is undone when
// fn fails, panics or returns ErrRollback.
func (db *DB) Tx(ctx context.Context, s *Settings, fn func(*Tx) error) error {
	c, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer db.release(c)
	tx := &Tx{conn: c, scope: scopeComment(s)}
	if s == nil && !db.unprepared.Load() {
		tx.queue = []queued{{sql: begin}}
	} else if err := c.begin(ctx, s); err != nil {
		return err
	}
	done := false
	defer func() {
		if !done {
			c.rollback(ctx) // fn panicked
		}
	}()
	err = fn(tx)
	done = true
	if err != nil {
		c.rollback(ctx)
		if errors.Is(err, ErrRollback) {
			return nil
		}
		return err
	}
	return tx.end(ctx)
}

// commit ends the transaction. PostgreSQL answers COMMIT with ROLLBACK, and no
// error, when a statement of it had failed.
func (c *conn) commit(ctx context.Context) error {
	res, err := c.pg.PgConn().Exec(ctx, "commit").ReadAll()
	if err != nil {
		c.rollback(ctx)
		return err
	}
	if len(res) == 1 && res[0].CommandTag.String() == "ROLLBACK" {
		return errRolledBack
	}
	return nil
}

// scopeComment marks a statement with its role, so that each role's statements
// are prepared, and planned, on their own.
func scopeComment(s *Settings) string {
	if s == nil {
		return ""
	}
	return "\n-- " + fmt.Sprintf("%q", s.Role)
}

func (c *conn) begin(ctx context.Context, s *Settings) error {
	p := c.start(ctx)
	r := reader{conn: c, pipeline: p}
	r.queue("", begin, nil, nil)
	if s != nil {
		sql, params := s.statement(false)
		r.queue("", sql, params, nil)
	}
	_, err := r.run()
	if err != nil {
		c.rollback(ctx)
	}
	return err
}

// rollback ends the transaction even when ctx is over. A connection on which
// it fails is not between transactions and will be closed by release.
func (c *conn) rollback(ctx context.Context) {
	if c.pg.IsClosed() || c.pg.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, _ = c.pg.PgConn().Exec(ctx, "rollback").ReadAll()
}

// Exec runs a statement.
func (t *Tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if len(t.queue) > 0 {
		return t.execBehind(ctx, sql+t.scope, args)
	}
	return t.conn.pg.Exec(ctx, sql+t.scope, t.conn.mode(args)...)
}

// Query runs a statement that returns rows. They must be read or closed before
// the next statement.
func (t *Tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := t.Flush(ctx); err != nil {
		return nil, err
	}
	return t.conn.pg.Query(ctx, sql+t.scope, t.conn.mode(args)...)
}

// QueryRow runs a statement that returns at most one row.
func (t *Tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if len(t.queue) > 0 {
		res, err := t.behind(ctx, sql+t.scope, args)
		return rowBehind{res: res, err: err}
	}
	return t.conn.pg.QueryRow(ctx, sql+t.scope, t.conn.mode(args)...)
}

// Set changes settings of the running transaction, the role among them.
func (t *Tx) Set(ctx context.Context, s *Settings) error {
	if err := t.Flush(ctx); err != nil {
		return err
	}
	sql, params := s.statement(false)
	args := make([]any, len(params))
	for i, p := range params {
		args[i] = string(p)
	}
	if _, err := t.conn.pg.Exec(ctx, sql, t.conn.mode(args)...); err != nil {
		return err
	}
	t.scope = scopeComment(s)
	return nil
}

// Savepoint runs fn in a savepoint: what it did is undone when it fails or
// returns ErrRollback, and the transaction goes on.
func (t *Tx) Savepoint(ctx context.Context, fn func(*Tx) error) error {
	if err := t.Flush(ctx); err != nil {
		return err
	}
	name := fmt.Sprintf("s%d", t.depth)
	if _, err := t.conn.pg.PgConn().Exec(ctx, "savepoint "+name).ReadAll(); err != nil {
		return err
	}
	inner := &Tx{conn: t.conn, scope: t.scope, depth: t.depth + 1}
	ferr := fn(inner)
	if ferr == nil {
		ferr = inner.Flush(ctx)
	}
	end := "release savepoint " + name
	if ferr != nil {
		end = "rollback to savepoint " + name + "; " + end
	}
	if t.conn.pg.IsClosed() {
		return ferr
	}
	_, err := t.conn.pg.PgConn().Exec(context.WithoutCancel(ctx), end).ReadAll()
	switch {
	case errors.Is(ferr, ErrRollback):
		return err
	case ferr != nil:
		return ferr
	default:
		return err
	}
}
