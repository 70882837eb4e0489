package storage

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/suparust/suparust/server/internal/session"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// defaultType is the type of bytes whose sender does not name one.
const defaultType = "application/octet-stream"

// content is an upload as the request describes it.
type content struct {
	body         io.Reader
	mime         string
	cacheControl string
	user         []byte // user metadata; nil when none was sent
	declared     *int64 // the length that the request names, which policies may test
	err          error  // why the body cannot be read
	form         *form  // that it is the file of, nil for others
}

// grant is who an upload is made for.
type grant struct {
	settings *session.Settings // that the database is asked under
	owner    *string
	upsert   bool
}

type uploaded struct {
	Key  string `json:"Key"`
	ID   string `json:"Id,omitempty"`
	etag string // with its quotes
}

// wantsUpsert reports whether the request may replace what is there.
func (c *call) wantsUpsert() bool { return c.r.Header.Get("X-Upsert") == "true" }

// upload is POST: it makes an object, or replaces it with x-upsert.
func (c *call) upload() error { return c.storeFor(c.wantsUpsert()) }

// uploadUpdate is PUT: it always may replace.
func (c *call) uploadUpdate() error { return c.storeFor(true) }

func (c *call) storeFor(upsert bool) error {
	done, err := c.store(grant{settings: c.asUser(), owner: c.owner(), upsert: upsert})
	if err != nil {
		return err
	}
	return writeJSON(c.w, done)
}

// store takes the request's body for the object of the path.
func (c *call) store(g grant) (uploaded, error) {
	return c.storeContent(c.readContent(), g)
}

// storeContent makes in the object of the path: it asks the database, stores
// the bytes, then commits the row that names them.
func (c *call) storeContent(in content, g grant) (uploaded, error) {
	row := newRow{bucket: c.bucket, key: c.key, owner: g.owner, user: in.user}
	if c.storesFirst(in) {
		return c.storeSmall(in, g, row)
	}
	limit, err := c.admit(in, g, row)
	if err != nil {
		return uploaded{}, err
	}
	meta, err := c.storeBytes(&in, g, &row, limit)
	if err != nil {
		return uploaded{}, err
	}
	return c.storeRow(write{newRow: row, upsert: g.upsert}, meta)
}

// storeBytes stores the bytes of in under a version of their own, and
// completes the row with it and with what they are.
func (c *call) storeBytes(in *content, g grant, row *newRow, limit int64) (objectMetadata, error) {
	row.version = uuid.NewString()
	info, err := c.h.blobs.Put(c.ctx(), row.version, in.body, limit)
	if err != nil {
		return objectMetadata{}, err
	}
	err = c.readRest(in, g, row)
	meta := c.metadataOf(info, *in)
	if err == nil {
		row.metadata, err = encode(meta)
	}
	if row.user == nil {
		row.user = []byte("{}")
	}
	if err != nil {
		c.removeBytes(row.version)
	}
	return meta, err
}

// storeRow commits the row of an upload.
func (c *call) storeRow(w write, meta objectMetadata) (uploaded, error) {
	w.returning = " returning id::text"
	done, err := c.write(w)
	if err != nil {
		return uploaded{}, err
	}
	return uploaded{Key: c.bucket + "/" + c.key, ID: done.text(0), etag: meta.ETag}, nil
}

func (c *call) metadataOf(info blob.Info, in content) objectMetadata {
	return objectMetadata{
		ETag: `"` + info.MD5 + `"`, Size: info.Size, Mimetype: in.mime, CacheControl: in.cacheControl,
		LastModified: c.h.now().UTC().Truncate(time.Millisecond).Format(timeLayout), ContentLength: info.Size,
		HTTPStatusCode: http.StatusOK, XRobotsTag: c.r.Header.Get("X-Robots-Tag"),
	}
}

// declaredLength is the length that the request names, which policies may
// test; nil when it names none.
func (c *call) declaredLength() *int64 {
	n := c.r.ContentLength
	if n < 0 || n == 0 && c.r.Header.Get("Content-Length") == "" {
		return nil
	}
	return &n
}

// readContent reads how the request describes its bytes, and no bytes. An
// error is kept for later, because a missing bucket is told first.
func (c *call) readContent() content {
	in := c.describeContent()
	in.declared = c.declaredLength()
	return in
}

func (c *call) describeContent() content {
	if !isForm(c.r) {
		h := c.r.Header
		in := content{body: c.r.Body, mime: h.Get("Content-Type"), cacheControl: h.Get("Cache-Control")}
		if _, sent := h["Content-Type"]; !sent {
			in.mime = defaultType
		} else if !looksLikeType(in.mime) {
			in.err = errContentType()
			return in
		}
		if in.cacheControl == "" {
			in.cacheControl = "no-cache"
		}
		in.user, in.err = headerMetadata(h)
		if len(in.user) > maxFieldBytes {
			in.err = errTooLarge("user_metadata")
		}
		return in
	}
	f, err := readForm(c.r)
	if err != nil {
		return content{err: err}
	}
	in := content{body: f.file, mime: f.mime, form: f}
	in.readFields()
	return in
}

// readFields reads what the form's fields say of the object.
func (in *content) readFields() {
	if t := in.form.fields["contentType"]; t != "" {
		in.mime = t
	}
	in.cacheControl = "no-cache"
	if seconds := in.form.fields["cacheControl"]; seconds != "" && !in.form.twice["cacheControl"] {
		in.cacheControl = "max-age=" + seconds
	}
	user, ok := in.form.fields["metadata"]
	if !ok {
		user = in.form.fields["userMetadata"]
	}
	in.user, in.err = userMetadata([]byte(user))
}

// readRest reads the fields that come after the form's file: they count like
// those before it, for the bucket and for the policies, too.
func (c *call) readRest(in *content, g grant, row *newRow) error {
	if in.form == nil {
		return nil
	}
	if err := in.form.readRest(); err != nil {
		return err
	}
	mime := in.mime
	in.readFields()
	if in.mime == mime && bytes.Equal(in.user, row.user) {
		return in.err
	}
	row.user = in.user
	_, err := c.admit(*in, g, *row)
	return err
}

// looksLikeType reports whether a Content-Type header begins with type/subtype.
func looksLikeType(header string) bool {
	t, _, _ := strings.Cut(header, ";")
	kind, sub, ok := strings.Cut(strings.TrimSpace(t), "/")
	return ok && isToken(kind) && isToken(sub)
}

func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// admit says how many bytes an upload may have, or why it may not be. What the
// bucket takes and whether the policies would let the row in is asked for in
// one round trip; a bucket that is missing is told first, and what the bucket
// does not take before what the policies refuse.
func (c *call) admit(in content, g grant, row newRow) (limit int64, err error) {
	row.metadata, err = encode(trialMetadata{Mimetype: in.mime, ContentLength: in.declared})
	if err != nil {
		return 0, err
	}
	_, wrong := c.checkContent(in, bucketLimits{})
	if wrong == nil {
		wrong = checkNewKey(c.key)
	}
	var b bucketLimits
	var refused error
	if wrong != nil { // in any bucket, whoever asks
		b, err = c.findLimits()
	} else {
		b, refused, err = c.findLimitsAndTry(g.settings, row, g.upsert)
	}
	if err != nil {
		return 0, err
	}
	if limit, err = c.checkContent(in, b); err != nil {
		return 0, err
	}
	if wrong != nil {
		return 0, wrong
	}
	return limit, refused
}

// limitsOf is the statement that reads what a bucket takes. It runs as
// service_role, so that a bucket the caller cannot see is not said to be
// missing.
func limitsOf(bucket string) session.Statement {
	return sql(`select file_size_limit, to_jsonb(allowed_mime_types)::text from storage.buckets where id = $1`, bucket)
}

func readLimits(rows []row) (bucketLimits, error) {
	if len(rows) == 0 {
		return bucketLimits{}, errNoSuchBucket()
	}
	l := bucketLimits{size: rows[0].number(0)}
	if rows[0][1] == nil {
		return l, nil
	}
	return l, json.Unmarshal(rows[0][1], &l.mime)
}

// findLimits reads what the bucket of the path takes.
func (c *call) findLimits() (bucketLimits, error) {
	if err := checkBucketName(c.bucket); err != nil {
		return bucketLimits{}, err
	}
	all, err := c.query(c.ctx(), c.asService(), limitsOf(c.bucket))
	if err != nil {
		return bucketLimits{}, err
	}
	return readLimits(all[0])
}

// findLimitsAndTry is findLimits and mayWrite, whose error is refused.
func (c *call) findLimitsAndTry(s *session.Settings, n newRow, upsert bool) (b bucketLimits, refused, err error) {
	if err := checkBucketName(c.bucket); err != nil {
		return b, nil, err
	}
	trial := n.trial(upsert)
	trial.As = s
	res, refused := c.try(c.asService(), limitsOf(c.bucket), trial)
	if len(res) == 0 {
		return b, nil, refused
	}
	b, err = readLimits(rowsOf(res[0]))
	return b, trialError(refused, upsert), err
}

// checkContent judges an upload's description and returns how many bytes it
// may have.
func (c *call) checkContent(in content, b bucketLimits) (limit int64, err error) {
	if tag := c.r.Header.Get("X-Robots-Tag"); tag != "" {
		if err := checkRobots(tag); err != nil {
			return 0, err
		}
	}
	if in.err != nil {
		return 0, in.err
	}
	if !isPlaceholder(c.key) {
		limit = c.h.standard
		if b.size != nil {
			limit = min(limit, *b.size)
		}
		if !typeAllowed(in.mime, b.mime) {
			return 0, errMimeType(in.mime)
		}
	}
	if n := in.declared; n != nil && *n > limit && !isForm(c.r) {
		return 0, errTooLarge("object")
	}
	return limit, nil
}

// typeAllowed compares a type with those of a bucket; parameters count as part
// of the subtype. No list allows all.
func typeAllowed(mime string, allowed []string) bool {
	if len(allowed) == 0 {
		return true
	}
	kind, sub, ok := strings.Cut(mime, "/")
	if !ok {
		return false
	}
	for _, a := range allowed {
		k, s, _ := strings.Cut(a, "/")
		if k == kind && (s == sub || s == "*") {
			return true
		}
	}
	return false
}
