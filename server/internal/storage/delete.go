package storage

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/session"
)

func (c *call) deleteObject() error {
	if err := c.checkUnusedBody(false); err != nil {
		return err
	}
	if err := checkBucketName(c.bucket); err != nil {
		return err
	}
	if err := c.removeObject(); err != nil {
		return err
	}
	return writeJSON(c.w, message{"Successfully deleted"})
}

// removeObject deletes the object of the path and its bytes.
func (c *call) removeObject() error {
	if !storable(c.bucket) || !storable(c.key) {
		return errNoSuchKey()
	}
	var version *string
	err := c.h.db.Tx(c.ctx(), c.asService(), func(tx *session.Tx) error {
		// as service_role, so that "missing" and "not allowed" differ
		err := tx.QueryRow(c.ctx(), `select version from storage.objects where bucket_id = $1 and name = $2 for update`,
			c.bucket, c.key).Scan(&version)
		if errors.Is(err, pgx.ErrNoRows) {
			return errNoSuchKey()
		}
		if err != nil {
			return err
		}
		if err := tx.Set(c.ctx(), c.asUser()); err != nil {
			return err
		}
		var id string
		err = tx.QueryRow(c.ctx(), `delete from storage.objects where bucket_id = $1 and name = $2 returning id::text`,
			c.bucket, c.key).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return errAccessDenied("Access denied")
		}
		return err
	})
	if err != nil {
		return err
	}
	if version != nil {
		c.removeBytes(*version)
	}
	return nil
}

// deleteBatch is how many objects one transaction deletes.
const deleteBatch = 500

// maxDeleteMany is how many objects one request deletes where that is limited.
const maxDeleteMany = 1000

// deleteObjects deletes objects by their exact keys, whatever the field is
// called. Those that are missing or hidden are left out of the answer.
func (c *call) deleteObjects() error {
	f, err := readJSON(c.w, c.r)
	if err != nil {
		return err
	}
	f.require("prefixes")
	keys := f.texts("prefixes")
	f.count("prefixes", len(keys), 1, maxJSONBody)
	if f.err != nil {
		return f.err
	}
	if err := checkBucketName(c.bucket); err != nil {
		return err
	}
	if c.h.fewDeletes && len(keys) > maxDeleteMany {
		return &Error{Status: 400, Name: "InvalidRequest", Code: "InvalidRequest",
			Message: fmt.Sprintf("Bulk object requests are limited to %d objects per request.", maxDeleteMany)}
	}
	all := []object{}
	keys = storableOnly(keys)
	for len(keys) > 0 {
		batch := keys[:min(deleteBatch, len(keys))]
		keys = keys[len(batch):]
		res, err := c.query(c.ctx(), c.asUser(), sql(
			`delete from storage.objects where bucket_id = $1 and name = any ($2::text[]) returning `+objectColumns, c.bucket, batch))
		if err != nil {
			return err
		}
		for _, r := range res[0] {
			all = append(all, readObject(r))
		}
		c.removeBytes(versions(res[0], 4)...)
	}
	return writeJSON(c.w, all)
}

// storableOnly leaves out texts that PostgreSQL does not take.
func storableOnly(texts []string) []string {
	kept := texts[:0]
	for _, t := range texts {
		if storable(t) {
			kept = append(kept, t)
		}
	}
	return kept
}
