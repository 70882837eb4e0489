package session

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// queued is a statement that waits for the next round trip.
type queued struct {
	sql    string
	args   []any
	failed func(error)
}

// Later puts off a statement whose result nobody waits for: it travels with
// the next one, or with the end of the transaction, in one round trip. When it
// fails, and the transaction with it, failed is told why, and what it
// travelled with returns that error.
func (t *Tx) Later(ctx context.Context, failed func(error), sql string, args ...any) error {
	if t.conn.db.unprepared.Load() {
		_, err := t.Exec(ctx, sql, args...)
		if err != nil {
			failed(err)
		}
		return err
	}
	t.queue = append(t.queue, queued{sql + t.scope, args, failed})
	return nil
}

// Flush sends the statements put off: before something is done outside the
// database that may only happen when they succeed.
func (t *Tx) Flush(ctx context.Context) error {
	if len(t.queue) == 0 {
		return nil
	}
	last := len(t.queue) - 1
	q := t.queue[last]
	t.queue = t.queue[:last]
	_, err := t.execBehind(ctx, q.sql, q.args)
	if err != nil && q.failed != nil {
		q.failed(err)
	}
	return err
}

// behind sends the statements put off and one behind them, whose answer is the
// next in the results, and then those without parameters.
func (t *Tx) behind(ctx context.Context, sql string, args []any, then ...string) (pgx.BatchResults, error) {
	var b pgx.Batch
	queue := t.queue
	t.queue = nil
	for _, q := range queue {
		b.Queue(q.sql, q.args...)
	}
	b.Queue(sql, args...)
	for _, sql := range then {
		b.Queue(sql)
	}
	res := t.conn.pg.SendBatch(ctx, &b)
	for _, q := range queue {
		if _, err := res.Exec(); err != nil {
			_ = res.Close() // tells the same error
			if q.failed != nil {
				q.failed(err)
			}
			return nil, err
		}
	}
	return res, nil
}

func (t *Tx) execBehind(ctx context.Context, sql string, args []any) (pgconn.CommandTag, error) {
	res, err := t.behind(ctx, sql, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := res.Exec()
	if cerr := res.Close(); err == nil {
		err = cerr
	}
	return tag, err
}

// Last runs a statement that returns at most one row and ends the transaction,
// together with the statements put off, in one round trip. Nothing may follow
// it, and its row must be scanned. An error of PostgreSQL says that nothing is
// committed, and Tx returns it even when it is overlooked; that there is no row
// undoes nothing.
func (t *Tx) Last(ctx context.Context, sql string, args ...any) pgx.Row {
	if t.conn.db.unprepared.Load() {
		return t.QueryRow(ctx, sql, args...) // the end follows
	}
	res, err := t.behind(ctx, sql+t.scope, args, "commit")
	t.last = &lastRow{res: res, read: err != nil, err: err}
	return t.last
}

// rowBehind is the row of a statement behind those put off.
type rowBehind struct {
	res pgx.BatchResults
	err error
}

func (r rowBehind) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	err := r.res.QueryRow().Scan(dest...)
	if cerr := r.res.Close(); err == nil {
		err = cerr
	}
	return err
}

// lastRow is the row of a statement that the end of the transaction follows.
type lastRow struct {
	res  pgx.BatchResults
	read bool
	err  error // why nothing is committed, when it is read
}

func (r *lastRow) Scan(dest ...any) error {
	if r.read {
		return r.err
	}
	err := r.res.QueryRow().Scan(dest...)
	tag, ended := r.res.Exec()
	if ended == nil && tag.String() == "ROLLBACK" {
		ended = errRolledBack
	}
	r.close(ended)
	if err == nil {
		err = r.err
	}
	return err
}

func (r *lastRow) close(ended error) {
	r.read = true
	if r.err = r.res.Close(); ended != nil {
		r.err = ended
	}
}

// end commits, together with the statements put off. PostgreSQL answers COMMIT
// with ROLLBACK, and no error, when a statement of it had failed.
func (t *Tx) end(ctx context.Context) error {
	if t.last != nil {
		return t.afterLast(ctx)
	}
	if len(t.queue) == 1 && t.queue[0].sql == begin {
		return nil // nothing else was asked for
	}
	if len(t.queue) == 0 {
		return t.conn.commit(ctx)
	}
	tag, err := t.execBehind(ctx, "commit", nil)
	if err != nil {
		t.conn.rollback(ctx)
		return err
	}
	if tag.String() == "ROLLBACK" {
		return errRolledBack
	}
	return nil
}

// afterLast tells whether Last has ended the transaction.
func (t *Tx) afterLast(ctx context.Context) error {
	if !t.last.read {
		t.last.close(nil)
	}
	if t.last.err != nil {
		t.conn.rollback(ctx)
	}
	return t.last.err
}

var errRolledBack = errors.New("the transaction was rolled back: one of its statements had failed")
