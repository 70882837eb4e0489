package storage

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/suparust/suparust/server/internal/storage/blob"
	"github.com/suparust/suparust/server/internal/storage/tus"
)

// createUpload begins an upload, with the first of its bytes where the request
// has them.
func (t *tusCall) createUpload() error {
	if _, sent := t.header("Upload-Concat"); sent {
		return errTusConcat
	}
	length := t.size("Upload-Length")
	if _, deferred := t.header("Upload-Defer-Length"); (length == nil) != deferred {
		return errTusLength
	}
	meta, err := t.describe()
	if err != nil {
		return err
	}
	l, replaces, err := t.findTarget()
	if err != nil {
		return err
	}
	limit := t.h.uploadLimit(l)
	if length != nil && *length > limit {
		return errTusMaxSize
	}
	g, err := t.grant()
	if err != nil {
		return err
	}
	if err := t.permit(g, meta, length); err != nil {
		return err
	}
	if kind := meta.Get("contentType"); kind != "" && !typeAllowed(kind, l.mime) {
		return errMimeType(kind)
	}
	u := &resumed{version: uuid.NewString(), unknown: true}
	database, err := t.h.installation(t.ctx())
	if err != nil {
		return err
	}
	u.uploadNote = uploadNote{
		Bucket: t.bucket, Key: t.key, Database: database, Metadata: meta.With("cacheControl", cacheControl(meta.Get("cacheControl"))).String(),
		Length: length, Created: t.h.now().UTC(), Owner: g.owner, Upsert: g.upsert, Replaces: replaces,
	}
	lock, err := t.h.locks.acquire(t.ctx(), u.version)
	if err != nil {
		return err
	}
	defer lock.release()
	note, err := json.Marshal(u.uploadNote)
	if err != nil {
		return err
	}
	if err := t.h.uploads.Create(t.ctx(), u.version, note); err != nil {
		return err
	}
	if err := t.firstPart(lock, u, limit); err != nil {
		if !u.Finished {
			err = errors.Join(err, t.drop(u))
		}
		return err
	}
	h := t.w.Header()
	h.Set("Location", t.location(tus.ID{Bucket: u.Bucket, Key: u.Key, Version: u.version}))
	h.Set("Content-Type", textType)
	t.expires(&u.uploadNote)
	t.w.WriteHeader(http.StatusCreated)
	return nil
}

// describe reads Upload-Metadata: which object the upload is for and what it is.
func (t *tusCall) describe() (tus.Metadata, error) {
	header, sent := t.header("Upload-Metadata")
	if !sent {
		return nil, errInvalidRequest("Metadata header is required")
	}
	meta, err := tus.ParseMetadata(header)
	if err != nil {
		return nil, withCause(errInvalidParameter("upload-metadata"), err)
	}
	t.bucket, t.key = meta.Get("bucketName"), meta.Get("objectName")
	if err := checkBucketName(t.bucket); err != nil {
		return nil, err
	}
	return meta, checkNewKey(t.key)
}

// firstPart takes the bytes that come with the creation, and completes an
// upload that is whole with them.
func (t *tusCall) firstPart(lock *uploadLock, u *resumed, limit int64) error {
	if t.r.Header.Get("Content-Type") == tus.ContentType {
		if err := t.receive(lock, u, limit); err != nil {
			return err
		}
		t.w.Header().Set("Upload-Offset", strconv.FormatInt(u.Offset, 10))
	}
	return t.completeWhole(u)
}

// typeOf is the type of an upload's bytes.
func typeOf(meta tus.Metadata) string {
	if kind := meta.Get("contentType"); kind != "" {
		return kind
	}
	return defaultType
}

// cacheControl is what is stored of the number of seconds that a client sends.
func cacheControl(seconds string) string {
	if _, err := strconv.ParseInt(seconds, 10, 64); err != nil || seconds[0] == '+' {
		return "no-cache"
	}
	return "max-age=" + seconds
}

// uploadLimit is how many bytes a resumable upload into the bucket may have. A
// bucket's limit of 0 is none.
func (h *Handler) uploadLimit(l bucketLimits) int64 {
	if l.size == nil || *l.size == 0 {
		return h.limit
	}
	return min(*l.size, h.limit)
}

// findTarget reads what the bucket takes and which version of the object is
// there, "" when none is.
func (t *tusCall) findTarget() (l bucketLimits, replaces string, err error) {
	r, err := t.one(t.ctx(), t.asService(), sql(
		`select b.file_size_limit, to_jsonb(b.allowed_mime_types)::text, coalesce(o.version, '')
		 from storage.buckets b left join storage.objects o on o.bucket_id = b.id and o.name = $2
		 where b.id = $1`, t.bucket, t.key))
	if err != nil {
		return l, "", err
	}
	if r == nil {
		return l, "", errNoSuchBucket()
	}
	l.size = r.number(0)
	return l, r.text(2), json.Unmarshal(r.json(1), &l.mime)
}

// errStopped says that a request was ended to make room for another.
var errStopped = errors.New("another request has taken over the upload")

// receive appends the request's body to the upload, which the request is alone
// with. limit is how large the upload may become.
func (t *tusCall) receive(lock *uploadLock, u *resumed, limit int64) error {
	room := limit - u.Offset
	if u.Length != nil {
		room = *u.Length - u.Offset
	}
	if t.r.ContentLength > room {
		return errTusSizeExceeded
	}
	body := lock.guard(t.w, t.r.Body)
	defer body.end()
	ctx, done := lock.while(context.WithoutCancel(t.ctx())) // a client that goes away ends the body
	defer done()
	end, err := t.h.uploads.Append(ctx, u.version, u.Offset, body, room)
	switch {
	case ctx.Err() != nil:
		return errLockTimeout(errors.Join(context.Cause(ctx), err))
	case err == nil, errors.Is(err, errStopped):
		u.Offset = end
	case errors.Is(err, blob.ErrOffset): // of another process
		return errTusOffset
	default:
		return busy(err)
	}
	if err != nil { // what the client still sends is of no use
		t.w.Header().Set("Connection", "close")
	}
	return nil
}
