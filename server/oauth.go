package server

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/auth/oauth"
	"github.com/suparust/suparust/server/internal/project"
)

// OAuthConfig is about sign-in through outside services.
type OAuthConfig struct {
	Providers map[string]OAuthProvider // by name: google, github, …
	// Fake says which services are stood in for by pages of the server's own; see
	// the constants. "" is FakeOAuthAuto.
	Fake string
	// IOSBundleID is a further client whose Apple ID tokens are accepted.
	IOSBundleID string
	// RedirectURL, when set, is where every sign-in ends.
	RedirectURL string
	// IDTokenIssuers are issuers of no known service whose ID tokens are
	// accepted, for the client that a request names.
	IDTokenIssuers []string
	FlowLife       time.Duration // how long a sign-in may take; 0 is five minutes
	// Transport is the way to the services; nil is a bounded one of the server's
	// own.
	Transport http.RoundTripper
}

// OAuthProvider is the configuration of one outside service.
type OAuthProvider = auth.OAuthProvider

// FakeOAuthUser is a user of the services that are stood in for.
type FakeOAuthUser = oauth.FakeUser

// Which services are stood in for. Whoever reaches such a server can sign in as
// anyone, so it must listen on loopback.
const (
	FakeOAuthAuto    = "auto"    // as missing on loopback with the public demo keys, which give everything away, else as off
	FakeOAuthMissing = "missing" // enabled services that lack a client id or a secret
	FakeOAuthAll     = "all"     // every enabled service
	FakeOAuthOff     = "off"
)

const fakeOAuthPath = "/_suparust/oauth"

func (c *Config) validateOAuth() error {
	o := &c.Auth.OAuth
	switch o.Fake {
	case "", FakeOAuthAuto, FakeOAuthOff:
	case FakeOAuthMissing, FakeOAuthAll:
		if !c.onLoopback() {
			return fmt.Errorf("SUPARUST_OAUTH_FAKE=%s lets everyone who reaches the server sign in as anyone: set SUPARUST_BIND_ADDR to 127.0.0.1 "+
				"and SUPARUST_PUBLIC_URL to an address of this machine, or take the setting away", o.Fake)
		}
	default:
		return fmt.Errorf("SUPARUST_OAUTH_FAKE is %q: it is one of auto, missing, all and off", o.Fake)
	}
	for name := range o.Providers {
		if !slices.Contains(oauth.Names(), name) {
			return fmt.Errorf("there is no sign-in provider %q: the providers are %s", name, strings.Join(oauth.Names(), ", "))
		}
	}
	return nil
}

// onLoopback reports whether nobody but this machine reaches the server.
func (c *Config) onLoopback() bool {
	if !loopbackHost(c.BindAddr) {
		return false
	}
	u, err := url.Parse(c.PublicURL)
	return c.PublicURL == "" || err == nil && loopbackHost(u.Hostname())
}

func loopbackHost(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// fakeOAuth stands in for services as the configuration says, nil for none.
func (s *Server) fakeOAuth() *oauth.Fake {
	mode := s.cfg.Auth.OAuth.Fake
	if (mode == "" || mode == FakeOAuthAuto) && s.cfg.onLoopback() && s.keys.JWTSecret == DemoJWTSecret {
		mode = FakeOAuthMissing
	}
	if mode != FakeOAuthMissing && mode != FakeOAuthAll {
		return nil
	}
	f := oauth.NewFake(s.url+fakeOAuthPath, oauth.FakeMode(mode), s.cfg.Now)
	var names []string
	for name, p := range s.cfg.Auth.OAuth.Providers {
		if f.StandsIn(name, p) {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		s.cfg.Logger.With("target", "auth").Info("sign-in through " + strings.Join(names, ", ") +
			" leads to a page of this server: set client_id and secret for the real one")
	}
	return f
}

func (o *OAuthConfig) external(fake *oauth.Fake) auth.OAuthConfig {
	return auth.OAuthConfig{
		Providers: o.Providers, Fake: fake, IOSBundleID: o.IOSBundleID, RedirectURL: o.RedirectURL,
		IDTokenIssuers: o.IDTokenIssuers, FlowLife: o.FlowLife, Transport: o.Transport,
	}
}

// loadProviders takes [auth.external.*] over.
func (a *AuthConfig) loadProviders(p *project.Project) {
	for name, e := range p.Config.Auth.External {
		if !slices.Contains(oauth.Names(), name) {
			p.Warnings = append(p.Warnings, fmt.Sprintf("auth.external.%s is no sign-in provider: the providers are %s", name, strings.Join(oauth.Names(), ", ")))
			continue
		}
		if a.OAuth.Providers == nil {
			a.OAuth.Providers = map[string]OAuthProvider{}
		}
		a.OAuth.Providers[name] = OAuthProvider{
			Enabled: e.Enabled, ClientIDs: textList(given(e.ClientID)), Secret: given(string(e.Secret)), URL: given(e.URL),
			RedirectURI: given(e.RedirectURI), SkipNonceCheck: e.SkipNonceCheck, EmailOptional: e.EmailOptional,
		}
	}
}

// given is a value of config.toml, "" for an env(NAME) whose variable is not
// set.
func given(s string) string {
	if strings.HasPrefix(s, "env(") && strings.HasSuffix(s, ")") {
		return ""
	}
	return s
}
