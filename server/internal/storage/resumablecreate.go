package storage

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/suparust/suparust/server/internal/session"
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
	g, wrong := t.grant()
	found, refused, err := t.findTargetAndTry(g, wrong, meta, length)
	if err != nil {
		return err
	}
	l := found.limits
	limit := t.h.uploadLimit(l)
	if length != nil && *length > limit {
		return errTusMaxSize
	}
	if refused != nil {
		return refused
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
		Length: length, Created: t.h.now().UTC(), Owner: g.owner, Upsert: g.upsert, Replaces: found.replaces,
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

// uploadTarget is what an upload is for.
type uploadTarget struct {
	limits   bucketLimits // what the bucket takes
	replaces string       // which version of the object is there, "" when none is
}

// targetOf is the statement that reads an uploadTarget, for service_role.
func targetOf(bucket, key string) session.Statement {
	return sql(
		`select b.file_size_limit, to_jsonb(b.allowed_mime_types)::text, coalesce(o.version, '')
		 from storage.buckets b left join storage.objects o on o.bucket_id = b.id and o.name = $2
		 where b.id = $1`, bucket, key)
}

func readTarget(rows []row) (u uploadTarget, err error) {
	if len(rows) == 0 {
		return u, errNoSuchBucket()
	}
	r := rows[0]
	u.limits.size, u.replaces = r.number(0), r.text(2)
	return u, json.Unmarshal(r.json(1), &u.limits.mime)
}

// findTarget reads what the upload is for.
func (t *tusCall) findTarget() (uploadTarget, error) {
	all, err := t.query(t.ctx(), t.asService(), targetOf(t.bucket, t.key))
	if err != nil {
		return uploadTarget{}, err
	}
	return readTarget(all[0])
}

// findTargetAndTry is findTarget and permit, whose error is refused, in one
// round trip. A grant that is wrong is refused for that.
func (t *tusCall) findTargetAndTry(g grant, wrong error, meta tus.Metadata, length *int64) (u uploadTarget, refused, err error) {
	var ask session.Statement
	if wrong == nil {
		ask, wrong = t.permission(g, meta, length)
	}
	if wrong != nil {
		u, err = t.findTarget()
		return u, wrong, err
	}
	ask.As = g.settings
	res, refused := t.try(t.asService(), targetOf(t.bucket, t.key), ask)
	if len(res) == 0 {
		return u, nil, refused
	}
	u, err = readTarget(rowsOf(res[0]))
	return u, trialError(refused, g.upsert), err
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
