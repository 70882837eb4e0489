// Package captcha asks a captcha service whether a person solved its riddle.
package captcha

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config of captcha protection.
type Config struct {
	Enabled  bool
	Provider string // hcaptcha or turnstile; "" is hcaptcha
	Secret   string
	// URL is where answers are verified; "" is the provider's address.
	URL string
	// Timeout bounds a verification; 0 is ten seconds.
	Timeout time.Duration
	// Transport is the way there; nil is one of its own.
	Transport http.RoundTripper
}

// Providers are the services that there are and where they verify answers.
var providers = map[string]string{
	"hcaptcha":  "https://hcaptcha.com/siteverify",
	"turnstile": "https://challenges.cloudflare.com/turnstile/v0/siteverify",
}

// Verifier asks the service. A nil Verifier is protection that is off.
type Verifier struct {
	url, secret string
	client      *http.Client
}

// New checks the configuration; protection that is off is nil.
func New(c Config) (*Verifier, error) {
	if !c.Enabled {
		return nil, nil
	}
	if c.Provider == "" {
		c.Provider = "hcaptcha"
	}
	address, ok := providers[c.Provider]
	if !ok {
		return nil, fmt.Errorf("there is no captcha provider %q: take hcaptcha or turnstile", c.Provider)
	}
	if c.Secret = strings.TrimSpace(c.Secret); c.Secret == "" {
		return nil, fmt.Errorf("captcha protection is on without a secret: set that of %s", c.Provider)
	}
	if c.URL != "" {
		address = c.URL
	}
	if u, err := url.Parse(address); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("the captcha address %q is no HTTP address", address)
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Transport == nil {
		c.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 8, MaxConnsPerHost: 64, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true}
	}
	return &Verifier{url: address, secret: c.Secret, client: &http.Client{
		Timeout: c.Timeout, Transport: c.Transport,
		// the secret is for the address that is configured
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close gives up the connections that are kept.
func (v *Verifier) Close() {
	if v != nil {
		v.client.CloseIdleConnections()
	}
}

const maxAnswer = 64 << 10

// Verify asks whether the token is that of a solved riddle. Of one that is not,
// the reasons are the service's own.
func (v *Verifier) Verify(ctx context.Context, token, clientIP string) (ok bool, reasons []string, err error) {
	form := url.Values{"secret": {v.secret}, "response": {token}, "remoteip": {clientIP}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.url, strings.NewReader(form.Encode()))
	if err != nil {
		return false, nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := v.client.Do(req)
	if err != nil {
		return false, nil, err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return false, nil, fmt.Errorf("the captcha service answered %d and leads elsewhere: set its address to the one that verifies", res.StatusCode)
	}
	var a struct {
		Success bool     `json:"success"`
		Codes   []string `json:"error-codes"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&a); err != nil {
		return false, nil, fmt.Errorf("the captcha service answered no JSON: %w", err)
	}
	return a.Success, a.Codes, nil
}
