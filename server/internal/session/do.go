package session

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
	if staleStatement(err) {
		c.forgetAll() // nothing has happened: the transaction was undone
		res, err = c.do(ctx, s, o, stmts)
	}
	return res, err
}

func staleStatement(err error) bool {
	if err == nil {
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
	if o.Isolation != "" {
		sql, err := isolationSQL(o.Isolation)
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		r.text(sql, nil, nil)
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

func isolationSQL(level string) (string, error) {
	switch level {
	case RepeatableRead, Serializable:
		return "set transaction isolation level " + level, nil
	default:
		return "", fmt.Errorf("unknown isolation level %q", level)
	}
}

// reader sends statements into a pipeline and reads the answers.
type reader struct {
	conn     *conn
	pipeline *pgconn.Pipeline
	fresh    []*statement // statements prepared by this pipeline, in order
	sent     int          // how many answers are to come
	wanted   []int        // which of them are kept
}

// queue sends a statement whose answer nobody wants.
func (r *reader) queue(scope, sql string, params [][]byte, formats []int16) {
	r.fresh = append(r.fresh, r.conn.queue(r.pipeline, scope, sql, params, formats)...)
	r.sent++
}

// under sends the statements of a transaction that begins with s.
func (r *reader) under(s *Settings, readOnly bool, stmts []Statement) {
	if s != nil {
		sql, params := s.statement(readOnly)
		r.queue("", sql, params, nil)
	}
	scope := s.key()
	for _, st := range stmts {
		if st.As != nil {
			sql, params := st.As.after(s).statement(false)
			r.queue("", sql, params, nil)
			s, scope = st.As, st.As.key()
		}
		r.want(scope, st)
	}
}

// undo ends the transaction, whose deferred constraints are checked before.
func (r *reader) undo() {
	r.queue("", begin, nil, nil)
	r.queue("", "set constraints all immediate", nil, nil)
	r.queue("", "rollback", nil, nil)
}

// text is queue for a statement that is not kept prepared.
func (r *reader) text(sql string, params [][]byte, formats []int16) {
	r.pipeline.SendQueryParams(sql, params, nil, nil, formats)
	r.sent++
}

// want sends a statement whose answer is kept.
func (r *reader) want(scope string, st Statement) {
	r.wanted = append(r.wanted, r.sent)
	if st.Unprepared {
		r.text(st.SQL, st.Params, st.Formats)
		return
	}
	r.queue(scope, st.SQL, st.Params, st.Formats)
}

func (r *reader) wants(n int) bool { return slices.Contains(r.wanted, n) }

// run syncs, reads every answer up to the end of the transaction and keeps
// those that are wanted, up to the first error.
func (r *reader) run() ([]Result, error) {
	var firstErr error
	note := func(err error) {
		if firstErr == nil {
			firstErr = err
		}
	}
	if err := r.pipeline.Sync(); err != nil {
		note(err)
	} else {
		r.conn.synced()
	}
	results := make([]Result, 0, len(r.wanted))
	for n, described := 0, 0; ; {
		got, err := r.pipeline.GetResults()
		if err != nil {
			note(err)
			var pe *pgconn.PgError
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
			wanted := r.wants(n)
			res, err := readResult(got, wanted)
			if err != nil {
				note(err)
			} else if wanted {
				results = append(results, res)
			}
			n++
		}
	}
	if err := r.pipeline.Close(); err != nil {
		note(err)
	}
	for _, st := range r.fresh {
		if st.desc == nil {
			r.conn.forget(st)
		}
	}
	return results, firstErr
}

// readResult copies the rows out of the connection's buffer.
func readResult(rr *pgconn.ResultReader, keep bool) (Result, error) {
	var res Result
	for rr.NextRow() {
		if keep {
			res.Rows = append(res.Rows, copyRow(rr.Values()))
		}
	}
	tag, err := rr.Close()
	res.Tag = tag
	return res, err
}

// copyRow copies the values of a row into one piece of memory.
func copyRow(values [][]byte) [][]byte {
	n := 0
	for _, v := range values {
		n += len(v)
	}
	row, text := make([][]byte, len(values)), make([]byte, 0, n)
	for i, v := range values {
		if v != nil {
			begin := len(text)
			text = append(text, v...)
			row[i] = text[begin:len(text):len(text)]
		}
	}
	return row
}
