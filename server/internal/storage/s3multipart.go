package storage

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/suparust/suparust/server/internal/session"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

const (
	maxPartNumber = 10_000
	maxPartSize   = 5 << 30
)

// s3Upload is a row of storage.s3_multipart_uploads.
type s3Upload struct {
	id, version    string
	metadata, user []byte
}

// row is the object that the upload will make, as the policies are asked.
func (u *s3Upload) row(c *call) newRow {
	return newRow{bucket: c.bucket, key: c.key, owner: c.owner(), metadata: u.metadata, user: u.user}
}

func errNoSuchUpload() *Error {
	return &Error{Status: http.StatusNotFound, Name: "NoSuchUpload", Code: "NoSuchUpload", Message: "Upload not found"}
}

// s3CreateUpload begins an upload in parts. Its rows are the server's own: the
// policies of the object decide who may write it.
func (c *call) s3CreateUpload() error {
	if err := checkNewKey(c.key); err != nil {
		return err
	}
	limits, err := c.findLimits()
	if err != nil {
		return err
	}
	h := c.r.Header
	meta := map[string]string{}
	if mime := h.Get("Content-Type"); mime != "" {
		if !typeAllowed(mime, limits.mime) {
			return errMimeType(mime)
		}
		meta["mimetype"] = mime
	}
	if cache := h.Get("Cache-Control"); cache != "" {
		meta["cacheControl"] = cache
	}
	u := &s3Upload{id: uuid.NewString(), version: uuid.NewString(), user: headerUserMetadata(h)}
	if u.metadata, err = encode(meta); err != nil {
		return err
	}
	if u.user == nil {
		u.user = []byte("{}")
	}
	if err := c.mayWrite(c.asUser(), u.row(c), true); err != nil {
		return err
	}
	_, err = c.query(c.ctx(), c.asService(), sql(
		`insert into storage.s3_multipart_uploads (id, upload_signature, bucket_id, key, version, owner_id, user_metadata, metadata)
		 values ($1, '', $2, $3, $4, $5, $6, $7)`, u.id, c.bucket, c.key, u.version, c.owner(), u.user, u.metadata))
	if err != nil {
		return err
	}
	d := newXML("InitiateMultipartUploadResult")
	d.text("Bucket", c.bucket)
	d.text("Key", c.key)
	d.text("UploadId", u.id)
	return c.writeXML(d)
}

// findUpload finds the upload that the query names. It belongs to the object
// of the path, or it is none.
func (c *call) findUpload() (*s3Upload, error) {
	id := c.r.URL.Query().Get("uploadId")
	if id == "" || !storable(id) || !storable(c.bucket) || !storable(c.key) {
		return nil, errNoSuchUpload()
	}
	r, err := c.one(c.ctx(), c.asService(), sql(
		`select version, metadata::text, user_metadata::text from storage.s3_multipart_uploads
		 where id = $1 and bucket_id = $2 and key = $3`, id, c.bucket, c.key))
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, errNoSuchUpload()
	}
	return &s3Upload{id: id, version: r.text(0), metadata: r[1], user: r[2]}, nil
}

// writableUpload is findUpload for a caller who may write the object.
func (c *call) writableUpload() (*s3Upload, error) {
	u, err := c.findUpload()
	if err != nil {
		return nil, err
	}
	return u, c.mayWrite(c.asUser(), u.row(c), true)
}

// s3Part is a row of storage.s3_multipart_uploads_parts. Its id is the version
// of its bytes.
type s3Part struct {
	id     string
	number int64
	size   int64
	etag   string // without quotes
}

func (c *call) partNumber() (int64, error) {
	q := c.r.URL.Query()
	if q.Get("partNumber") == "" {
		return 0, errValidationS3("partNumber", "must be integer")
	}
	return queryInteger(q, "partNumber", 0, 1, maxPartNumber)
}

func (c *call) s3UploadPart() error {
	number, err := c.partNumber()
	if err != nil {
		return err
	}
	if err := c.s3Body(); err != nil {
		return err
	}
	length := c.decodedLength()
	if length == nil {
		return &Error{Status: 400, Name: "MissingContentLength", Code: "MissingContentLength",
			Message: "You must provide the Content-Length HTTP header."}
	}
	part, err := c.storePart(number, *length, func(version string) (blob.Info, error) {
		return c.h.blobs.Put(c.ctx(), version, c.r.Body, *length)
	})
	if err != nil {
		return err
	}
	c.w.Header().Set("ETag", part.etag)
	c.w.Header().Set("Access-Control-Expose-Headers", "etag")
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// storePart keeps a part of length bytes, which put stores, in the place of one
// of the same number.
func (c *call) storePart(number, length int64, put func(version string) (blob.Info, error)) (*s3Part, error) {
	limits, err := c.findLimits()
	if err != nil {
		return nil, err
	}
	most := c.h.limit
	if limits.size != nil {
		most = min(most, *limits.size)
	}
	u, err := c.writableUpload()
	if err != nil {
		return nil, err
	}
	if length > min(most, maxPartSize) {
		return nil, errTooLarge("object")
	}
	// the place is taken before the bytes come, so that parts that arrive
	// together are not more than the limit
	r, err := c.one(c.ctx(), c.asService(), sql(
		`update storage.s3_multipart_uploads u set in_progress_size = u.in_progress_size + $2::bigint
		 where u.id = $1 and u.in_progress_size + $2::bigint - coalesce(
		   (select sum(p.size) from storage.s3_multipart_uploads_parts p where p.upload_id = u.id and p.part_number = $3::int), 0)
		   <= $4::bigint returning id`, u.id, length, number, most))
	if err != nil {
		return nil, err
	}
	if r == nil {
		if _, err := c.findUpload(); err != nil { // it has ended meanwhile
			return nil, err
		}
		return nil, errTooLarge("object")
	}
	part := &s3Part{id: uuid.NewString(), number: number}
	info, err := put(part.id)
	ctx := c.finishing() // from here on: the bytes take as long as there are
	if err == nil {
		part.size, part.etag = info.Size, info.MD5
		if err = c.insertPart(ctx, u, part); err == nil {
			return part, nil
		}
		c.dropUnlessUnknown(ctx, part.id, err)
	}
	_, e := c.query(ctx, c.asService(), sql(
		`update storage.s3_multipart_uploads set in_progress_size = greatest(in_progress_size - $2::bigint, 0) where id = $1`, u.id, length))
	return nil, errors.Join(err, e)
}

// lockUpload is the statement that locks an upload's row: what ends the upload
// and what adds a part to it come one after the other.
func lockUpload(id string) session.Statement {
	return sql(`select id from storage.s3_multipart_uploads where id = $1 for update`, id)
}

// endParts is the statement that deletes the rows of an upload's parts and
// returns the versions of their bytes; endUpload deletes that of the upload.
func endParts(id string) session.Statement {
	return sql(`delete from storage.s3_multipart_uploads_parts where upload_id = $1 returning id::text`, id)
}

func endUpload(id string) session.Statement {
	return sql(`delete from storage.s3_multipart_uploads where id = $1`, id)
}

// lockUploadFor is lockUpload for a part with the bytes of version, which must
// not have been swept: see settledOrphans.
func (h *Handler) lockUploadFor(id, version string) session.Statement {
	if h.keep {
		return lockUpload(id)
	}
	return sql(`select id, `+endIfSwept("$2")+` from storage.s3_multipart_uploads where id = $1 for update`, id, version)
}

// insertPart commits the row of a part and removes the bytes it replaces.
func (c *call) insertPart(ctx context.Context, u *s3Upload, part *s3Part) error {
	res, err := c.query(ctx, c.asService(),
		c.h.lockUploadFor(u.id, part.id),
		sql(`update storage.s3_multipart_uploads u set in_progress_size = greatest(u.in_progress_size - coalesce(
		       (select sum(p.size) from storage.s3_multipart_uploads_parts p where p.upload_id = u.id and p.part_number = $2::int), 0), 0)
		     where u.id = $1`, u.id, part.number),
		sql(`delete from storage.s3_multipart_uploads_parts where upload_id = $1 and part_number = $2::int returning id::text`, u.id, part.number),
		sql(`insert into storage.s3_multipart_uploads_parts (id, upload_id, size, part_number, bucket_id, key, etag, owner_id, version)
		     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			part.id, u.id, part.size, part.number, c.bucket, c.key, part.etag, c.owner(), u.version))
	if isState(err, pgForeignKeyViolation) {
		return withCause(errNoSuchUpload(), err) // ended meanwhile
	}
	if err != nil {
		return err
	}
	c.removeBytes(versions(res[2], 0)...)
	return nil
}

// s3CopyPart takes a part from an object that is there.
func (c *call) s3CopyPart() error {
	number, err := c.partNumber()
	if err != nil {
		return err
	}
	bucket, key, err := c.copySource()
	if err != nil {
		return err
	}
	var part *s3Part
	const tries = 3 // a source whose bytes are gone was replaced
	for try := 1; try == 1 || try <= tries && errors.Is(err, blob.ErrNotFound); try++ {
		part, err = c.copyPart(number, bucket, key)
	}
	if err != nil {
		return err
	}
	d := newXML("CopyPartResult")
	d.text("ETag", part.etag)
	d.text("LastModified", c.h.now().UTC().Format(timeLayout))
	return c.writeXML(d)
}

// copyPart keeps what an object is now, or a range of it, as a part.
func (c *call) copyPart(number int64, bucket, key string) (*s3Part, error) {
	source, err := c.findAs(c.asUserReading(), sentColumns, bucket, key)
	if err != nil {
		return nil, err
	}
	if source == nil {
		return nil, errNoSuchKey()
	}
	if err := c.copyConditions(source); err != nil {
		return nil, err
	}
	whole := byteRange{first: 0, last: max(source.meta.size, 0) - 1}
	if text := c.r.Header.Get("X-Amz-Copy-Source-Range"); text != "" {
		if whole, err = copyRange(text, source.meta.size); err != nil {
			return nil, err
		}
	}
	return c.storePart(number, whole.length(), func(version string) (blob.Info, error) {
		f, err := c.h.blobs.Open(c.ctx(), source.version, whole.first, whole.length())
		if errors.Is(err, blob.ErrNotFound) {
			return blob.Info{}, withCause(errGone(), err)
		}
		if err != nil {
			return blob.Info{}, err
		}
		defer f.Close()
		return c.h.blobs.Put(c.ctx(), version, io.LimitReader(f, whole.length()), whole.length())
	})
}

// copyRange reads the range of a part's copy, which names both ends.
func copyRange(text string, size int64) (byteRange, error) {
	first, last, ok := strings.Cut(strings.TrimPrefix(text, "bytes="), "-")
	a, ok1 := parsePosition(first)
	b, ok2 := parsePosition(last)
	if !ok || !ok1 || !ok2 || !strings.HasPrefix(text, "bytes=") || a > b || b >= size {
		e := errRange()
		e.Status = http.StatusBadRequest
		return byteRange{}, e
	}
	return byteRange{a, b}, nil
}

type completeRequest struct {
	XMLName xml.Name `xml:"CompleteMultipartUpload"`
	Part    []struct {
		PartNumber string `xml:"PartNumber"`
		ETag       string `xml:"ETag"`
	} `xml:"Part"`
}

func (c *call) s3AbortUpload() error {
	u, err := c.writableUpload()
	if err != nil {
		return err
	}
	gone, err := c.endS3Upload(u.id)
	if err != nil {
		return err
	}
	if !gone { // by another, meanwhile
		return errNoSuchUpload()
	}
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// endS3Upload removes an upload and its bytes. gone says that it was there.
func (c *call) endS3Upload(id string) (gone bool, err error) {
	res, err := c.query(c.ctx(), c.asService(), lockUpload(id), endParts(id), endUpload(id))
	if err != nil {
		return false, err
	}
	c.removeBytes(versions(res[1], 0)...)
	return len(res[0]) > 0, nil
}
