package storage

import (
	"errors"
	"strings"

	"github.com/suparust/suparust/server/internal/session"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// smallUpload is up to how many bytes a request may have to be stored before
// the database was asked.
const smallUpload = 64 << 10

// storesFirst reports whether an upload's bytes are stored before the database
// is asked for permission, so that it is asked and the row committed in one
// round trip. They are where there are few of them and storing them, and
// removing them after a refusal, costs little; a client that waits for a 100
// before it sends them is answered without them.
func (c *call) storesFirst(in content) bool {
	n := c.r.ContentLength
	if n < 0 || n > smallUpload || c.r.Header.Get("Expect") != "" || !c.h.blobs.Immediate() || c.h.keep { // the last: it lacks suparust.expect_rows
		return false
	}
	if _, sub, _ := strings.Cut(in.mime, "/"); sub == "" {
		return false // which takes does not compare as typeAllowed does
	}
	_, err := c.checkContent(in, bucketLimits{}) // in any bucket, whoever asks
	return err == nil && checkNewKey(c.key) == nil && checkBucketName(c.bucket) == nil
}

// storeSmall makes in the object of the path: it stores the bytes and then, in
// one round trip, asks the database whether it may and commits the row. What
// is answered is what storeContent answers otherwise.
func (c *call) storeSmall(in content, g grant, row newRow) (uploaded, error) {
	described, trial := in, row
	limit, err := c.checkContent(in, bucketLimits{})
	if err != nil {
		return uploaded{}, err
	}
	meta, err := c.storeBytes(&in, g, &row, limit)
	if err != nil { // which the database's answer precedes, where the client waits for one
		if _, refused := c.admit(described, g, trial); refused != nil && c.ctx().Err() == nil {
			return uploaded{}, refused
		}
		return uploaded{}, err
	}
	trial.user = in.user // what came after the form's file counts
	if trial.metadata, err = encode(trialMetadata{Mimetype: in.mime, ContentLength: in.declared}); err != nil {
		c.removeBytes(row.version)
		return uploaded{}, err
	}
	ask := trial.trial(g.upsert)
	ask.As = g.settings
	w := write{newRow: row, upsert: g.upsert, ask: []session.Statement{c.takes(in, meta.Size), ask}}
	done, err := c.storeRow(w, meta)
	var no *refusal
	if !errors.As(err, &no) {
		return done, err
	}
	return uploaded{}, c.whyRefused(no, in, g, trial, meta.Size)
}

// takes is the statement of limitsOf, which fails where the bucket does not
// take so many bytes or their type.
func (c *call) takes(in content, size int64) session.Statement {
	if isPlaceholder(c.key) {
		return limitsOf(c.bucket)
	}
	mime := strings.ToValidUTF8(in.mime, "\ufffd") // as JSON has it, and so the row
	kind, _, _ := strings.Cut(mime, "/")
	return sql(`select file_size_limit, to_jsonb(allowed_mime_types)::text,
		 case when $2 > file_size_limit or not (cardinality(allowed_mime_types) = 0 or allowed_mime_types && array[$3, $4]) then suparust.expect_rows(0, 1, 1) end
		 from storage.buckets where id = $1`, c.bucket, size, mime, kind+"/*")
}

// whyRefused is the answer to an upload that the database has refused. One that
// a bucket has refused which takes it by now is a failure of the server.
func (c *call) whyRefused(no *refusal, in content, g grant, trial newRow, size int64) error {
	if len(no.answers) == 0 { // the bucket has
		limit, err := c.admit(in, g, trial)
		switch {
		case err != nil:
			return err
		case size > limit:
			return blob.ErrTooLarge
		}
		return no.err
	}
	if _, err := readLimits(rowsOf(no.answers[0])); err != nil {
		return err
	}
	return trialError(no.err, g.upsert)
}
