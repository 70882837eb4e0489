package blob

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestPartSource(t *testing.T) {
	t.Parallel()
	const part = 100
	content := bytes.Repeat([]byte("0123456789"), 100)
	for _, size := range []int{0, 1, part - 1, part, part + 1, 2 * part, 3*part + 7} {
		for name, reader := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "the end with the bytes": iotest.DataErrReader,
		} {
			p := &partSource{ctx: context.Background(), r: reader(bytes.NewReader(content[:size])), limit: int64(size), size: part, sum: md5.New()}
			var got []byte
			for n := 0; !p.ended; n++ {
				b, err := p.next()
				if err != nil || n > size/part {
					t.Fatalf("%d %s: part %d: %v", size, name, n, err)
				}
				if !p.ended && len(b) != part || len(b) > part {
					t.Errorf("%d %s: a part of %d bytes", size, name, len(b))
				}
				got = append(got, b...)
			}
			want := md5.Sum(content[:size])
			if !bytes.Equal(got, content[:size]) || p.read != int64(size) || !bytes.Equal(p.sum.Sum(nil), want[:]) {
				t.Errorf("%d %s: %d bytes", size, name, len(got))
			}
		}
	}
	tooLarge := &partSource{ctx: context.Background(), r: bytes.NewReader(content), limit: 10, size: part, sum: md5.New()}
	if _, err := tooLarge.next(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	broken := &partSource{ctx: context.Background(), r: iotest.ErrReader(io.ErrUnexpectedEOF), limit: 10, size: part, sum: md5.New()}
	var read *ReadError
	if _, err := broken.next(); !errors.As(err, &read) {
		t.Errorf("a broken sender: %v", err)
	}
}
