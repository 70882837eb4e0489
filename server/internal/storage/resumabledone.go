package storage

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/suparust/suparust/server/internal/session"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// wholeTimeout bounds what is done with an upload's bytes as a whole, which
// can be many.
const wholeTimeout = time.Hour

// unhurried is a context for work on many bytes that the client's going away
// does not stop.
func (c *call) unhurried() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(c.ctx()), wholeTimeout)
}

// completeWhole makes the object of an upload whose last bytes have just come.
func (t *tusCall) completeWhole(u *resumed) error {
	if !u.whole() {
		return nil
	}
	row, err := t.finish(u)
	if err != nil {
		return err
	}
	if _, undone, err := t.commit(write{newRow: row, upsert: u.Upsert, returning: " returning id::text"}); err != nil {
		return t.giveUp(u, undone, err)
	}
	t.markDone(u)
	t.w.Header().Set("Tus-Complete", "1")
	return nil
}

// finish gives the bytes to the store and returns the row that is to name them.
func (c *call) finish(u *resumed) (newRow, error) {
	ctx, cancel := c.unhurried()
	defer cancel()
	info, err := c.h.uploads.Finish(ctx, u.version)
	if err != nil {
		return newRow{}, busy(err)
	}
	u.Finished = true
	meta := u.metadata()
	row := newRow{bucket: u.Bucket, key: u.Key, version: u.version, owner: u.Owner}
	row.user, _ = userMetadata([]byte(meta.Get("metadata"))) // judged when the upload was made
	row.metadata, err = encode(objectMetadata{
		ETag: `"` + info.MD5 + `"`, Size: info.Size, Mimetype: typeOf(meta), CacheControl: meta.Get("cacheControl"),
		LastModified: c.h.now().UTC().Truncate(time.Millisecond).Format(timeLayout), ContentLength: info.Size,
		HTTPStatusCode: http.StatusOK,
	})
	return row, err
}

// markDone notes that the object is there. Should that fail, completeAgain
// finds it out.
func (c *call) markDone(u *resumed) {
	ctx := c.finishing()
	u.Done = true
	if err := c.h.keepNote(ctx, u.version, &u.uploadNote); err != nil {
		c.h.log.Warn("an upload is complete and could not be marked as such", "version", u.version, "error", err)
	}
}

// giveUp ends an upload whose row was refused for good, and one whose client
// cannot come back to it. Otherwise it stays and can be completed later. undone
// says that it is certain that no row names the bytes.
func (c *call) giveUp(u *resumed, undone bool, err error) error {
	if !undone || passing(err) && !u.unknown {
		return err
	}
	return errors.Join(err, c.drop(u))
}

// drop ends an upload and removes its bytes, those in the store as well.
func (c *call) drop(u *resumed) error {
	ctx := c.finishing()
	if u.Finished {
		c.removeBytes(u.version)
	}
	return c.h.uploads.Discard(ctx, u.version)
}

// passing reports whether the same may work later.
func passing(err error) bool {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return true
	}
	switch pe.Code[:2] {
	case "08", "25", "40", "53", "55", "57", "58", "XX":
		return true
	}
	return false
}

// completeAgain makes the object of an upload that is whole and was not seen
// to become one: the server ended in between, or the database was away. Maybe
// the row was committed all the same, and replaced or deleted since; then
// nothing is left to do.
func (c *call) completeAgain(u *resumed) error {
	row, err := c.finish(u)
	if errors.Is(err, blob.ErrNotFound) { // with the bytes, its row was there and is gone
		c.markDone(u)
		return nil
	}
	if err != nil {
		return err
	}
	ctx := c.finishing()
	known := []string{u.version}
	if u.Upsert && u.Replaces != "" {
		known = append(known, u.Replaces)
	}
	res, err := c.query(ctx, c.asService(), c.h.lockKey(row.bucket, row.key, row.version), lockRow(row.bucket, row.key), row.replaceOnly(known))
	if err != nil {
		return c.giveUp(u, rolledBack(err), err)
	}
	switch before := versions(res[1], 0); {
	case len(res[2]) > 0:
		c.removeBytes(without(before, u.version)...)
		if err := c.dropRowWithoutBytes(ctx, row); err != nil {
			return err
		}
	case u.Upsert: // another came after it
		c.removeBytes(u.version)
	default:
		return errors.Join(errDuplicate("KeyAlreadyExists"), c.drop(u))
	}
	c.markDone(u)
	return nil
}

// replaceOnly is the statement that makes the row, or replaces what it holds
// while that is one of the known versions.
func (n newRow) replaceOnly(known []string) session.Statement {
	s := n.upsert("")
	s.SQL += ` where objects.version = any ($8::text[]) returning id::text`
	s.Params = append(s.Params, param(known))
	return s
}

// dropRowWithoutBytes undoes a row whose bytes were removed in the moment that
// it was made: by a deletion of the very row, committed earlier.
func (c *call) dropRowWithoutBytes(ctx context.Context, n newRow) error {
	if there, err := c.h.blobs.Has(ctx, n.version); err != nil || there {
		return err
	}
	_, err := c.query(ctx, c.asService(), sql(
		`delete from storage.objects where bucket_id = $1 and name = $2 and version = $3`, n.bucket, n.key, n.version))
	return err
}

// ownCall is a call that the server makes on its own account.
func (h *Handler) ownCall(ctx context.Context) *call {
	r := (&http.Request{Method: http.MethodPatch, URL: &url.URL{Path: resumablePath}, Header: http.Header{}}).WithContext(ctx)
	return &call{h: h, r: r, operation: "storage.tus.upload.part"}
}
