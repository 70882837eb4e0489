package auth

import (
	"bufio"
	"context"
	"crypto/sha1" // the service's own choice
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// LeakedConfig is about the look-up of new passwords among those that have
// leaked from anywhere.
type LeakedConfig struct {
	Enabled bool
	// FailClosed refuses passwords while the service does not answer.
	FailClosed bool
	UserAgent  string // default suparust
	// URL is where the service, or a copy of it, is; default
	// https://api.pwnedpasswords.com.
	URL string
	// Transport is the way there; nil is one of the handler's own.
	Transport http.RoundTripper
}

const (
	leakedService   = "https://api.pwnedpasswords.com"
	leakedPatience  = 5 * time.Second
	leakedMaxAnswer = 1 << 20 // the service's longest answers have about 80 kB
	leakedPrefix    = 5       // digits of the hash that the service is told
)

// leakedPasswords asks the service. It is told a part of the hash that fits
// hundreds of thousands of passwords, and answers with the rests of all it
// knows.
type leakedPasswords struct {
	client    *http.Client
	url       string
	userAgent string
}

// newLeakedPasswords is nil where the check is off.
func newLeakedPasswords(c LeakedConfig) (*leakedPasswords, error) {
	if !c.Enabled {
		return nil, nil
	}
	setDefault(&c.URL, leakedService)
	setDefault(&c.UserAgent, "suparust")
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("auth: the address of the service of leaked passwords %q is no http or https URL", c.URL)
	}
	if c.Transport == nil {
		c.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, MaxConnsPerHost: 16, MaxIdleConnsPerHost: 4,
			IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true}
	}
	return &leakedPasswords{url: strings.TrimSuffix(c.URL, "/"), userAgent: c.UserAgent, client: &http.Client{
		Transport: c.Transport, Timeout: leakedPatience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// close gives up the connections; of nil it does nothing.
func (l *leakedPasswords) close() {
	if l != nil {
		l.client.CloseIdleConnections()
	}
}

// knows reports whether the service knows the password.
func (l *leakedPasswords) knows(ctx context.Context, password string) (bool, error) {
	sum := sha1.Sum([]byte(password))
	digits := strings.ToUpper(hex.EncodeToString(sum[:]))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url+"/range/"+digits[:leakedPrefix], nil)
	if err != nil {
		return false, err
	}
	r.Header.Set("User-Agent", l.userAgent)
	r.Header.Set("Add-Padding", "true") // the answer's length shall not tell what was asked
	res, err := l.client.Do(r)
	if err != nil {
		return false, errors.New("the service of leaked passwords does not answer") // the cause holds the digits
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return false, fmt.Errorf("the service of leaked passwords answers %d", res.StatusCode)
	}
	lines := bufio.NewScanner(io.LimitReader(res.Body, leakedMaxAnswer))
	known := false
	for lines.Scan() {
		rest, count, ok := strings.Cut(strings.TrimSpace(lines.Text()), ":")
		if ok && strings.EqualFold(rest, digits[leakedPrefix:]) && count != "0" {
			known = true
		}
	}
	if err := lines.Err(); err != nil {
		return false, errors.New("the answer of the service of leaked passwords cannot be read")
	}
	return known, nil
}
