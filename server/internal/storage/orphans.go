package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/suparust/suparust/server/internal/session"
)

const (
	// settleTimeout bounds the wait for transactions that have looked before a
	// sweep: each of their statements is bounded by timeouts.
	settleTimeout = 5 * time.Minute
	// settlePoll is how often it is asked for them, first and at most.
	settlePoll    = 5 * time.Millisecond
	maxSettlePoll = 250 * time.Millisecond
)

// settledOrphans are those of versions that no row names and none will: their
// bytes may be removed.
//
// No row to be seen is not enough. Another process, or one that was killed, may
// have stored the bytes and not yet begun the transaction that names them; it
// may be held up in it; or its statements wait, unread, in a socket or in a
// pooler. Neither a pause nor the end of all transactions that are running now
// answers for what has not begun. So the database remembers what is swept:
//
//  1. The versions without a row are written to suparust.swept and committed.
//  2. Every transaction that is to name new bytes reads that table for their
//     version in the statement that takes its first lock, see endIfSwept, and
//     ends with an error when it is there. Whatever takes its snapshot after 1
//     is refused so: it never names bytes that are gone.
//  3. A transaction whose snapshot is older holds its lock on the table since
//     before that snapshot, and until it ends. All that hold one now are waited
//     for, prepared transactions among them; after that nobody is left who can
//     name one of the versions.
//  4. The versions that still have no row are orphans.
//
// No clock takes part in this, and nothing that happens between the steps can
// break it. The windows one by one:
//
//   - Bytes stored, row not committed: an upload, a part, a copy, a move and the
//     end of a resumable upload all go through 2. A resumable upload that is not
//     done keeps its bytes besides, see unclaimed. That a living server's upload
//     is not swept from under it, and so has to be repeated, is the store's to
//     see to: a Disk knows what was stored since it was opened, and an S3 leaves
//     young objects alone by the service's own clock.
//   - Row replaced or deleted, old bytes there: these are removed after the
//     commit, and nobody writes the same version to a row again, but for a try
//     to commit the same once more, which 2 covers.
//   - Killed in either: what is left are bytes without a row. Killed after 1:
//     the next sweep finds the versions again.
//
// When the wait is over before the transactions are, nothing is removed.
func (h *Handler) settledOrphans(ctx context.Context, versions []string) ([]string, error) {
	orphans, err := h.orphans(ctx, versions)
	if err != nil || len(orphans) == 0 {
		return nil, err
	}
	if _, err := h.ask(ctx, sql(`select suparust.sweep($1::uuid[])`, orphans)); err != nil {
		return nil, err
	}
	if err := h.settle(ctx); err != nil {
		return nil, err
	}
	return h.orphans(ctx, orphans)
}

// settle waits until all transactions that hold a lock on suparust.swept now
// have ended.
func (h *Handler) settle(ctx context.Context) error {
	const readers = `select distinct virtualtransaction from pg_catalog.pg_locks
		where locktype = 'relation' and relation = 'suparust.swept'::regclass and granted
		  and database = (select oid from pg_catalog.pg_database where datname = current_database())`
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	running, err := h.ask(ctx, sql(readers))
	for pause := settlePoll; err == nil && len(running) > 0; pause = min(2*pause, maxSettlePoll) {
		tick := time.NewTimer(pause)
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return fmt.Errorf("%d transactions that write objects do not end: %w", len(running), ctx.Err())
		}
		running, err = h.ask(ctx, sql(readers+` and virtualtransaction = any ($1::text[])`, running))
	}
	return err
}

// endIfSwept is an expression that ends the transaction when the version, a
// parameter, was swept.
func endIfSwept(version string) string {
	return `(select suparust.bytes_are_swept()::text from suparust.swept where version = ` + version + `::uuid)`
}

// ask returns the texts in the first column of a statement of the server's own.
func (h *Handler) ask(ctx context.Context, st session.Statement) ([]string, error) {
	res, err := h.db.Do(ctx, &session.Settings{SearchPath: "storage", Role: serviceRole}, session.Options{}, st)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(res[0].Rows))
	for i, r := range res[0].Rows {
		texts[i] = string(r[0])
	}
	return texts, nil
}

// orphans are those of versions that no row names, and no upload.
func (h *Handler) orphans(ctx context.Context, versions []string) ([]string, error) {
	orphans, err := h.ask(ctx, sql(
		`select v from unnest($1::text[]) v
		 where not exists (select from storage.objects o where o.version = v)
		   and not exists (select from storage.s3_multipart_uploads_parts p where p.id = v::uuid)`, versions))
	if err != nil {
		return nil, err
	}
	return h.unclaimed(ctx, orphans)
}
