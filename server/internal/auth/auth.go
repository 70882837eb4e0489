// Package auth speaks the dialect of the platform's Auth API: users, sessions,
// tokens, mailed codes and second factors, in the tables of the schema auth.
//
// Each flow stands in a file of its own and runs in one transaction of the
// login role supabase_auth_admin; errors of all of them become answers in one
// place, Handler.writeError.
package auth

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/suparust/suparust/server/internal/auth/captcha"
	"github.com/suparust/suparust/server/internal/auth/oauth"
	"github.com/suparust/suparust/server/internal/auth/password"
	"github.com/suparust/suparust/server/internal/auth/ratelimit"
	"github.com/suparust/suparust/server/internal/auth/sms"
	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/httpx"
	"github.com/suparust/suparust/server/internal/mail"
	"github.com/suparust/suparust/server/internal/session"
)

// Handler serves the Auth API below its prefix.
type Handler struct {
	cfg       Config
	db        *session.DB
	signer    *gateway.Signer
	mail      *mail.Box
	log       *slog.Logger
	passwords *password.Hasher
	leaked    *leakedPasswords // nil where nobody is asked
	templates *mailTemplates
	smsText   smsTemplate
	redirects []redirectPattern
	jwks      atomic.Pointer[[]byte] // the public keys as they are published
	oauth     *oauth.Services
	refreshes refreshGates
	hooks     hooks
	captcha   *captcha.Verifier
	sms       *sms.Sender

	factorText smsTemplate
	clients    *ratelimit.Clients
	nameless   sync.Once // warns of requests that do not name their client
	emails     *ratelimit.Limiter
	texts      *ratelimit.Limiter
	routes     http.Handler
}

// New makes a Handler. It does no I/O.
func New(c Config) (*Handler, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	c.routeOut()
	h := &Handler{cfg: c, db: c.DB, signer: c.Signer, mail: c.Mail, log: c.Logger, refreshes: newRefreshGates()}
	if h.passwords, err = password.New(c.Password.Cost, 0); err != nil {
		return nil, err
	}
	if h.leaked, err = newLeakedPasswords(c.Password.Leaked); err != nil {
		return nil, err
	}
	if h.templates, err = parseMailTemplates(c.Email, c.SiteURL, c.Transport, c.Logger); err != nil {
		return nil, err
	}
	if h.smsText, err = parseSMSTemplate(c.Phone.Template); err != nil {
		return nil, err
	}
	if h.redirects, err = parseRedirects(c.RedirectURLs); err != nil {
		return nil, err
	}
	if h.factorText, err = parseSMSTemplate(c.MFA.Phone.Template); err != nil {
		return nil, err
	}
	if h.captcha, err = captcha.New(c.Captcha); err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	if h.sms, err = sms.New(c.Phone.Service); err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	h.clients = ratelimit.NewClients(c.Now, c.Limits.rules()...)
	h.emails, h.texts = ratelimit.NewLimiter(c.Limits.EmailsSent, c.Now), ratelimit.NewLimiter(c.Limits.SMSSent, c.Now)
	if h.hooks, err = newHooks(c.Hooks); err != nil {
		return nil, err
	}
	if err = h.SetKeys(c.Keys); err != nil {
		return nil, err
	}
	h.oauth, err = oauth.NewServices(oauth.Options{
		Providers: c.OAuth.Providers, Callback: strings.TrimSuffix(c.ExternalURL, "/") + "/callback",
		Transport: c.OAuth.Transport, Fake: c.OAuth.Fake, Now: c.Now,
	})
	if err != nil {
		return nil, err
	}
	h.routes = h.router()
	return h, nil
}

// routeOut has every request to others go through Transport.
func (c *Config) routeOut() {
	if c.Transport == nil {
		return
	}
	hooks := make(map[string]HookConfig, len(c.Hooks))
	for name, k := range c.Hooks {
		setTransport(&k.Transport, c.Transport)
		hooks[name] = k
	}
	c.Hooks = hooks
	for _, t := range []*http.RoundTripper{&c.OAuth.Transport, &c.Password.Leaked.Transport, &c.Captcha.Transport, &c.Phone.Service.Transport} {
		setTransport(t, c.Transport)
	}
}

func setTransport(t *http.RoundTripper, via http.RoundTripper) {
	if *t == nil {
		*t = via
	}
}

// SetKeys publishes the public parts of these keys from now on. Who signs and
// verifies with them is told elsewhere.
func (h *Handler) SetKeys(keys gateway.KeySet) error {
	doc, err := publicKeys(keys)
	if err == nil {
		h.jwks.Store(&doc)
	}
	return err
}

// Start has nothing to prepare: the handler serves from the first request on.
func (h *Handler) Start(context.Context) error { return nil }

// Close gives up the connections to outside services. Every request's work ends
// with its answer.
func (h *Handler) Close() error {
	h.oauth.Close()
	h.leaked.close()
	h.hooks.close()
	h.captcha.Close()
	h.sms.Close()
	return nil
}

// ServeHTTP serves a request whose path begins behind the API's prefix.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p := r.URL.Path; len(p) > 1 && strings.HasSuffix(p, "/") {
		r = r.Clone(r.Context())
		r.URL.Path, r.URL.RawPath = strings.TrimRight(p, "/"), strings.TrimRight(r.URL.RawPath, "/")
		if r.URL.Path == "" {
			r.URL.Path = "/"
		}
	}
	h.routes.ServeHTTP(w, r)
}

// Mail is the box that the handler's messages land in.
func (h *Handler) Mail() *mail.Box { return h.mail }

// now is the clock's time in the precision of the database.
func (h *Handler) now() time.Time { return h.cfg.Now().UTC().Truncate(time.Microsecond) }

func (h *Handler) answer(fn httpx.HandlerFunc) http.HandlerFunc {
	return httpx.Handle(fn, h.writeError).ServeHTTP
}

func writeOK(w http.ResponseWriter, v any) error { return httpx.WriteJSON(w, http.StatusOK, v) }

// empty is the answer {}.
type empty struct{}
