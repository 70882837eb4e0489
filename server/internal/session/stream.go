package session

import (
	"context"
	"errors"
)

// Stream runs the statements in one transaction under s, as Do does, and hands
// the rows of the last one to row as they arrive; those of the others come
// with each. The values are the connection's and change after row has
// returned. When row fails the statement is cancelled and Stream returns that
// error. An error of PostgreSQL may come after any row: what was done with the
// rows must be undone then, so that Stream is for reading only. The connection
// is held until the last row was taken: row must not wait for a client.
func (db *DB) Stream(ctx context.Context, s *Settings, o Options, stmts []Statement, row func(values [][]byte, before []Result) error) error {
	c, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer db.release(c)
	began := false
	first := func(values [][]byte, before []Result) error {
		began = true
		return row(values, before)
	}
	err = c.stream(ctx, s, o, stmts, first)
	if c.stale(err) && !began {
		c.forgetAll()
		err = c.stream(ctx, s, o, stmts, first)
	}
	return err
}

func (c *conn) stream(ctx context.Context, s *Settings, o Options, stmts []Statement, row func([][]byte, []Result) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.db.traced(ctx, stmts)
	p := c.start(ctx)
	r := reader{conn: c, pipeline: p, row: row, cancel: cancel}
	if err := r.isolate(o.Isolation); err != nil {
		return errors.Join(err, p.Close())
	}
	r.under(s, o.ReadOnly, stmts)
	_, err := r.run()
	return err
}
