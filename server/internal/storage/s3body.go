package storage

import (
	"crypto/md5"  // Content-MD5
	"crypto/sha1" // x-amz-checksum-sha1; nothing is protected by it
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/suparust/suparust/server/internal/storage/sigv4"
)

// s3Body takes the place of the request's body: its bytes out of their chunks,
// at whose end the lengths, hashes and checksums that the client has named are
// compared. What was read counts only when the end came without an error.
func (c *call) s3Body() error {
	h := c.r.Header
	v := &verified{body: c.r.Body, r: c.r.Body, length: -1}
	payload := h.Get("X-Amz-Content-Sha256")
	if sigv4.IsStreaming(payload) {
		chunks, err := sigv4.NewChunkReader(c.r.Body, c.s3.sig, payload, c.s3.secret)
		if err != nil {
			return fromChunks(err)
		}
		v.r, v.chunks = chunks, chunks
	}
	if n := c.decodedLength(); n != nil {
		v.length = *n
	}
	if len(payload) == sha256.Size*2 && (!c.s3.sig.Presigned || c.s3.sig.Signs("x-amz-content-sha256")) {
		want, err := hex.DecodeString(payload)
		if err != nil {
			return errInvalidDigest("x-amz-content-sha256")
		}
		v.add("", sha256.New(), want)
	}
	if text := h.Get("Content-Md5"); text != "" {
		want, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(want) != md5.Size {
			return errInvalidDigest("Content-MD5")
		}
		v.add("Content-MD5", md5.New(), want)
	}
	for name, sum := range checksums {
		if text := h.Get(name); text != "" {
			want, err := base64.StdEncoding.DecodeString(text)
			if err != nil || len(want) != sum().Size() {
				return errInvalidDigest(name)
			}
			v.add(name, sum(), want)
		}
	}
	announced := false
	for name := range strings.SplitSeq(h.Get("X-Amz-Trailer"), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		sum := checksums[name]
		switch {
		case sum == nil:
			continue
		case announced:
			return errInvalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		announced = true
		v.add(name, sum(), nil)
	}
	c.r.Body = v
	return nil
}

// decodedLength is the length of the bytes themselves, nil when the request
// names none.
func (c *call) decodedLength() *int64 {
	if text := c.r.Header.Get("X-Amz-Decoded-Content-Length"); text != "" {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
			return &n
		}
	}
	if sigv4.IsStreaming(c.r.Header.Get("X-Amz-Content-Sha256")) {
		return nil
	}
	return c.declaredLength()
}

// crc64NVME is the polynomial of x-amz-checksum-crc64nvme, bits reversed.
var crc64NVME = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// checksums by the names of their headers.
var checksums = map[string]func() hash.Hash{
	"x-amz-checksum-crc32":     func() hash.Hash { return crc32.NewIEEE() },
	"x-amz-checksum-crc32c":    func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
	"x-amz-checksum-crc64nvme": func() hash.Hash { return crc64.New(crc64NVME) },
	"x-amz-checksum-sha1":      sha1.New,
	"x-amz-checksum-sha256":    sha256.New,
}

// verified is a body that is compared at its end with what was promised.
type verified struct {
	body   io.ReadCloser
	r      io.Reader
	chunks *sigv4.ChunkReader // nil when it does not come in chunks
	length int64              // -1 when none was named
	read   int64
	sums   []namedSum
}

type namedSum struct {
	name string // "" is x-amz-content-sha256
	hash hash.Hash
	want []byte // nil comes in the trailer
}

func (v *verified) add(name string, h hash.Hash, want []byte) {
	v.sums = append(v.sums, namedSum{name, h, want})
}

// Read implements io.Reader.
func (v *verified) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.read += int64(n)
	for _, s := range v.sums {
		s.hash.Write(p[:n])
	}
	if v.length >= 0 && v.read > v.length {
		return n, errIncomplete()
	}
	switch {
	case errors.Is(err, io.EOF):
		if e := v.check(); e != nil {
			return n, e
		}
	case err != nil:
		return n, fromChunks(err)
	}
	return n, err
}

// Close implements io.Closer.
func (v *verified) Close() error { return v.body.Close() }

func (v *verified) check() error {
	if v.length >= 0 && v.read != v.length {
		return errIncomplete()
	}
	for _, s := range v.sums {
		want := s.want
		if want == nil {
			text, ok := "", false
			if v.chunks != nil {
				text, ok = v.chunks.Trailer()[s.name]
			}
			var err error
			if want, err = base64.StdEncoding.DecodeString(text); !ok || err != nil || len(want) != s.hash.Size() {
				return errInvalidDigest(s.name)
			}
		}
		if string(s.hash.Sum(nil)) == string(want) {
			continue
		}
		if s.name == "" {
			return &Error{Status: 400, Name: "XAmzContentSHA256Mismatch", Code: "XAmzContentSHA256Mismatch",
				Message: "The provided 'x-amz-content-sha256' header does not match what was computed."}
		}
		return &Error{Status: 400, Name: "BadDigest", Code: "BadDigest", Message: "The " + s.name + " you specified did not match what we received."}
	}
	return nil
}

func errIncomplete() *Error {
	return &Error{Status: 400, Name: "IncompleteBody", Code: "IncompleteBody",
		Message: "You did not provide the number of bytes specified by the Content-Length HTTP header"}
}

func errInvalidDigest(name string) *Error {
	return &Error{Status: 400, Name: "InvalidDigest", Code: "InvalidDigest", Message: "The " + name + " you specified is not valid."}
}

// fromChunks is the answer for a body whose chunks cannot be read.
func fromChunks(err error) error {
	var form *sigv4.FormatError
	switch {
	case errors.Is(err, sigv4.ErrChunkSignature):
		return errSignatureMismatch(false)
	case errors.As(err, &form):
		return errInvalidRequest(form.Message)
	default:
		return err
	}
}

// amzMetadata is the user metadata of headers, or of a form's fields, as JSON;
// nil when there is none.
func amzMetadata(each func(yield func(name, value string))) []byte {
	m := map[string]string{}
	each(func(name, value string) {
		if name, ok := strings.CutPrefix(strings.ToLower(name), "x-amz-meta-"); ok {
			m[name] = value
		}
	})
	if len(m) == 0 {
		return nil
	}
	b, err := encode(m)
	if err != nil {
		return nil
	}
	return b
}

func headerUserMetadata(h http.Header) []byte {
	return amzMetadata(func(yield func(name, value string)) {
		for name, values := range h {
			yield(name, latin1(strings.Join(values, ", ")))
		}
	})
}

// latin1 is a header's value as text: what is no UTF-8 is ISO 8859-1, the
// character set of headers.
func latin1(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}
