package session

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Tracer tells of the statements that a connection's driver sends by itself:
// those of transactions. What Do and Stream send is told to Config.Trace.
type Tracer func(ctx context.Context, sql string)

// TraceQueryStart implements pgx.QueryTracer.
func (t Tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	t(ctx, q.SQL)
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (Tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart implements pgx.BatchTracer.
func (t Tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, b pgx.TraceBatchStartData) context.Context {
	for _, q := range b.Batch.QueuedQueries {
		t(ctx, q.SQL)
	}
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (Tracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (Tracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// traced tells of the statements of Do and Stream.
func (db *DB) traced(ctx context.Context, stmts []Statement) {
	if db.trace == nil {
		return
	}
	for _, st := range stmts {
		db.trace(ctx, st.SQL)
	}
}
