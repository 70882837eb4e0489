package httpx

import (
	"bytes"
	"context"
	"net"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
)

// WithHeaderNames is for a request over a transport of NewTransport's: names
// tells how the headers of its answer are written on the way, by the names that
// Go gives them. It tells nothing where that is not known, of HTTP/2, where they
// are in small letters, among others.
func WithHeaderNames(ctx context.Context) (_ context.Context, names func() map[string]string) {
	var used atomic.Pointer[recorder]
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		conn, _ := info.Conn.(*recorder)
		if conn != nil {
			conn.listen()
		}
		used.Store(conn)
	}})
	return ctx, func() map[string]string {
		if conn := used.Load(); conn != nil {
			return conn.names()
		}
		return nil
	}
}

// maxHead bounds what is kept of an answer's headers. Those of a longer one get
// the names that Go gives them.
const maxHead = 64 << 10

// recorder is a connection that keeps the headers of the answer that comes.
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

// names are the names of the headers that have come, by those that Go gives
// them.
func (r *recorder) names() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waits {
		return nil
	}
	names := map[string]string{}
	for line := range bytes.Lines(r.head) {
		if name, _, ok := strings.Cut(string(line), ":"); ok {
			names[textproto.CanonicalMIMEHeaderKey(name)] = name
		}
	}
	return names
}
