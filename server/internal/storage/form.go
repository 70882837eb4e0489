package storage

import (
	"bufio"
	"errors"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/suparust/suparust/server/internal/storage/blob"
)

const (
	maxFormFields = 10
	maxFieldBytes = 1 << 20 // of a form field, and of user metadata in any form
	// maxFormBytes bounds all fields together: those of S3 are read before it is
	// known who has sent them.
	maxFormBytes = 2 << 20
	formBuffer   = 64 << 10 // of a form that is not small
)

// isForm reports whether the request's body is a multipart form.
func isForm(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data")
}

// form is a multipart body read up to its file.
type form struct {
	fields map[string]string
	twice  map[string]bool // the fields that came more than once
	file   io.Reader
	mime   string // of the file part; "" when a field gives it

	filename string // of the file part

	body      *formReader
	parts     *multipart.Reader
	maxFields int
	read      int // how many fields, and how many bytes of them
	total     int
}

// formReader is the body of a form, which has so many bytes left for what is
// no file. The parser alone would take 10 MiB for the header of each field.
type formReader struct {
	r    io.Reader
	left int64
}

// headRoom is for the boundaries and headers of fields, besides what is in them.
const headRoom = 64 << 10

// Read implements io.Reader.
func (f *formReader) Read(p []byte) (int, error) {
	if f.left <= 0 {
		return 0, errFormTooLarge()
	}
	n, err := f.r.Read(p)
	f.left -= int64(n)
	return n, err
}

func errFormTooLarge() *Error {
	return errInvalidRequest("The fields of the form are too large: together they may have 2 MiB")
}

// readForm reads an upload's form.
func readForm(r *http.Request) (*form, error) { return readFormOf(r, maxFormFields) }

// readFormOf reads the fields of a form up to its first file, whatever the name
// of the file's field. Memory is bounded by the limits on fields; the file is
// left to be read.
func readFormOf(r *http.Request, maxFields int) (*form, error) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return nil, errInvalidRequest("Multipart: Boundary not found")
	}
	if r.ContentLength == 0 {
		return nil, errNoContent()
	}
	body := &formReader{formBody(r), maxFormBytes + headRoom}
	f := &form{
		fields: map[string]string{}, twice: map[string]bool{}, body: body, parts: multipart.NewReader(body, params["boundary"]), maxFields: maxFields,
	}
	for {
		p, err := f.parts.NextRawPart()
		switch {
		case err == io.EOF: // of the form; wrapped it is the end of the body
			return nil, errNoContent()
		case errors.Is(err, io.EOF):
			return nil, formEnded(err)
		case body.left <= 0:
			return nil, errFormTooLarge()
		case err != nil:
			return nil, withCause(errNoContent(), &blob.ReadError{Err: err})
		}
		name, isFile := partName(p)
		if isFile {
			f.file, f.mime, f.filename = p, partType(p), p.FileName()
			body.left = math.MaxInt64
			return f, nil
		}
		if err := f.readField(p, name); err != nil {
			return nil, err
		}
	}
}

// readRest reads the fields after the file, up to the end of the form or
// another file.
func (f *form) readRest() error {
	f.body.left = maxFormBytes + headRoom
	for {
		p, err := f.parts.NextRawPart()
		if err != nil { // the file is whole: what is wrong behind it does not matter
			return nil
		}
		name, isFile := partName(p)
		if isFile {
			return nil
		}
		if err := f.readField(p, name); err != nil {
			return err
		}
	}
}

// readField reads a field, within what a form may have.
func (f *form) readField(p *multipart.Part, name string) error {
	if f.read == f.maxFields {
		return errInvalidRequest("Request stream closed before upload could begin")
	}
	value, err := readField(p, name)
	if err != nil && f.body.left <= 0 {
		return errFormTooLarge()
	}
	if err != nil {
		return err
	}
	f.read++
	if f.total += len(value); f.total > maxFormBytes {
		return errFormTooLarge()
	}
	if _, seen := f.fields[name]; seen {
		f.twice[name] = true
	} else {
		f.fields[name] = value
	}
	return nil
}

func readField(p *multipart.Part, name string) (string, error) {
	value, err := io.ReadAll(io.LimitReader(p, maxFieldBytes+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "", formEnded(err)
	case err != nil:
		return "", withCause(errNoContent(), &blob.ReadError{Err: err})
	case len(value) <= maxFieldBytes:
		return string(value), nil
	case name == "metadata" || name == "userMetadata":
		return "", errTooLarge("user_metadata")
	default:
		return "", errInvalidRequest("The form field " + name + " is too large: it may have 1 MiB")
	}
}

// formEnded is the answer to a form that ends before its last boundary.
func formEnded(err error) error {
	return withCause(errInvalidRequest("Unexpected end of multipart data"), &blob.ReadError{Err: err})
}

// formBody is the body of a form. Its parser reads 4 KiB at a time, which are
// as many calls of the kernel when there is much to read.
func formBody(r *http.Request) io.Reader {
	if 0 <= r.ContentLength && r.ContentLength <= formBuffer {
		return r.Body
	}
	return bufio.NewReaderSize(r.Body, formBuffer)
}

// partName is the field's name, and whether the part is a file: it has a
// filename, an empty one too, or is of the type that files have by default.
func partName(p *multipart.Part) (name string, isFile bool) {
	disposition := p.Header.Get("Content-Disposition")
	_, params, err := mime.ParseMediaType(disposition)
	if err != nil { // some clients write quotes and spaces of a file's name as they are
		name, isFile = looseName(disposition)
	} else {
		name = params["name"]
		_, isFile = params["filename"]
	}
	return name, isFile || partType(p) == defaultType
}

// looseName is partName of a header that is not quite one.
func looseName(disposition string) (name string, isFile bool) {
	before, _, isFile := strings.Cut(disposition, "filename=")
	if _, rest, ok := strings.Cut(before, `name="`); ok {
		name, _, _ = strings.Cut(rest, `"`)
	}
	return name, isFile
}

// partType is a part's type without its parameters.
func partType(p *multipart.Part) string {
	t, _, _ := strings.Cut(p.Header.Get("Content-Type"), ";")
	t = strings.ToLower(strings.TrimSpace(t))
	if t == "" {
		return "text/plain"
	}
	return t
}
