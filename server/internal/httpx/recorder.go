package httpx

import (
	"bytes"
	"context"
	"net"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
)

// Field is a line of a header.
type Field struct{ Name, Value string }

// WithFields is for a request over a transport of NewTransport's: fields tells
// the header of its answer as the other side has written it, in its order. A
// transport of Go's gives the names another form and leaves out what is its own
// affair. It tells nothing where that is not known, of HTTP/2 among others.
func WithFields(ctx context.Context) (_ context.Context, fields func() []Field) {
	var used atomic.Pointer[recorder]
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		conn, _ := info.Conn.(*recorder)
		if conn != nil {
			conn.listen()
		}
		used.Store(conn)
	}})
	return ctx, func() []Field {
		if conn := used.Load(); conn != nil {
			return conn.fields()
		}
		return nil
	}
}

// maxHead bounds what is kept of an answer's header. Of a longer one nothing is.
const maxHead = 64 << 10

// recorder is a connection that keeps the header of the answer that comes.
type recorder struct {
	net.Conn

	mu    sync.Mutex
	waits bool // the headers are not there yet
	head  []byte
	seen  int // of head, where the end of the headers does not begin
}

// listen begins with the next answer.
func (r *recorder) listen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waits, r.head, r.seen = true, nil, 0
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.waits {
		return n, err
	}
	r.head = append(r.head, p[:n]...)
	for r.waits {
		end := endOfHead(r.head, r.seen)
		switch {
		case end > 0 && bytes.HasPrefix(r.head, []byte("HTTP/1.1 1")): // there is another one
			r.head, r.seen = r.head[end:], 0
			continue
		case end > 0:
			r.head, r.waits = r.head[:end], false
		case len(r.head) > maxHead:
			r.head, r.waits = nil, false
		default:
			r.seen = max(0, len(r.head)-len("\n\r"))
		}
		break
	}
	return n, err
}

// endOfHead is behind the empty line that ends the headers, 0 where it has not
// come.
func endOfHead(text []byte, from int) int {
	for i := from; i < len(text); i++ {
		switch rest := text[i+1:]; {
		case text[i] != '\n':
		case bytes.HasPrefix(rest, []byte("\n")):
			return i + 2
		case bytes.HasPrefix(rest, []byte("\r\n")):
			return i + 3
		}
	}
	return 0
}

// fields are those that have come.
func (r *recorder) fields() (list []Field) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waits {
		return nil
	}
	for line := range strings.Lines(string(r.head)) {
		switch name, value, ok := strings.Cut(line, ":"); {
		case strings.TrimLeft(line, " \t") != line: // goes on with the one before
			if value := strings.TrimSpace(line); value != "" && len(list) > 0 {
				last := &list[len(list)-1]
				last.Value = strings.TrimSpace(last.Value + " " + value)
			}
		case ok:
			list = append(list, Field{name, strings.TrimSpace(value)})
		}
	}
	return list
}
