package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	requestTimeout = 10 * time.Second
	maxAnswer      = 1 << 20
	maxRedirects   = 3
)

// client is the one way to the outside. It reaches only the hosts it was given:
// nothing that a user or a service says makes it ask another one.
type client struct {
	http  *http.Client
	hosts []string
}

// newClient makes a client for the hosts of the addresses.
func newClient(via http.RoundTripper, addresses ...string) *client {
	c := &client{}
	for _, a := range addresses {
		c.allow(a)
	}
	c.http = &http.Client{
		Transport: via, Timeout: requestTimeout,
		CheckRedirect: func(r *http.Request, earlier []*http.Request) error {
			if len(earlier) > maxRedirects {
				return errors.New("too many redirects")
			}
			return c.allowed(r.URL)
		},
	}
	return c
}

func (c *client) allow(address string) {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		c.hosts = append(c.hosts, origin(u))
	}
}

func origin(u *url.URL) string { return strings.ToLower(u.Scheme + "://" + u.Host) }

func (c *client) allowed(u *url.URL) error {
	if (u.Scheme == "https" || u.Scheme == "http") && u.User == nil && slices.Contains(c.hosts, origin(u)) {
		return nil
	}
	return fmt.Errorf("%s://%s is none of the service's hosts", u.Scheme, u.Host)
}

// do sends the request and returns the answer's body. The error of a refusal
// holds the status alone: bodies may repeat secrets.
func (c *client) do(r *http.Request) ([]byte, http.Header, error) {
	if err := c.allowed(r.URL); err != nil {
		return nil, nil, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "suparust")
	res, err := c.http.Do(r)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) { // its text shows the query
			err = ue.Err
		}
		return nil, nil, fmt.Errorf("ask %s: %w", r.URL.Host, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("read the answer of %s: %w", r.URL.Host, err)
	case len(body) > maxAnswer:
		return nil, nil, fmt.Errorf("the answer of %s is longer than %d bytes", r.URL.Host, maxAnswer)
	case res.StatusCode < 200 || res.StatusCode > 299:
		return nil, nil, &statusError{Host: r.URL.Host, Status: res.StatusCode}
	}
	return body, res.Header, nil
}

// statusError is an answer that is no success.
type statusError struct {
	Host   string
	Status int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s answered with status %d", e.Host, e.Status)
}

// getJSON reads a document.
func (c *client) getJSON(ctx context.Context, address string, header map[string]string, to any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	body, _, err := c.do(r)
	if err != nil {
		return err
	}
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(to); err != nil {
		return fmt.Errorf("the answer of %s is not the JSON that was expected: %w", r.URL.Host, err)
	}
	return nil
}

// NewTransport is the transport to the outside that New uses unless it is given
// another.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: requestTimeout,
		MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
	}
}
