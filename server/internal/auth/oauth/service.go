package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config is the configuration of one service.
type Config struct {
	Enabled bool
	// ClientIDs: the first is used to sign in; ID tokens of any are accepted.
	ClientIDs      []string
	Secret         string
	RedirectURI    string // "" is the callback of the API
	URL            string // base of a self-hosted service
	SkipNonceCheck bool
	EmailOptional  bool // users without an address may sign in
	// JWKS are the keys of the service's ID tokens, a JSON document; without
	// them they are fetched.
	JWKS []byte
}

// spec is how a service is spoken with: an entry of the table.
type spec struct {
	auth, token, api address
	scopes           []string
	ownScopes        bool // the caller's scopes are not asked for
	noURL            bool // the URL of the configuration says nothing
	needURL          bool
	noExtras         bool // the caller's parameters are not passed on
	extra            url.Values
	pkce             bool // the service asks for a proof of its own
	secretInBody     bool // the secret goes into the body of the token request
	oauth1           bool
	issuer           string // of its ID tokens
	hosts            []string

	// account reads who the user is.
	account func(ctx context.Context, g *Grant) (*Account, error)
	// answers are what the service's API says of a user, by path: what account
	// reads, the other way round.
	answers func(u FakeUser) map[string]any
}

// address is a host and a path below it. A configured URL takes the host's
// place.
type address struct{ host, path string }

func (a address) at(base string) string {
	if base == "" {
		return "https://" + a.host + a.path
	}
	return strings.TrimSuffix(base, "/") + a.path
}

// Services holds the services that are configured.
type Services struct {
	configs  map[string]Config
	fake     *Fake
	via      http.RoundTripper
	issuers  *issuers
	mu       sync.Mutex
	services map[string]*Service
}

// Options of NewServices.
type Options struct {
	Providers map[string]Config
	Callback  string            // where services send users back to
	Transport http.RoundTripper // nil is a bounded one to the outside
	Fake      *Fake             // stands in for the services that it says
	Now       func() time.Time
}

// NewServices makes the services of the configuration. It does no I/O.
func NewServices(o Options) (*Services, error) {
	s := &Services{configs: map[string]Config{}, fake: o.Fake, via: o.Transport, services: map[string]*Service{}}
	if s.via == nil {
		s.via = NewTransport()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s.issuers = newIssuers(s.via, o.Now)
	for name, c := range o.Providers {
		if _, known := specs[name]; !known {
			return nil, errors.New("there is no sign-in provider " + name + ": the providers are " + strings.Join(Names(), ", "))
		}
		if c.RedirectURI == "" {
			c.RedirectURI = o.Callback
		}
		if c.URL != "" {
			if u, err := url.Parse(c.URL); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
				return nil, errors.New("the URL of the sign-in provider " + name + " is no http or https address")
			}
		}
		s.configs[name] = c
	}
	if s.fake != nil {
		s.fake.bind(s.configs)
	}
	return s, nil
}

// Close gives up idle connections.
func (s *Services) Close() {
	if t, ok := s.via.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// Names lists every service of the table.
func Names() []string {
	names := make([]string, 0, len(specs))
	for n := range specs {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Completed is Config with what a fake fills in.
func (s *Services) Completed(name string) Config {
	c := s.configs[name]
	if s.fake != nil && s.fake.StandsIn(name, c) {
		c = s.fake.complete(name, c)
	}
	return c
}

// Enabled reports whether users may sign in through the service.
func (s *Services) Enabled(name string) bool { return s.configs[name].Enabled }

// Errors of Get. Their texts stand in answers.
var (
	ErrDisabled = errors.New("provider is not enabled")
	ErrNoID     = errors.New("missing OAuth client ID")
	ErrNoSecret = errors.New("missing OAuth secret")
	ErrNoURL    = errors.New("unable to find URL for the Keycloak provider")
)

// NotFoundError is a service that the table does not know.
type NotFoundError struct{ Name string }

func (e *NotFoundError) Error() string { return "Provider " + e.Name + " could not be found" }

// Get is the service of the name, ready to be signed in through.
func (s *Services) Get(name string) (*Service, error) {
	sp, ok := specs[name]
	if !ok {
		return nil, &NotFoundError{name}
	}
	c := s.configs[name]
	if !c.Enabled {
		return nil, ErrDisabled
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if done := s.services[name]; done != nil {
		return done, nil
	}
	via, faked := s.via, s.fake != nil && s.fake.StandsIn(name, c)
	if faked {
		c = s.fake.complete(name, c)
		via = fakeService{s.fake, name}
	}
	switch {
	case len(c.ClientIDs) == 0:
		return nil, ErrNoID
	case c.Secret == "":
		return nil, ErrNoSecret
	case sp.needURL && c.URL == "":
		return nil, ErrNoURL
	}
	v := newService(name, sp, c, via, s.issuers)
	if faked {
		v.issuers = s.fake.issuers()
		v.authURL = s.fake.authorizeURL(name)
	}
	s.services[name] = v
	return v, nil
}

// Service is one outside service.
type Service struct {
	Name    string
	cfg     Config
	spec    spec
	client  *client
	issuers *issuers
	authURL string
	style   secretStyle
}

func newService(name string, sp spec, c Config, via http.RoundTripper, iss *issuers) *Service {
	base := c.URL
	if sp.noURL {
		base = ""
	}
	v := &Service{Name: name, cfg: c, spec: sp, issuers: iss, authURL: sp.auth.at(base)}
	reach := append([]string{v.tokenURL(), v.apiURL("")}, sp.hosts...)
	v.client = newClient(via, reach...)
	return v
}

func (v *Service) base() string {
	if v.spec.noURL {
		return ""
	}
	return v.cfg.URL
}

func (v *Service) tokenURL() string { return v.spec.token.at(v.base()) }

// apiBase is the address of the service's API, which also names the service in
// the claims of a user.
func (v *Service) apiBase() string { return v.spec.api.at(v.base()) }

func (v *Service) apiURL(path string) string { return v.apiBase() + path }

// ClientID is the id that ID tokens of this sign-in must be for.
func (v *Service) ClientID() string { return v.cfg.ClientIDs[0] }

// EmailOptional reports whether users without an address may sign in.
func (v *Service) EmailOptional() bool { return v.cfg.EmailOptional }

// OAuth1 reports whether the service speaks the older protocol, whose callback
// carries oauth_token and oauth_verifier.
func (v *Service) OAuth1() bool { return v.spec.oauth1 }

// NeedsProof reports whether the service asks for a PKCE proof of its own.
func (v *Service) NeedsProof() bool { return v.spec.pkce }

// AuthURL is where the browser is sent. state comes back with the user; scopes
// are the caller's, parted by commas; verifier is the secret of the proof, ""
// without one; extra are parameters to pass on.
func (v *Service) AuthURL(ctx context.Context, state, scopes, verifier string, extra url.Values) (string, error) {
	if v.spec.oauth1 {
		return v.requestToken(ctx, state)
	}
	q := url.Values{}
	if !v.spec.noExtras {
		for k := range extra {
			q.Set(k, extra.Get(k))
		}
	}
	for k := range v.spec.extra {
		q.Set(k, v.spec.extra.Get(k))
	}
	list := slices.Clone(v.spec.scopes)
	if scopes != "" && !v.spec.ownScopes {
		list = append(list, strings.Split(scopes, ",")...)
	}
	if len(list) > 0 {
		q.Set("scope", strings.Join(list, " "))
	}
	q.Set("response_type", "code")
	q.Set("client_id", v.ClientID())
	q.Set("redirect_uri", v.cfg.RedirectURI)
	q.Set("state", state)
	if verifier != "" {
		q.Set("code_challenge", proofOf(verifier))
		q.Set("code_challenge_method", "S256")
	}
	glue := "?"
	if strings.Contains(v.authURL, "?") {
		glue = "&"
	}
	return v.authURL + glue + q.Encode(), nil
}
