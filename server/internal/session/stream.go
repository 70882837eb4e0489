package session

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
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
	if staleStatement(err) && !began {
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
	r := streamReader{reader: reader{conn: c, pipeline: p}, cancel: cancel, row: row}
	if o.Isolation != "" {
		sql, err := isolationSQL(o.Isolation)
		if err != nil {
			return errors.Join(err, p.Close())
		}
		r.text(sql, nil, nil)
	}
	if s != nil {
		sql, params := s.statement(o.ReadOnly)
		r.queue("", sql, params, nil)
	}
	for _, st := range stmts {
		r.want(s.key(), st)
	}
	return r.run()
}

// streamReader reads the answers of a pipeline whose last statement streams.
type streamReader struct {
	reader
	cancel context.CancelFunc
	row    func(values [][]byte, before []Result) error
	before []Result
	err    error // the first one
}

func (r *streamReader) note(err error) {
	if r.err == nil {
		r.err = err
	}
}

// run reads every answer up to the end of the transaction.
func (r *streamReader) run() error {
	if err := r.pipeline.Sync(); err != nil {
		r.note(err)
	} else {
		r.conn.synced()
	}
	for n, described := 0, 0; ; {
		got, err := r.pipeline.GetResults()
		var pe *pgconn.PgError
		if err != nil {
			r.note(err)
			if errors.As(err, &pe) {
				continue // the answers up to the Sync are skipped by PostgreSQL
			}
			break
		}
		if got == nil {
			break
		}
		switch got := got.(type) {
		case *pgconn.StatementDescription:
			st := r.fresh[described]
			described++
			got.Name = st.name
			st.desc = got
		case *pgconn.ResultReader:
			r.result(got, n)
			n++
		}
	}
	if err := r.pipeline.Close(); err != nil {
		r.note(err)
	}
	for _, st := range r.fresh {
		if st.desc == nil {
			r.conn.forget(st)
		}
	}
	return r.err
}

// result reads the n-th answer.
func (r *streamReader) result(rr *pgconn.ResultReader, n int) {
	if n != r.sent-1 {
		wanted := r.wants(n)
		res, err := readResult(rr, wanted)
		if err != nil {
			r.note(err)
		} else if wanted {
			r.before = append(r.before, res)
		}
		return
	}
	for rr.NextRow() {
		if r.err != nil {
			continue // what was on its way when the statement was cancelled
		}
		if err := r.row(rr.Values(), r.before); err != nil {
			r.note(err)
			r.cancel()
		}
	}
	if _, err := rr.Close(); err != nil {
		r.note(err)
	}
}
