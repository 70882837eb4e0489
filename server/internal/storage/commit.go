package storage

import (
	"context"
	"errors"
	"strings"

	"github.com/suparust/suparust/server/internal/session"
)

// write is a row that is to be committed for bytes that are stored.
type write struct {
	newRow
	upsert bool
	// returning is what is read of the row; it begins with that word.
	returning string
	// upload is the upload in parts of the S3 protocol that the row is the end
	// of; "" is none. The row is written only if the upload has not ended.
	upload string
	parts  []string // the versions of the parts that the bytes were made of
	// ask are statements that are tried before, as they are for
	// session.Options.Try; when one fails the row is not written.
	ask []session.Statement
}

// statements are those of the transaction, main the place of the row's.
func (h *Handler) statements(w *write) (all []session.Statement, main int) {
	lock := h.lockKey(w.bucket, w.key, w.version)
	switch {
	case w.upload != "":
		return []session.Statement{lock, lockRow(w.bucket, w.key), lockUpload(w.upload), w.ofUpload(w.upload, w.upsert, w.returning),
			endParts(w.upload), endUpload(w.upload)}, 3
	case w.upsert:
		return []session.Statement{lock, lockRow(w.bucket, w.key), w.newRow.upsert(w.returning)}, 2
	default: // there is no row, or it fails
		return []session.Statement{lock, w.insert(w.returning)}, 1
	}
}

// write is commit, and removes the new bytes when it is certain that no row
// will name them; otherwise they are left for the sweep.
func (c *call) write(w write) (row, error) {
	done, undone, err := c.commit(w)
	if undone {
		c.removeBytes(w.version)
	}
	return done, err
}

// commit commits the row of bytes that are stored, as service_role, and removes
// the bytes it replaces. undone says that it is certain that no row will name
// the new ones. What w asks before and is refused is a *refusal.
//
// When the connection breaks it is unknown whether the row was committed. Where
// it is seen to be it is done, and where its bytes are gone it was and has been
// replaced or deleted since. Otherwise the same is written again, which changes
// nothing should it be committed late: the version is the same.
func (c *call) commit(w write) (done row, undone bool, err error) {
	ctx := c.finishing()
	stmts, main := c.h.statements(&w)
	const tries = 3
	for try := 1; ; try++ {
		if try > 1 {
			switch done, over := c.outcome(ctx, &w); {
			case done != nil:
				return done, false, nil
			case over:
				return nil, false, err
			}
		}
		var res []session.Result
		res, err = c.h.db.Do(ctx, c.asService(), session.Options{Try: w.ask}, stmts...)
		asked := min(len(w.ask), len(res))
		switch {
		case err == nil && w.upload != "" && len(res[asked+main-1].Rows) == 0: // it has ended: by an earlier try, or by another
			done, ferr := c.findVersion(ctx, w.newRow, w.returning)
			switch {
			case ferr != nil:
				return nil, false, ferr
			case done == nil:
				return nil, true, errNoSuchUpload()
			}
			c.removeBytes(w.parts...)
			return done, false, nil
		case err == nil:
			if w.upload != "" {
				c.removeBytes(versions(rowsOf(res[asked+main+1]), 0)...)
			}
			if len(res[asked+main].Rows) == 0 {
				return nil, true, errLeftOut
			}
			if w.upsert {
				c.removeBytes(without(versions(rowsOf(res[asked+1]), 0), w.version)...)
			}
			return res[asked+main].Rows[0], false, nil
		case !rolledBack(err) && try < tries && ctx.Err() == nil:
			continue
		case try == 1 && rolledBack(err):
			undone = true
		case isState(err, pgUniqueViolation): // by an earlier try, or by another
			if done, ferr := c.findVersion(ctx, w.newRow, w.returning); ferr != nil || done != nil {
				return done, false, ferr
			}
		}
		switch {
		case rolledBack(err) && asked < len(w.ask):
			return nil, undone, &refusal{answers: res, err: err}
		case isState(err, pgLockNotAvailable):
			return nil, undone, errLockTimeout(err)
		case isState(err, pgUniqueViolation):
			return nil, undone, withCause(errDuplicate("KeyAlreadyExists"), err)
		}
		return nil, undone, err
	}
}

// outcome is what has become of a write whose answer was lost: its row, where
// that is there. over says that it was there, and was replaced or deleted since.
func (c *call) outcome(ctx context.Context, w *write) (done row, over bool) {
	done, err := c.findVersion(ctx, w.newRow, w.returning)
	if err != nil {
		return nil, false // the next try tells
	}
	if done != nil {
		c.removeBytes(w.parts...) // which the try has not told of
		return done, false
	}
	there, err := c.h.blobs.Has(ctx, w.version)
	return nil, err == nil && !there
}

// refusal is the failure of what was asked before a write: the answers up to
// it, and its error.
type refusal struct {
	answers []session.Result
	err     error
}

// Error implements error.
func (r *refusal) Error() string { return r.err.Error() }

// Unwrap gives errors.As the database's error.
func (r *refusal) Unwrap() error { return r.err }

// errLeftOut is a write that a trigger has suppressed.
var errLeftOut = errors.New("the object's row was not written: a trigger on storage.objects has returned NULL")

// findVersion reads the row of a write by its version, nil when it is not
// there. returning begins with that word.
func (c *call) findVersion(ctx context.Context, n newRow, returning string) (row, error) {
	columns := strings.TrimPrefix(returning, " returning ")
	return c.one(ctx, c.asService(), sql(`select `+columns+` from storage.objects where bucket_id = $1 and name = $2 and version = $3`,
		n.bucket, n.key, n.version))
}

func without(all []string, one string) []string {
	kept := all[:0]
	for _, s := range all {
		if s != one {
			kept = append(kept, s)
		}
	}
	return kept
}

// dropUnlessUnknown removes new bytes after their row could not be committed.
// PostgreSQL's own error says that it was not; a connection that broke, or a
// server that is going down, leaves that open.
func (c *call) dropUnlessUnknown(ctx context.Context, version string, err error) {
	if rolledBack(err) {
		c.removeBytes(version)
		return
	}
	c.h.log.WarnContext(ctx, "it is unknown whether an object's row was committed; its bytes are kept until the next sweep", "error", err)
}
