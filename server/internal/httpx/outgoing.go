package httpx

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"
)

// DockerHost is the name by which a container calls the machine it runs on,
// which here is the same.
const DockerHost = "host.docker.internal"

// connectLimit bounds the making of a connection, which goes on when the request
// it is for has been given up.
const connectLimit = 30 * time.Second

// maxAnswerHeader bounds the header of an answer; it is libcurl's bound.
const maxAnswerHeader = 300 << 10

// NewTransport is the way to addresses that a project names: hooks and requests
// of its database. It finds this machine by DockerHost, too, speaks HTTP/2, and
// keeps the header of an answer as it is written: see WithFields.
func NewTransport() *http.Transport {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSHandshakeTimeout: connectLimit,
		MaxIdleConns:        8, MaxIdleConnsPerHost: 8, MaxConnsPerHost: 64,
		IdleConnTimeout: 30 * time.Second, DisableCompression: true, ForceAttemptHTTP2: true,
		MaxResponseHeaderBytes: maxAnswerHeader,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &recorder{Conn: conn}, nil
		},
	}
	t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		secure, err := shakeHands(ctx, t, conn, address)
		if err != nil {
			_ = conn.Close() // nothing was sent
			return nil, err
		}
		return secure, nil
	}
	return t
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: connectLimit}
	conn, err := dialer.DialContext(ctx, network, address)
	var unknown *net.DNSError
	if host, port, _ := net.SplitHostPort(address); host == DockerHost && errors.As(err, &unknown) {
		return dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}
	return conn, err
}

// shakeHands does what a transport does when its dialer is not asked to, and
// tells of it.
func shakeHands(ctx context.Context, t *http.Transport, conn net.Conn, address string) (net.Conn, error) {
	cfg := t.TLSClientConfig.Clone()
	if cfg == nil { // HTTP/2 makes one, unless it was switched off
		cfg = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	var err error
	if cfg.ServerName, _, err = net.SplitHostPort(address); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, t.TLSHandshakeTimeout)
	defer cancel()
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	if secure.ConnectionState().NegotiatedProtocol == "h2" {
		return secure, nil
	}
	return &recorder{Conn: secure}, nil
}
