// Package httpx holds the little of HTTP that all dialects share: handlers
// that return errors, bounded bodies and JSON answers. It knows no dialect's
// error shape; each dialect passes its own function that writes one.
package httpx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// HandlerFunc is an http.HandlerFunc that returns its error instead of writing
// it. A handler that has begun to answer must return nil.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// Handle turns h into an http.Handler. onError writes the answer for a non-nil
// error in the dialect's own shape.
func Handle(h HandlerFunc, onError func(w http.ResponseWriter, r *http.Request, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			onError(w, r, err)
		}
	})
}

// TooLargeError says that a request body is longer than the limit in bytes.
type TooLargeError struct{ Limit int64 }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the request body is larger than %d bytes", e.Limit)
}

// maxTrusted is how much memory a declared length is given before its bytes
// have come; more grows with them.
const maxTrusted = 256 << 10

// ReadBody reads the whole body of r, at most limit bytes. A longer body is a
// *TooLargeError; no more than limit+1 bytes of it are read.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if r.ContentLength > limit {
		return nil, &TooLargeError{Limit: limit}
	}
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(min(r.ContentLength, maxTrusted)) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(LimitBody(w, r, limit)); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// LimitBody is the body of r for reading as it comes. One of more than limit
// bytes ends in a *TooLargeError.
func LimitBody(w http.ResponseWriter, r *http.Request, limit int64) io.Reader {
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		return http.NoBody
	case r.ContentLength > limit:
		return failingReader{&TooLargeError{Limit: limit}}
	}
	return limitedBody{http.MaxBytesReader(w, r.Body, limit), limit}
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

type limitedBody struct {
	io.Reader
	limit int64
}

func (b limitedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		err = &TooLargeError{Limit: b.limit}
	}
	return n, err
}

// WriteJSON answers status with v as JSON. The value is encoded before the
// status is written, so that an error can still be answered.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	return WriteJSONType(w, status, "application/json", v)
}

// encode is v as JSON that leaves <, > and & as they are.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// WriteJSONType is WriteJSON with another content type, such as one that names
// its charset.
func WriteJSONType(w http.ResponseWriter, status int, contentType string, v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone when this fails; nothing is left to do
	return nil
}
