package project

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// runner executes the statements of one file: as many as possible in one pipeline with a single Sync, which makes them
// one implicit transaction.
type runner struct {
	conn   *pgconn.PgConn
	file   *File
	pieces []Piece // the statements

	batch  *pgconn.Batch
	queued []int // statement numbers in the batch, -1 for one of ours
	done   int   // statements that are committed
}

// query is a statement of ours that goes into a file's transaction.
type query struct {
	sql    string
	params [][]byte
	oids   []uint32
}

// runFile executes the file and then record, in one transaction as far as the file allows that.
func runFile(ctx context.Context, conn *pgx.Conn, f *File, record *query) error {
	r := runner{conn: conn.PgConn(), file: f, batch: &pgconn.Batch{}}
	data := map[int]Piece{}
	var controls, copies bool
	for _, p := range Split(f.text) {
		switch p.Kind {
		case Statement:
			r.pieces = append(r.pieces, p)
			controls = controls || p.opens() || p.closes() || p.alone()
			copies = copies || p.copyFromStdin
		case CopyData:
			data[len(r.pieces)-1] = p
		}
	}
	// COPY cannot travel in a pipeline, so a transaction has to hold the parts together
	wrap := copies && !controls
	if wrap {
		r.queue(query{sql: "begin"})
	}
	err := r.statements(ctx, data)
	if err == nil && record != nil {
		r.queue(*record)
	}
	if err == nil && wrap {
		r.queue(query{sql: "commit"})
	}
	if err == nil {
		err = r.flush(ctx)
	}
	if err == nil && r.conn.TxStatus() != 'I' {
		err = fmt.Errorf("%s leaves a transaction open, so nothing after its last BEGIN would be kept; add COMMIT at its end", f.Path)
	}
	if err != nil && !r.conn.IsClosed() && r.conn.TxStatus() != 'I' {
		if _, rollback := r.conn.Exec(ctx, "rollback").ReadAll(); rollback != nil {
			return errors.Join(err, fmt.Errorf("roll back: %w", rollback))
		}
	}
	return err
}

func (r *runner) statements(ctx context.Context, data map[int]Piece) error {
	for i, p := range r.pieces {
		switch {
		case p.copyFromStdin:
			if err := r.flush(ctx); err != nil {
				return err
			}
			if err := r.copy(ctx, i, data[i]); err != nil {
				return err
			}
		case p.alone():
			if err := r.flush(ctx); err != nil {
				return err
			}
			r.queueStatement(i)
			if err := r.flush(ctx); err != nil {
				return err
			}
		default:
			r.queueStatement(i)
		}
	}
	return nil
}

func (r *runner) queueStatement(i int) {
	text, _ := r.pieces[i].sent()
	r.batch.ExecParams(text, nil, nil, nil, nil)
	r.queued = append(r.queued, i)
}

func (r *runner) queue(q query) {
	r.batch.ExecParams(q.sql, q.params, q.oids, nil, nil)
	r.queued = append(r.queued, -1)
}

// flush sends what is queued and reads all results.
func (r *runner) flush(ctx context.Context) error {
	if len(r.queued) == 0 {
		return nil
	}
	queued := r.queued
	results := r.conn.ExecBatch(ctx, r.batch)
	r.batch, r.queued = &pgconn.Batch{}, nil
	finished := 0
	for results.NextResult() {
		if _, err := results.ResultReader().Close(); err != nil {
			break
		}
		finished++
	}
	if err := results.Close(); err != nil {
		for _, i := range queued[:finished] {
			if i >= 0 && (r.pieces[i].is("commit") || r.pieces[i].is("end")) {
				r.done = i + 1
			}
		}
		index := -1
		if finished < len(queued) {
			index = queued[finished]
			if pgErr := (*pgconn.PgError)(nil); index < 0 && errors.As(err, &pgErr) {
				return fmt.Errorf("cannot record %s as applied: %w; when the file changes the role, add RESET ROLE at its end", r.file.Path, err)
			}
		}
		return r.failure(index, err)
	}
	if r.conn.TxStatus() == 'I' {
		for _, i := range queued {
			r.done = max(r.done, i+1)
		}
	}
	return nil
}

// copy sends the rows of a COPY … FROM STDIN.
func (r *runner) copy(ctx context.Context, i int, data Piece) error {
	text, _ := r.pieces[i].sent()
	if _, err := r.conn.CopyFrom(ctx, strings.NewReader(data.data()), text); err != nil {
		err = r.failure(i, err)
		var sqlErr *SQLError
		if errors.As(err, &sqlErr) {
			sqlErr.atCopyRow(r.file, data)
		}
		return err
	}
	if r.conn.TxStatus() == 'I' {
		r.done = i + 1
	}
	return nil
}

// failure turns an error of statement index (-1: the commit) into a SQLError.
func (r *runner) failure(index int, err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return fmt.Errorf("%s: %w", r.file.Path, err)
	}
	e := newSQLError(r.file, r.pieces, index, pgErr)
	e.Applied = r.done
	return e
}
