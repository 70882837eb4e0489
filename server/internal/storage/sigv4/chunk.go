package sigv4

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strconv"
	"strings"
)

// The values of X-Amz-Content-Sha256 of bodies that come in chunks.
const (
	StreamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	StreamingSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
)

// IsStreaming reports whether a payload hash announces a body in chunks.
func IsStreaming(payloadHash string) bool { return strings.HasPrefix(payloadHash, "STREAMING-") }

// ErrChunkSignature is a chunk whose signature is not that of its bytes.
var ErrChunkSignature = errors.New("a chunk's signature does not match")

const (
	maxChunkHeader  = 256
	maxTrailerBytes = 8 << 10
	trailerSigned   = "x-amz-trailer-signature"
)

// ChunkReader reads the bytes out of a body in chunks, in constant memory. It
// hands bytes on before their chunk's signature has come: what was read counts
// only when the end has been reached without an error.
type ChunkReader struct {
	r        *bufio.Reader
	signed   bool
	trailing bool
	key      []byte
	sig      *Signature
	previous string // signature of the chunk before

	left    int64 // of the current chunk
	current string
	sum     hash.Hash
	started bool
	trailer map[string]string
	err     error
}

// NewChunkReader reads body, which s announces. The secret is the one s was
// verified with.
func NewChunkReader(body io.Reader, s *Signature, payloadHash, secret string) (*ChunkReader, error) {
	c := &ChunkReader{r: bufio.NewReaderSize(body, 16<<10), sig: s, previous: s.Signature, trailer: map[string]string{}}
	switch payloadHash {
	case StreamingUnsignedTrailer:
		c.trailing = true
	case StreamingSigned:
		c.signed = true
	case StreamingSignedTrailer:
		c.signed, c.trailing = true, true
	default:
		return nil, &FormatError{"Invalid streaming algorithm: " + payloadHash}
	}
	if c.signed {
		c.key, c.sum = s.key(secret), sha256.New()
	}
	return c, nil
}

// Trailer is what came behind the last chunk, by names in lower case. It is
// whole when Read has returned io.EOF.
func (c *ChunkReader) Trailer() map[string]string { return c.trailer }

// Read implements io.Reader.
func (c *ChunkReader) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	for c.left == 0 {
		if c.err = c.next(); c.err != nil {
			return 0, c.err
		}
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if c.signed {
		c.sum.Write(p[:n])
	}
	if err != nil {
		c.err = broken(err, "Unexpected end of chunk data")
		return n, c.err
	}
	return n, nil
}

// next ends the current chunk and begins the next; io.EOF after the last one.
func (c *ChunkReader) next() error {
	if c.started {
		if err := c.endLine(); err != nil {
			return err
		}
		if err := c.verify(); err != nil {
			return err
		}
	}
	line, err := c.line(maxChunkHeader)
	if err != nil {
		return broken(err, "Missing final chunk")
	}
	if err := c.header(line); err != nil {
		return err
	}
	c.started = true
	if c.left > 0 {
		return nil
	}
	if c.trailing {
		err = c.verify()
		if err == nil {
			err = c.readTrailer()
		}
	} else if err = c.endLine(); err == nil {
		err = c.verify()
	}
	if err != nil {
		return err
	}
	switch _, err := c.r.ReadByte(); {
	case err == nil:
		return &FormatError{"Unexpected data after final chunk"}
	default:
		return err // io.EOF
	}
}

// header reads <size in hex>[;chunk-signature=<signature>].
func (c *ChunkReader) header(line string) error {
	size, signature, has := strings.Cut(line, ";chunk-signature=")
	if !isHex(size) || len(size) > 15 {
		return &FormatError{"Invalid chunk size"}
	}
	if has && (len(signature) != 64 || !isHex(signature)) {
		return &FormatError{"Invalid chunk header"}
	}
	if c.signed && !has {
		return &FormatError{"Missing chunk signature"}
	}
	n, err := strconv.ParseInt(size, 16, 64)
	if err != nil {
		return &FormatError{"Invalid chunk size"}
	}
	c.left, c.current = n, strings.ToLower(signature)
	return nil
}

// verify compares the signature of the chunk that has just been read.
func (c *ChunkReader) verify() error {
	if !c.signed {
		return nil
	}
	data := hex.EncodeToString(c.sum.Sum(nil))
	c.sum.Reset()
	want := c.sign("AWS4-HMAC-SHA256-PAYLOAD", emptyHash, data)
	if subtle.ConstantTimeCompare([]byte(want), []byte(c.current)) != 1 {
		return ErrChunkSignature
	}
	c.previous = want
	return nil
}

func (c *ChunkReader) sign(kind string, hashes ...string) string {
	text := append([]string{kind, c.sig.Date, c.sig.scope(), c.previous}, hashes...)
	return hex.EncodeToString(mac(c.key, strings.Join(text, "\n")))
}

// readTrailer reads the headers behind the last chunk, up to an empty line.
// There is at least one, or the body would not have announced any.
func (c *ChunkReader) readTrailer() error {
	var canonical strings.Builder
	for total := 0; ; {
		line, err := c.line(maxTrailerBytes)
		if err != nil {
			return broken(err, "Incomplete trailer section")
		}
		if line == "" {
			break
		}
		if total += len(line); total > maxTrailerBytes {
			return &FormatError{"The trailer section is too long"}
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return &FormatError{"Incomplete trailer section"}
		}
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if name != trailerSigned {
			canonical.WriteString(name + ":" + value + "\n")
		}
		c.trailer[name] = value
	}
	if len(c.trailer) == 0 {
		return &FormatError{"Incomplete trailer section"}
	}
	if !c.signed {
		return nil
	}
	want := c.sign("AWS4-HMAC-SHA256-TRAILER", hexHash(canonical.String()))
	if subtle.ConstantTimeCompare([]byte(want), []byte(c.trailer[trailerSigned])) != 1 {
		return ErrChunkSignature
	}
	return nil
}

func (c *ChunkReader) endLine() error {
	line, err := c.line(maxChunkHeader)
	if err != nil || line != "" {
		return broken(err, "Missing CRLF after chunk data")
	}
	return nil
}

var errLongLine = &FormatError{"The chunk header is too long"}

// line reads up to CRLF, at most limit bytes.
func (c *ChunkReader) line(limit int) (string, error) {
	b, err := c.r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull), len(b) > limit+2:
		return "", errLongLine
	case err != nil:
		return "", err
	}
	text, ok := strings.CutSuffix(string(b), "\r\n")
	if !ok {
		return "", &FormatError{"Invalid chunk header"}
	}
	return text, nil
}

// broken is what to say of a body that does not go on as it must: an end is a
// mistake in its form, and another error the connection's.
func broken(err error, message string) error {
	var form *FormatError
	switch {
	case errors.As(err, &form):
		return err
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &FormatError{message}
	default:
		return err
	}
}

func isHex(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return s != ""
}
