package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/suparust/suparust/server/internal/gateway"
)

const (
	keysLife     = time.Hour
	keysRetry    = time.Minute // least time between two fetches of an issuer's keys
	maxIssuers   = 100
	maxKeys      = 64
	discoverPath = "/.well-known/openid-configuration"
)

// issuers keep the keys that issuers sign ID tokens with. Which issuers are
// asked is never for a client to say: callers name those of the configuration.
type issuers struct {
	via http.RoundTripper
	now func() time.Time

	mu    sync.Mutex
	known map[string]*issuer
}

// issuer holds the keys of one issuer; mu is held while they are fetched, so
// that many tokens at once cost one fetch.
type issuer struct {
	mu      sync.Mutex
	keys    *gateway.Verifier
	err     error
	fetched time.Time
}

func newIssuers(via http.RoundTripper, now func() time.Time) *issuers {
	return &issuers{via: via, now: now, known: map[string]*issuer{}}
}

func (s *issuers) get(name string) *issuer {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.known[name]
	if i == nil {
		if len(s.known) >= maxIssuers {
			for k := range s.known { // any: what is needed comes back
				delete(s.known, k)
				break
			}
		}
		i = &issuer{}
		s.known[name] = i
	}
	return i
}

// verify checks the signature of a token against the issuer's keys. A key that
// is not known yet makes them be fetched anew, at most once a minute.
func (s *issuers) verify(ctx context.Context, name, token string) (*gateway.Claims, error) {
	i := s.get(name)
	keys, err := s.keys(ctx, name, i, false)
	if err != nil {
		return nil, err
	}
	c, err := keys.Verify(token)
	var te *gateway.TokenError
	if !errors.As(err, &te) || (te.Kind != gateway.NoKey && te.Kind != gateway.UnsupportedAlg) {
		return c, err
	}
	if keys, err = s.keys(ctx, name, i, true); err != nil {
		return nil, err
	}
	return keys.Verify(token)
}

// keys are those of the issuer, fetched when they are old, or newer ones are
// wanted, and the last fetch is not too near.
func (s *issuers) keys(ctx context.Context, name string, i *issuer, newer bool) (*gateway.Verifier, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	age := s.now().Sub(i.fetched)
	if i.fetched.IsZero() || age < 0 || age > keysLife || (age > keysRetry && (newer || i.err != nil)) {
		s.fetch(ctx, name, i)
	}
	if i.keys == nil {
		return nil, &UnreachableError{name, i.err}
	}
	return i.keys, nil
}

// UnreachableError is an issuer whose keys could not be had.
type UnreachableError struct {
	Issuer string
	Err    error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("the keys of %s could not be fetched: %v", e.Issuer, e.Err)
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// fetch replaces the issuer's keys. Older ones stay when it fails.
func (s *issuers) fetch(ctx context.Context, name string, i *issuer) {
	set, err := s.load(ctx, name)
	if err != nil && ctx.Err() != nil {
		i.err = err // the client has gone: the next one tries again
		return
	}
	i.fetched, i.err = s.now(), err
	if err == nil {
		i.keys = gateway.NewVerifier(set)
	}
}

func (s *issuers) load(ctx context.Context, name string) (gateway.KeySet, error) {
	home, err := url.Parse(name)
	if err != nil || home.Host == "" {
		return nil, errors.New("it is no address")
	}
	c := newClient(s.via, name)
	var doc struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	if err := c.getJSON(ctx, strings.TrimSuffix(name, "/")+discoverPath, nil, &doc); err != nil {
		return nil, err
	}
	if doc.Issuer != name && !isApple(name) {
		return nil, errors.New("its document is of another issuer")
	}
	at, err := url.Parse(doc.JWKS)
	if err != nil || at.Host == "" || (at.Scheme != "https" && origin(at) != origin(home)) {
		return nil, errors.New("its document names no https address of its keys")
	}
	var keys json.RawMessage
	c.allow(doc.JWKS)
	if err := c.getJSON(ctx, doc.JWKS, nil, &keys); err != nil {
		return nil, err
	}
	return parseJWKS(keys)
}

// parseJWKS reads the keys of a document that can verify ID tokens. Keys of
// other kinds and shared secrets are passed over.
func parseJWKS(raw []byte) (gateway.KeySet, error) {
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil || doc.Keys == nil {
		return nil, errors.New(`its keys are no document {"keys": […]}`)
	}
	var set gateway.KeySet
	for _, k := range doc.Keys[:min(len(doc.Keys), maxKeys)] {
		var head struct {
			Use string `json:"use"`
		}
		if json.Unmarshal(k, &head) != nil || (head.Use != "" && head.Use != "sig") {
			continue
		}
		one, err := gateway.ParseKeySet([]byte("[" + string(k) + "]"))
		if err != nil || one[0].Algorithm == "HS256" {
			continue
		}
		one[0].Sign = nil
		set = append(set, one[0])
	}
	if len(set) == 0 {
		return nil, errors.New("none of its keys is one of RS256, ES256 and EdDSA")
	}
	return set, nil
}
