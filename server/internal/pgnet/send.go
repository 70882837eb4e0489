package pgnet

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/suparust/suparust/server/internal/httpx"
)

// Limits of a request.
const (
	maxAnswer    = 8 << 20 // bytes of its body
	maxRedirects = 30      // libcurl's
)

// The errors of libcurl that rows of net._http_response show.
var (
	errConnect   = errors.New("Could not connect to server")
	errResolve   = errors.New("Could not resolve hostname")
	errURL       = errors.New("URL using bad/illegal format or missing URL")
	errProtocol  = errors.New("Unsupported protocol")
	errNothing   = errors.New("Server returned nothing (no headers, no data)")
	errReceive   = errors.New("Failure when receiving data from the peer")
	errPartial   = errors.New("Transferred a partial file")
	errWeird     = errors.New("Weird server reply")
	errTLS       = errors.New("SSL connect error")
	errPeer      = errors.New("SSL peer certificate or SSH remote key was not OK")
	errRedirects = errors.New("Number of redirects hit maximum amount")
	errSize      = errors.New("Maximum file size exceeded")
	errArgument  = errors.New("A libcurl function was given a bad argument")
	errStream    = errors.New("Stream error in the HTTP/2 framing layer")
	errFraming   = errors.New("Error in the HTTP2 framing layer")
)

// send sends r, following redirects, and tells what came of it. canceled says
// that ctx ended it.
func send(ctx context.Context, via http.RoundTripper, r *request) (_ *response, canceled bool) {
	limited, cancel := context.WithTimeout(ctx, r.patience())
	defer cancel()
	watch := newStopwatch()
	out := &response{queue: r.queue, id: r.id}
	err := out.fill(watch.trace(limited), via, r)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, true
	case limited.Err() != nil:
		text := watch.message(r.timeout)
		return &response{queue: r.queue, id: r.id, timedOut: true, errorMsg: &text}, false
	default:
		text := explain(err).Error()
		return &response{queue: r.queue, id: r.id, errorMsg: &text}, false
	}
	return out, false
}

// fill follows the request to its last answer. As in the original the headers
// that are written down are those of the first answer, the type that of the
// last.
func (out *response) fill(ctx context.Context, via http.RoundTripper, r *request) error {
	target, err := url.Parse(r.url)
	if err != nil {
		return errURL
	}
	header, method, body := r.header(), strings.ToUpper(r.method), r.body
	for hops := 0; ; hops++ {
		res, fields, err := once(ctx, via, method, target, header, body)
		if err != nil {
			return err
		}
		if out.headers == nil {
			text := headersOf(res, fields)
			out.headers = &text
		}
		next, follows := location(res, target)
		if !follows {
			return out.read(res)
		}
		_ = res.Body.Close() // libcurl does not keep what a redirect says
		if hops == maxRedirects {
			return errRedirects
		}
		if method, body = afterRedirect(res.StatusCode, method, body); body == nil && header.Get("Content-Type") == ownType {
			header.Del("Content-Type")
		}
		if next.Scheme != target.Scheme || next.Host != target.Host {
			header = header.Clone()
			for _, secret := range []string{"Authorization", "Cookie", "Host"} {
				header.Del(secret)
			}
		}
		target = next
	}
}

// once sends one request. fields are the answer's header as the other side has
// written it, where that is known.
func once(ctx context.Context, via http.RoundTripper, method string, target *url.URL, header http.Header, body []byte) (_ *http.Response, fields []httpx.Field, _ error) {
	if target.Scheme != "http" && target.Scheme != "https" {
		return nil, nil, errProtocol
	}
	if target.Hostname() == "" {
		return nil, nil, errURL
	}
	ctx, written := httpx.WithFields(ctx)
	req, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, nil, errArgument
	}
	req.Header = header.Clone()
	if host := header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	if user := target.User; user != nil && req.Header.Get("Authorization") == "" {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	res, err := via.RoundTrip(req)
	return res, written(), err
}

// location tells where an answer leads.
func location(res *http.Response, from *url.URL) (to *url.URL, follows bool) {
	if res.StatusCode < 300 || res.StatusCode > 399 {
		return nil, false
	}
	where := res.Header.Get("Location")
	if where == "" {
		return nil, false
	}
	to, err := from.Parse(where)
	if err != nil {
		return &url.URL{Scheme: "http"}, true // to no host: a malformed URL
	}
	if to.Fragment == "" {
		to.Fragment = from.Fragment
	}
	return to, true
}

// afterRedirect is how libcurl goes on: a POST becomes a GET after 301, 302 and
// 303, a method that was asked for by name stays without its body.
func afterRedirect(status int, method string, body []byte) (string, []byte) {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		if method == http.MethodPost {
			method = http.MethodGet
		}
		return method, nil
	}
	return method, body
}

// read takes over an answer.
func (out *response) read(res *http.Response) error {
	defer func() { _ = res.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return readError{err}
	}
	if len(content) > maxAnswer {
		return errSize
	}
	status := res.StatusCode
	out.status = &status
	if kind := res.Header.Get("Content-Type"); kind != "" {
		kind = cleaned(kind)
		out.contentType = &kind
	}
	if text := cleaned(string(content)); text != "" {
		out.content = &text
	}
	return nil
}

// readError came while the body was read.
type readError struct{ error }

func (e readError) Unwrap() error { return e.error }

// explain finds the error of libcurl that one of Go's stands for.
func explain(err error) error {
	for _, known := range []error{errConnect, errResolve, errURL, errProtocol, errNothing, errWeird, errRedirects, errSize, errArgument} {
		if errors.Is(err, known) {
			return known
		}
	}
	var (
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       tls.AlertError
		op          *net.OpError
		body        readError
	)
	text := err.Error()
	switch {
	case errors.As(err, &dns):
		return errResolve
	case errors.As(err, &certificate):
		return errPeer
	case strings.Contains(text, "stream error: "):
		return errStream
	case strings.Contains(text, "http2: "):
		return errFraming
	case errors.As(err, &record), errors.As(err, &alert), strings.Contains(text, "tls: "), strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return errTLS
	case errors.As(err, &body) && errors.Is(err, io.ErrUnexpectedEOF):
		return errPartial
	case errors.As(err, &body):
		return errReceive
	case errors.As(err, &op) && op.Op == "dial":
		return errConnect
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(text, "server closed idle connection"):
		return errNothing
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.As(err, &op):
		return errReceive
	case strings.Contains(text, "response headers exceeded"):
		return errReceive
	case strings.Contains(text, "net/http: invalid header"): // of the request
		return errArgument
	case strings.Contains(text, "malformed HTTP"): // no answer of HTTP/1 at all
		return errProtocol
	case strings.Contains(text, "transport connection broken"), strings.Contains(text, "malformed"), strings.Contains(text, "invalid header"):
		return errWeird
	}
	return err
}
