package session

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
)

// reader sends statements into a pipeline and reads the answers.
type reader struct {
	conn     *conn
	pipeline *pgconn.Pipeline
	fresh    []*statement // statements prepared by this pipeline, in order
	sent     int          // how many answers are to come
	size     int          // of what the pipeline holds, at most, in bytes
	wanted   []int        // which of them are kept

	// row, when not nil, gets the rows of the last statement, and the results
	// of those before it; cancel ends that statement when row fails.
	row    func(values [][]byte, before []Result) error
	cancel context.CancelFunc
}

// queue sends a statement whose answer nobody wants.
func (r *reader) queue(scope, sql string, params [][]byte, formats []int16) {
	r.fresh = append(r.fresh, r.conn.queue(r.pipeline, scope, sql, params, formats)...)
	r.sent++
	r.count(sql, params)
}

// count adds what a statement takes in the pipeline.
func (r *reader) count(sql string, params [][]byte) {
	r.size += 128 + len(sql) + 6*len(params)
	for _, p := range params {
		r.size += len(p)
	}
}

// isolate gives the transaction, which has not begun, an isolation level; "" is
// the default.
func (r *reader) isolate(level string) error {
	switch level {
	case "":
	case RepeatableRead, Serializable:
		r.text("set transaction isolation level "+level, nil, nil)
	default:
		return fmt.Errorf("unknown isolation level %q", level)
	}
	return nil
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
	r.count(sql, params)
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

// maxAtOnce is what a socket takes without waiting for the server to read.
const maxAtOnce = 8 << 10

// send ends the pipeline with a Sync and sends it. The driver starts a timer
// before it writes, for a server that does not read because nobody reads its
// answers; that wakes a thread, which the statements would wait for. So what
// cannot block is written before.
func (r *reader) send() error {
	r.pipeline.SendPipelineSync()
	var err error
	if pg := r.conn.pg.PgConn(); r.size+32*r.conn.closing <= maxAtOnce {
		if err = pg.Frontend().Flush(); err != nil {
			_ = pg.Conn().Close() // a part may have been sent
		}
	}
	return errors.Join(err, r.pipeline.Flush())
}

// run syncs, reads every answer up to the end of the transaction and keeps
// those that are wanted, up to the first error.
func (r *reader) run() ([]Result, error) {
	var firstErr error
	note := func(err error) {
		if firstErr == nil {
			firstErr = err
		}
	}
	if err := r.send(); err != nil {
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
			if wanted := r.wants(n); r.row != nil && n == r.sent-1 {
				note(r.stream(got, results))
			} else if res, err := readResult(got, wanted); err != nil {
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

// stream hands on the rows of the last statement.
func (r *reader) stream(rr *pgconn.ResultReader, before []Result) error {
	var err error
	for rr.NextRow() {
		if err != nil {
			continue // what was on its way when the statement was cancelled
		}
		if err = r.row(rr.Values(), before); err != nil {
			r.cancel()
		}
	}
	_, cerr := rr.Close()
	if err == nil {
		err = cerr
	}
	return err
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
