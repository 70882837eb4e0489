package pgnet

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"

	"github.com/suparust/suparust/server/internal/httpx"
)

// newTransport is the way to the addresses, which may speak HTTP/2, as the
// original's does. Of HTTP/1 it keeps how the other side writes the names of its
// headers: a transport of Go's has a way of its own.
func newTransport() *http.Transport {
	t := httpx.NewTransport()
	dial := t.DialContext
	t.ForceAttemptHTTP2 = true
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &recorder{Conn: conn}, nil
	}
	t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		cfg := t.TLSClientConfig.Clone()
		if cfg == nil { // HTTP/2 makes one, unless it was switched off
			cfg = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		var secure net.Conn
		if cfg.ServerName, _, err = net.SplitHostPort(address); err == nil {
			secure, err = shakeHands(ctx, t, tls.Client(conn, cfg))
		}
		if err != nil {
			_ = conn.Close() // nothing was sent
			return nil, err
		}
		return secure, nil
	}
	return t
}

func shakeHands(ctx context.Context, t *http.Transport, conn *tls.Conn) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.TLSHandshakeTimeout)
	defer cancel()
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	if conn.ConnectionState().NegotiatedProtocol == "h2" {
		return conn, nil
	}
	return &recorder{Conn: conn}, nil
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
}

// listen begins with the next answer.
func (r *recorder) listen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waits, r.head = true, nil
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
		end := endOfHead(r.head)
		switch {
		case end > 0 && bytes.HasPrefix(r.head, []byte("HTTP/1.1 1")): // there is another one
			r.head = r.head[end:]
			continue
		case end > 0:
			r.head, r.waits = r.head[:end], false
		case len(r.head) > maxHead:
			r.head, r.waits = nil, false
		}
		break
	}
	return n, err
}

// endOfHead is behind the empty line that ends the headers, 0 where it has not
// come.
func endOfHead(text []byte) int {
	for i, c := range text {
		if rest := text[i+1:]; c == '\n' {
			switch {
			case bytes.HasPrefix(rest, []byte("\n")):
				return i + 2
			case bytes.HasPrefix(rest, []byte("\r\n")):
				return i + 3
			}
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
