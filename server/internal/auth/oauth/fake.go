package oauth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/suparust/suparust/server/internal/gateway"
)

// FakeMode says which services a Fake stands in for.
type FakeMode string

// The modes.
const (
	FakeMissing FakeMode = "missing" // enabled services that lack an id or a secret
	FakeAll     FakeMode = "all"     // every enabled service
)

// Fake stands in for the outside services: it signs users in with a page of its
// own, or without one, and answers what the service would. Whoever reaches it can
// sign in as anyone, so it belongs to a developer's machine and to tests alone.
//
// Its answers reach the engine without the network; browsers and tests reach it
// as a handler.
type Fake struct {
	base string // where the handler is served
	mode FakeMode
	now  func() time.Time
	mux  *http.ServeMux
	own  *issuers

	mu      sync.Mutex
	configs map[string]Config
	next    map[string][]FakeUser
	codes   shelf[fakeCode]
	tokens  shelf[fakeToken]

	keyOnce sync.Once
	key     *ecdsa.PrivateKey
	signer  *gateway.Signer
}

// fakeCode is a code that was given out.
type fakeCode struct {
	service, redirect, challenge, nonce string
	user                                FakeUser
	until                               time.Time
}

// fakeToken is an access token that was given out.
type fakeToken struct {
	service string
	user    FakeUser
}

const (
	fakeClient  = "fake-client"
	fakeSecret  = "fake-secret"
	fakeKeyID   = "suparust-fake"
	fakeLife    = 10 * time.Minute
	maxFake     = 1000 // codes, tokens and users waiting, of each
	maxFakeBody = 64 << 10
)

// NewFake makes a Fake that is served at base.
func NewFake(base string, mode FakeMode, now func() time.Time) *Fake {
	if now == nil {
		now = time.Now
	}
	f := &Fake{base: strings.TrimSuffix(base, "/"), mode: mode, now: now, next: map[string][]FakeUser{}}
	f.own = newIssuers(fakeIssuers{f}, now)
	f.mux = f.routes()
	return f
}

// StandsIn reports whether the fake takes the place of a service.
func (f *Fake) StandsIn(_ string, c Config) bool {
	return c.Enabled && (f.mode == FakeAll || len(c.ClientIDs) == 0 || c.Secret == "")
}

// signs reports whether an ID token that a client has brought along is to be the
// fake's. A service that lacks nothing but the secret is known to real users: then
// only what names the fake's key is.
func (f *Fake) signs(name string, c Config, token string) bool {
	if !f.StandsIn(name, c) {
		return false
	}
	_, kid := headOf(token)
	return f.mode == FakeAll || len(c.ClientIDs) == 0 || kid == fakeKeyID
}

// complete gives a service what its configuration lacks.
func (f *Fake) complete(name string, c Config) Config {
	if len(c.ClientIDs) == 0 {
		c.ClientIDs = []string{fakeClient}
	}
	if c.Secret == "" {
		c.Secret = fakeSecret
	}
	if specs[name].needURL && c.URL == "" {
		c.URL = f.base + "/" + name
	}
	return c
}

// bind takes the configuration of the services over.
func (f *Fake) bind(configs map[string]Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.configs = configs
}

// config is the completed configuration of a service that the fake stands in
// for.
func (f *Fake) config(name string) (Config, bool) {
	f.mu.Lock()
	c := f.configs[name]
	f.mu.Unlock()
	if !f.StandsIn(name, c) {
		return Config{}, false
	}
	return f.complete(name, c), true
}

func (f *Fake) issuers() *issuers { return f.own }

func (f *Fake) authorizeURL(name string) string { return f.base + "/" + name + "/authorize" }

// issuer is what ID tokens of the service are issued by: the service itself.
func (f *Fake) issuer(name string, c Config) string {
	if s := specs[name].issuer; s != "" {
		return s
	}
	if c.URL != "" {
		return c.URL
	}
	return f.base + "/" + name
}

// Next makes the user the one that the next sign-in through the service takes,
// without asking anybody.
func (f *Fake) Next(service string, u FakeUser) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.next[service]) >= maxFake {
		return fmt.Errorf("%d users wait already to sign in through %s", maxFake, service)
	}
	f.next[service] = append(f.next[service], u)
	return nil
}

func (f *Fake) takeNext(service string) (FakeUser, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.next[service]
	if len(q) == 0 {
		return FakeUser{}, false
	}
	f.next[service] = q[1:]
	return q[0], true
}

func (f *Fake) keys() {
	f.keyOnce.Do(func() {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic("oauth: " + err.Error()) // the system's randomness never fails
		}
		f.key = key
		k := gateway.Key{ID: fakeKeyID, Algorithm: "ES256", Verify: &key.PublicKey, Sign: key}
		if f.signer, err = gateway.NewSigner(gateway.KeySet{k}); err != nil {
			panic("oauth: " + err.Error()) // the key can sign
		}
	})
}

func (f *Fake) jwks() any {
	f.keys()
	point, err := f.key.PublicKey.Bytes()
	if err != nil {
		panic("oauth: " + err.Error()) // the key is on its curve
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": fakeKeyID, "x": b64(point[1:33]), "y": b64(point[33:]),
	}}}
}

// idToken issues an ID token of the service about the user.
func (f *Fake) idToken(name string, c Config, u FakeUser, audience, nonce, accessToken string) (string, error) {
	f.keys()
	now := f.now()
	claims := u.idClaims(name)
	claims["iss"], claims["aud"], claims["sub"] = f.issuer(name, c), audience, u.Subject
	claims["iat"], claims["exp"] = now.Unix(), now.Add(time.Hour).Unix()
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if accessToken != "" {
		sum := sha256.Sum256([]byte(accessToken))
		claims["at_hash"] = base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	}
	return f.signer.Sign(claims)
}

func randomToken(prefix string) string {
	var raw [20]byte
	_, _ = rand.Read(raw[:]) // never fails since Go 1.24
	return prefix + hex.EncodeToString(raw[:])
}

// shelf keeps the newest things by their names.
type shelf[T any] struct {
	items map[string]T
	order []string
}

func (s *shelf[T]) put(name string, v T) {
	if s.items == nil {
		s.items = map[string]T{}
	}
	if len(s.order) >= maxFake {
		delete(s.items, s.order[0])
		s.order = s.order[1:]
	}
	s.items[name] = v
	s.order = append(s.order, name)
}

func (s *shelf[T]) take(name string) (T, bool) {
	v, ok := s.items[name]
	if ok {
		delete(s.items, name)
		s.order = slices.DeleteFunc(s.order, func(n string) bool { return n == name })
	}
	return v, ok
}

// fakeService is the way from the engine to the fake in the place of a service.
type fakeService struct {
	fake *Fake
	name string
}

// RoundTrip answers what the service would.
func (s fakeService) RoundTrip(r *http.Request) (*http.Response, error) {
	sp, form := specs[s.name], url.Values{}
	if r.Body != nil {
		raw, err := io.ReadAll(io.LimitReader(r.Body, maxFakeBody))
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
		if form, err = url.ParseQuery(string(raw)); err != nil {
			return nil, err
		}
	}
	switch {
	case sp.oauth1 && strings.HasSuffix(r.URL.Path, "/oauth/request_token"):
		return s.fake.requestToken(r, s.name), nil
	case sp.oauth1 && strings.HasSuffix(r.URL.Path, sp.token.path):
		return s.fake.oauth1Token(r, s.name), nil
	case r.Method == http.MethodPost:
		status, body := s.fake.token(s.name, form)
		return jsonResponse(r, status, body), nil
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if sp.oauth1 {
		token = oauth1Param(r, "oauth_token")
	}
	status, body := s.fake.api(s.name, r.URL.Path, token)
	return jsonResponse(r, status, body), nil
}

// fakeIssuers answers for the issuers of every service that is stood in for.
type fakeIssuers struct{ fake *Fake }

// RoundTrip serves an issuer's document and its keys.
func (s fakeIssuers) RoundTrip(r *http.Request) (*http.Response, error) {
	at := *r.URL
	at.RawQuery = ""
	if issuer, ok := strings.CutSuffix(at.String(), discoverPath); ok {
		return jsonResponse(r, http.StatusOK, map[string]any{"issuer": issuer, "jwks_uri": issuer + "/jwks"}), nil
	}
	return jsonResponse(r, http.StatusOK, s.fake.jwks()), nil
}

func jsonResponse(r *http.Request, status int, body any) *http.Response {
	raw, err := json.Marshal(body)
	if err != nil {
		status, raw = http.StatusInternalServerError, []byte(`{}`)
	}
	return response(r, status, "application/json", raw)
}

func response(r *http.Request, status int, contentType string, body []byte) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
}
