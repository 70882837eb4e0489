// Package lean is the HTTP client of the benchmarks. It sends finished
// requests over kept connections and reads no more of an answer than its
// status and its length, so that what is measured is the server: on the same
// processors a client of net/http takes as long as the server does.
package lean

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
)

// Client is one kept connection.
type Client struct {
	conn net.Conn
	in   *bufio.Reader
}

// Dial connects to the server of a base URL.
func Dial(base string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return nil, err
	}
	return &Client{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Request writes out a request, which may be sent any number of times. A body
// is JSON unless header says what it is.
func Request(method, base, target string, header http.Header, body string) []byte {
	u, err := url.Parse(base)
	if err != nil {
		return nil // Dial refuses the same base
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s%s HTTP/1.1\r\nHost: %s\r\n", method, u.Path, target, u.Host)
	_ = header.Write(&b) // a buffer takes everything
	if body != "" {
		if header.Get("Content-Type") == "" {
			b.WriteString("Content-Type: application/json\r\n")
		}
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return b.Bytes()
}

// Do sends one request and reads its answer; one to a HEAD request has no
// body. The body is good until the next call.
func (c *Client) Do(request []byte) (status int, body []byte, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, fmt.Errorf("status line %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length := 0
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return status, nil, err
		}
		if len(line) <= 2 {
			break
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				return status, nil, err
			}
		}
	}
	if bytes.HasPrefix(request, []byte("HEAD ")) {
		length = 0
	}
	if body, err = c.in.Peek(length); err == nil {
		_, err = c.in.Discard(length)
	}
	return status, body, err
}
