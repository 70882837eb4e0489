package httpx

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"
)

// refusal is what net/http answers, before any handler, to a request that it
// cannot read, such as one for /100%.png.
const refusal = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"

// AnswerBadTargets makes connections of l answer requests whose target is no
// URL with what answer returns for it, as JSON; where that is nil, and where the
// request's first line is not at hand, net/http's own answer stays.
func AnswerBadTargets(l net.Listener, answer func(target string) any) net.Listener {
	return &targetListener{Listener: l, answer: answer}
}

type targetListener struct {
	net.Listener
	answer func(target string) any
}

// Accept implements net.Listener.
func (l *targetListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		return &targetConn{TCPConn: tcp, answer: l.answer}, err
	}
	return c, err
}

// targetConn embeds the connection of TCP itself, whose ReadFrom sends files.
type targetConn struct {
	*net.TCPConn
	answer func(target string) any
	last   []byte // what the last Read has returned, in its caller's buffer
}

// Read implements net.Conn.
func (c *targetConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.last = p[:n]
	return n, err
}

// Write implements net.Conn. Whoever writes a refusal reads no more.
func (c *targetConn) Write(p []byte) (int, error) {
	if len(p) != len(refusal) || string(p) != refusal {
		return c.TCPConn.Write(p)
	}
	body := c.refuse()
	if body == nil {
		return c.TCPConn.Write(p)
	}
	_, err := fmt.Fprintf(c.TCPConn, "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"Access-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n%s", len(body), body)
	if err != nil {
		return 0, err
	}
	c.readRest()
	return len(p), nil
}

// refuse is the body for a target that is no URL, nil for another request.
func (c *targetConn) refuse() []byte {
	line, _, whole := bytes.Cut(c.last, []byte("\r\n"))
	parts := bytes.Split(line, []byte(" "))
	if !whole || len(parts) != 3 {
		return nil
	}
	target := string(parts[1])
	if _, err := url.ParseRequestURI(target); err == nil {
		return nil
	}
	v := c.answer(target)
	if v == nil {
		return nil
	}
	body, err := encode(v)
	if err != nil {
		return nil
	}
	return body
}

// readRest reads what the client still sends: closed with that unread, the
// connection would be reset, and the answer with it.
func (c *targetConn) readRest() {
	const most = 1 << 20
	if c.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(500*time.Millisecond)) == nil {
		_, _ = io.CopyN(io.Discard, c.TCPConn, most) // an error is the client's having ended
	}
}
