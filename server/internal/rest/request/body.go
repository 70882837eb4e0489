package request

import (
	"errors"
	"io"
)

// bodyText is a body while it comes, or the JSON that is made of it.
type bodyText struct {
	src  io.Reader
	size int64 // told beforehand, -1 when it was not
	max  int64 // of the text, 0 is no bound

	in   []byte // read and not used yet
	room []byte // what in is a part of
	read int64
	err  error // why no more comes

	out []byte
}

const bodyRoom = 64 << 10

func newBodyText(src io.Reader, size, limit int64) *bodyText {
	return &bodyText{src: src, size: size, max: limit}
}

// fill reads on when everything was used. It is false at the end and after an
// error.
func (t *bodyText) fill() bool {
	if t.room == nil {
		t.room = make([]byte, bodyRoom)
	}
	for len(t.in) == 0 && t.err == nil {
		var n int
		n, t.err = t.src.Read(t.room)
		t.in = t.room[:n]
		t.read += int64(n)
	}
	return len(t.in) > 0
}

// failure is the error that ended the body, nil at its end.
func (t *bodyText) failure() error {
	if errors.Is(t.err, io.EOF) {
		return nil
	}
	return t.err
}

// reserve makes room for n more bytes. A length that was told is trusted, as
// far as the text made so far lets expect it, when an eighth has come: so a
// body is held hardly more than once, and no client gets much for a promise.
func (t *bodyText) reserve(n int) {
	if cap(t.out)-len(t.out) >= n {
		return
	}
	most := max(2*cap(t.out), 4<<10)
	if used := t.read - int64(len(t.in)); t.size > 0 && used*8 >= t.size {
		expected := int(float64(len(t.out)) / float64(used) * float64(t.size))
		most = max(expected+expected/64+512, cap(t.out)+cap(t.out)/8)
	}
	if t.max > 0 {
		most = min(most, int(t.max)+bodyRoom) // more of it is refused
	}
	grown := make([]byte, len(t.out), max(most, len(t.out)+n))
	copy(grown, t.out)
	t.out = grown
}

// all reads the whole body as it is.
func (t *bodyText) all() ([]byte, error) {
	if t.size > 0 && t.size <= bodyRoom {
		t.out = make([]byte, 0, t.size+1)
	}
	for {
		t.reserve(1)
		n, err := t.src.Read(t.out[len(t.out):cap(t.out)])
		t.out = t.out[:len(t.out)+n]
		t.read += int64(n)
		if errors.Is(err, io.EOF) {
			return t.out, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// Maker is a source of a body that is told how much text was made of it so far,
// which may be many times what has come: the names of columns stand in every
// row. Its error ends the reading.
type Maker interface {
	Made(size int64) error
}

// grew is an error when more text was made of the body than a body may have,
// or than there is memory for.
func (t *bodyText) grew() error {
	if t.tooLong() {
		return BodyTooLarge(t.max)
	}
	if m, ok := t.src.(Maker); ok {
		return m.Made(int64(len(t.out)))
	}
	return nil
}

// tooLong is true when more text was made of the body than a body may have.
func (t *bodyText) tooLong() bool { return t.max > 0 && int64(len(t.out)) > t.max }

// add appends text.
func (t *bodyText) add(s string) {
	t.reserve(len(s))
	t.out = append(t.out, s...)
}

// addByte appends one byte of a JSON string's contents.
func (t *bodyText) addByte(c byte) {
	t.reserve(6)
	switch {
	case c == '"' || c == '\\':
		t.out = append(t.out, '\\', c)
	case c >= ' ':
		t.out = append(t.out, c)
	case c == '\n':
		t.out = append(t.out, '\\', 'n')
	case c == '\r':
		t.out = append(t.out, '\\', 'r')
	case c == '\t':
		t.out = append(t.out, '\\', 't')
	default:
		const digits = "0123456789abcdef"
		t.out = append(t.out, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
	}
}

// addPlain appends the beginning of what was read up to the first byte that is
// special in the body or in JSON, and reports whether it ended there.
func (t *bodyText) addPlain(special *[256]bool) bool {
	i := 0
	for i < len(t.in) && !special[t.in[i]] {
		i++
	}
	t.reserve(i)
	t.out = append(t.out, t.in[:i]...)
	t.in = t.in[i:]
	return len(t.in) > 0
}

// specials is the set of a format's own bytes and those that JSON escapes.
func specials(own string) *[256]bool {
	var set [256]bool
	for c := range 0x20 {
		set[c] = true
	}
	for _, c := range []byte(own + `"\`) {
		set[c] = true
	}
	return &set
}
