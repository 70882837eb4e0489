package storage

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/session"
	"github.com/suparust/suparust/server/internal/storage/blob"
	"github.com/suparust/suparust/server/internal/storage/tus"
)

const (
	// publicPrefix is where clients find the API.
	publicPrefix  = "/storage/v1"
	resumablePath = "/upload/resumable"

	textType = "text/plain;charset=UTF-8"

	tusExtensions = "creation,creation-with-upload,creation-defer-length,termination,expiration"
	tusMethods    = "POST, HEAD, PATCH, OPTIONS, DELETE"
	tusHeaders    = "Authorization, Content-Type, Location, Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, " +
		"Upload-Concat, Upload-Defer-Length, Upload-Length, Upload-Metadata, Upload-Offset, X-HTTP-Method-Override, " +
		"X-Requested-With, X-Forwarded-Host, X-Forwarded-Proto, Forwarded, " +
		"Authorization, X-Upsert, Upload-Expires, ApiKey, x-signature"
)

// tusCall is a request of the protocol for resumable uploads.
type tusCall struct {
	*call
	signed bool // a signed token stands for the caller's own
}

// resumable is a route of the protocol: its errors are texts with their true
// status.
func resumable(signed bool, serve func(*tusCall) error) func(*call) error {
	return func(c *call) error {
		t := &tusCall{call: c, signed: signed}
		c.w.Header().Set("Tus-Resumable", tus.Version)
		err := t.checkHeaders()
		if err == nil {
			err = serve(t)
		}
		if err != nil {
			c.logDenied(err)
			t.fail(err)
		}
		return nil
	}
}

// tusError is an answer in the protocol's own words.
type tusError struct {
	status int
	text   string
}

func (e *tusError) Error() string { return strings.TrimSpace(e.text) }

// The answers of the protocol. Those of the API are errors as everywhere.
var (
	errTusVersion      = &tusError{http.StatusPreconditionFailed, "Tus-Resumable Required\n"}
	errTusMethod       = &tusError{http.StatusNotFound, "Not found\n"}
	errTusConcat       = &tusError{http.StatusNotImplemented, "Concatenation extension is not (yet) supported. Disable parallel uploads in the tus client.\n"}
	errTusLength       = &tusError{http.StatusBadRequest, "Upload-Length or Upload-Defer-Length header required\n"}
	errTusNoOffset     = &tusError{http.StatusForbidden, "Upload-Offset header required\n"}
	errTusNoType       = &tusError{http.StatusForbidden, "Content-Type header required\n"}
	errTusNotFound     = &tusError{http.StatusNotFound, "The file for this url was not found\n"}
	errTusExpired      = &tusError{http.StatusGone, "The file for this url no longer exists\n"}
	errTusOffset       = &tusError{http.StatusConflict, "Upload-Offset conflict\n"}
	errTusMaxSize      = &tusError{http.StatusRequestEntityTooLarge, "Maximum size exceeded\n"}
	errTusSizeExceeded = &tusError{http.StatusRequestEntityTooLarge, "upload's size exceeded\n"}
	errTusFinished     = &tusError{http.StatusBadRequest, "Cannot terminate an already completed upload"}
)

// fail writes the answer for an error.
func (t *tusCall) fail(err error) {
	var te *tusError
	if errors.Is(err, blob.ErrTooLarge) {
		err = errTusMaxSize
	}
	if !errors.As(err, &te) {
		e := t.h.toError(t.ctx(), err)
		te = &tusError{e.Status, e.Message}
		if e.Status >= http.StatusInternalServerError {
			t.h.log.LogAttrs(t.ctx(), slog.LevelError, "a resumable upload failed",
				slog.String("req_id", gateway.RequestID(t.ctx())), slog.String("code", e.Code), slog.Any("error", err))
		}
	}
	h := t.w.Header()
	h.Set("Content-Type", textType)
	h.Set("Content-Length", strconv.Itoa(len(te.text)))
	t.w.WriteHeader(te.status)
	_, _ = t.w.Write([]byte(te.text)) // the client is gone when this fails
}

// checkHeaders refuses a request that does not keep to the protocol.
func (t *tusCall) checkHeaders() error {
	if t.r.Method == http.MethodOptions {
		return nil
	}
	if t.r.Header.Get("Tus-Resumable") == "" {
		return errTusVersion
	}
	var bad []string
	if t.r.Method == http.MethodPatch { // others may have any type
		if v, sent := t.header("Content-Type"); sent && v != tus.ContentType {
			bad = append(bad, "content-type")
		}
	}
	for _, name := range tus.Headers {
		if v, sent := t.header(name); sent && !tus.ValidHeader(name, v) {
			bad = append(bad, name)
		}
	}
	if len(bad) > 0 {
		return &tusError{http.StatusBadRequest, "Invalid " + strings.Join(bad, " ") + "\n"}
	}
	return nil
}

// header is a header's value, and whether the request has it.
func (t *tusCall) header(name string) (value string, sent bool) {
	values := t.r.Header.Values(name)
	return strings.Join(values, ", "), len(values) > 0
}

// size is the number in a header that checkHeaders has found to be one; nil
// when it was not sent.
func (t *tusCall) size(name string) *int64 {
	v, sent := t.header(name)
	n, ok := tus.ParseSize(v)
	if !sent || !ok {
		return nil
	}
	return &n
}

// id is the upload that the address names.
func (t *tusCall) id() (tus.ID, error) {
	path := strings.TrimSuffix(t.r.URL.EscapedPath(), "/")
	segment := path[strings.LastIndexByte(path, '/')+1:]
	if strings.Contains(resumablePath, segment) {
		return tus.ID{}, errTusNotFound
	}
	id, ok := tus.ParseID(segment)
	if !ok {
		return id, &Error{Status: 400, Name: "InvalidUploadId", Code: "InvalidUploadId", Message: "Invalid upload id"}
	}
	if err := checkBucketName(id.Bucket); err != nil {
		return id, err
	}
	if err := checkKeyBytes(id.Key); err != nil {
		return id, err
	}
	t.bucket, t.key = id.Bucket, id.Key
	return id, nil
}

// uploadOptions says what the server takes.
func (t *tusCall) uploadOptions() error {
	h := t.w.Header()
	h.Set("Tus-Version", tus.Version)
	h.Set("Tus-Extension", tusExtensions)
	h.Set("Tus-Max-Size", strconv.FormatInt(t.h.limit, 10))
	h.Set("Access-Control-Allow-Methods", tusMethods)
	h.Set("Access-Control-Allow-Headers", tusHeaders)
	h.Set("Access-Control-Max-Age", "86400")
	t.w.WriteHeader(http.StatusNoContent)
	return nil
}

// noSuchMethod answers a method that the protocol does not have.
func (t *tusCall) noSuchMethod() error { return errTusMethod }

// grant is who the upload is made for. A signed token is the permission;
// otherwise the caller needs it from the database, see permit.
func (t *tusCall) grant() (grant, error) {
	if !t.signed {
		return grant{settings: t.asUser(), owner: t.owner(), upsert: t.wantsUpsert()}, nil
	}
	token, sent := t.header("X-Signature")
	if !sent || token == "" {
		return grant{}, errSignature("Missing x-signature header")
	}
	claims, err := t.h.checkSigned(token, scopeUpload, t.bucket+"/"+t.key)
	if err != nil {
		return grant{}, err
	}
	return t.uploadGrant(claims), nil
}

// permission is the statement that asks the database whether the upload may be
// made, under the role of the caller. It is undone.
func (t *tusCall) permission(g grant, meta tus.Metadata, length *int64) (session.Statement, error) {
	row := newRow{bucket: t.bucket, key: t.key, owner: g.owner}
	var err error
	if row.user, err = userMetadata([]byte(meta.Get("metadata"))); err != nil {
		return session.Statement{}, err
	}
	row.metadata, err = encode(trialMetadata{Mimetype: meta.Get("contentType"), ContentLength: length})
	if err != nil {
		return session.Statement{}, err
	}
	return row.trial(g.upsert), nil
}

// permit asks for permission.
func (t *tusCall) permit(g grant, meta tus.Metadata, length *int64) error {
	ask, err := t.permission(g, meta, length)
	if err != nil {
		return err
	}
	_, err = t.try(g.settings, ask)
	return trialError(err, g.upsert)
}

// expires tells until when an unfinished upload is kept.
func (t *tusCall) expires(n *uploadNote) {
	if !n.Done {
		t.w.Header().Set("Upload-Expires", t.h.expiry(n).UTC().Format(http.TimeFormat))
	}
}

func (h *Handler) expiry(n *uploadNote) time.Time { return n.Created.Add(h.uploadExpiry) }

// location is the address of an upload as the client can reach it.
func (t *tusCall) location(id tus.ID) string {
	root := t.h.publicURL
	if root == "" {
		root = tus.PublicRoot(t.r, publicPrefix)
	} else {
		root += publicPrefix
	}
	root += resumablePath
	if t.signed {
		root += "/sign"
	}
	return root + "/" + id.String()
}
