package httpx

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// said is a connection on which the other side says something, piece by piece.
type said struct {
	net.Conn
	pieces []string
}

func (s *said) Read(p []byte) (int, error) {
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; s.pieces[0] == "" {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func TestRecorder(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nETag: 1\r\nx-a:2 \r\nX-A: 3\r\n\r\nNo: header": "[{ETag 1} {x-a 2} {X-A 3}]",
		"HTTP/1.0 200\nA b: c\n\n":                                    "[{A b c}]",
		"HTTP/1.1 200 OK\r\n folded\r\na: b\r\n  c: d\r\n\te\r\n\r\n": "[{a b c: d e}]",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 204 No\r\nx-b: 1\r\n\r\n": "[{x-b 1}]",
		"HTTP/1.1 200 OK\r\nx-a: 1\r\n": "[]",
		"HTTP/1.1 200 OK\r\nx-a: " + strings.Repeat("1", maxHead+100) + "\r\nb: c\r\n": "[]",
		"": "[]",
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			s := &said{}
			for rest := text; rest != ""; {
				n := min(size, len(rest))
				s.pieces, rest = append(s.pieces, rest[:n]), rest[n:]
			}
			r := &recorder{Conn: s}
			r.listen()
			var got bytes.Buffer
			if _, err := io.Copy(&got, struct{ io.Reader }{r}); err != nil || got.String() != text {
				t.Errorf("%.40q is read as %.40q: %v", text, got.String(), err)
			}
			if fields := fmt.Sprint(r.fields()); fields != want {
				t.Errorf("%.40q in pieces of %d: %s, want %s", text, size, fields, want)
			}
		}
	}
}

func FuzzRecorder(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nA: b\r\n", "\r\nbody")
	f.Add("HTTP/1.1 100\n\nHTTP/1.1 103\r\n", "\n\r\n\n")
	f.Fuzz(func(t *testing.T, one, two string) {
		r := &recorder{Conn: &said{pieces: []string{one, two}}}
		r.listen()
		if _, err := io.Copy(io.Discard, struct{ io.Reader }{r}); err != nil {
			t.Fatal(err)
		}
		for _, f := range r.fields() {
			if strings.ContainsAny(f.Name, ":\n") || strings.TrimSpace(f.Value) != f.Value || !strings.Contains(one+two, f.Name) {
				t.Errorf("%q", f)
			}
		}
	})
}
