package httpx

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// DockerHost is the name by which a container calls the machine it runs on,
// which here is the same.
const DockerHost = "host.docker.internal"

// connectLimit bounds the making of a connection, which goes on when the request
// it is for has been given up.
const connectLimit = 30 * time.Second

// NewTransport is the way to addresses that a project names: hooks and requests
// of its database. It finds this machine by DockerHost, too.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: connectLimit}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSHandshakeTimeout: connectLimit,
		MaxIdleConns:        8, MaxIdleConnsPerHost: 8, MaxConnsPerHost: 64,
		IdleConnTimeout: 30 * time.Second, DisableCompression: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			var unknown *net.DNSError
			if host, port, _ := net.SplitHostPort(address); host == DockerHost && errors.As(err, &unknown) {
				return dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
			}
			return conn, err
		},
	}
}
