package httpx

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// ErrStalled says that a client stopped sending the body it had announced.
var ErrStalled = errors.New("the request body stopped coming")

// progress is how many bytes of an answer must leave within the patience.
const progress = 1 << 20

// Patient lets a client be slow but not stand still: a body of which nothing
// comes for the time of patience ends in ErrStalled, and an answer that is not
// taken for as long ends its connection. However long a request takes as a
// whole, and a handler to answer it, is not bounded by it.
func Patient(next http.Handler, patience time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pw := &patientWriter{ResponseWriter: w, conn: conn{w: w, patience: patience}}
		var body *patientBody
		if r.Body != nil && r.Body != http.NoBody {
			pw.conn.write(time.Time{}) // that of the connection's last request
			body = &patientBody{ReadCloser: r.Body, conn: pw.conn}
			r2 := *r
			r2.Body = body
			r = &r2
		}
		defer pw.end(body)
		next.ServeHTTP(pw, r)
	})
}

// conn sets the deadlines of a request's connection. A connection that has
// none, such as a test's, has no client to wait for.
type conn struct {
	w        http.ResponseWriter
	patience time.Duration
}

func (c conn) read(t time.Time)  { _ = http.NewResponseController(c.w).SetReadDeadline(t) }
func (c conn) write(t time.Time) { _ = http.NewResponseController(c.w).SetWriteDeadline(t) }

type patientBody struct {
	io.ReadCloser
	conn    conn
	ended   bool
	stalled bool
}

func (b *patientBody) Read(p []byte) (int, error) {
	if b.ended {
		return b.ReadCloser.Read(p)
	}
	b.conn.read(time.Now().Add(b.conn.patience))
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.stalled = true
		err = fmt.Errorf("%w for %s", ErrStalled, b.conn.patience)
	default:
		// from here on the server waits for the client's next request, for
		// as long as the handler takes
		b.ended = true
		b.conn.read(time.Time{})
	}
	return n, err
}

type patientWriter struct {
	http.ResponseWriter
	conn conn
	held int // bytes written, while they are few
}

// Unwrap lets http.ResponseController reach the connection.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// end bounds what the server itself still reads, and then writes.
func (w *patientWriter) end(body *patientBody) {
	now := time.Now()
	w.conn.write(now.Add(2 * w.conn.patience))
	switch {
	case body == nil, body.ended:
	case body.stalled:
		w.conn.read(now)
	default:
		w.conn.read(now.Add(w.conn.patience))
	}
}

func (w *patientWriter) extend() { w.conn.write(time.Now().Add(w.conn.patience)) }

func (w *patientWriter) WriteHeader(status int) {
	if status < http.StatusOK {
		w.extend() // these are sent at once
	}
	w.ResponseWriter.WriteHeader(status)
}

// FlushError sends what is buffered.
func (w *patientWriter) FlushError() error {
	w.extend()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// buffered is how much of an answer the server holds back before it writes.
const buffered = 2 << 10

func (w *patientWriter) Write(p []byte) (n int, err error) {
	if w.held += len(p); w.held < buffered {
		return w.ResponseWriter.Write(p) // none of it leaves before the handler's end, or a flush
	}
	for {
		w.extend()
		var m int
		m, err = w.ResponseWriter.Write(p[:min(len(p), progress)])
		n += m
		if p = p[m:]; err != nil || len(p) == 0 {
			return n, err
		}
	}
}

// ReadFrom copies in pieces that the kernel can send from a file. It knows one
// limit around the file only, so a second one takes the place of the first.
func (w *patientWriter) ReadFrom(r io.Reader) (n int64, err error) {
	limited, ok := r.(*io.LimitedReader)
	if !ok {
		limited = &io.LimitedReader{R: r, N: 1<<63 - 1}
	}
	for limited.N > 0 {
		w.extend()
		piece := &io.LimitedReader{R: limited.R, N: min(limited.N, progress)}
		m, err := io.Copy(w.ResponseWriter, piece)
		n += m
		limited.N -= m
		if err != nil || piece.N > 0 {
			return n, err
		}
	}
	return n, nil
}
