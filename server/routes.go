package server

import (
	"context"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/auth/oauth"
	"github.com/suparust/suparust/server/internal/auth/password"
	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/httpx"
	"github.com/suparust/suparust/server/internal/rest"
	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// routes makes and starts the dialects and puts them behind the gateway.
func (s *Server) routes(ctx context.Context) (http.Handler, error) {
	var err error
	if s.ring, err = newKeyring(&s.cfg, s.secret); err != nil {
		return nil, err
	}
	if s.rest, err = rest.New(s.restConfig()); err != nil {
		return nil, err
	}
	fake := s.fakeOAuth()
	if s.auth, err = auth.New(s.authConfig(fake)); err != nil {
		return nil, err
	}
	blobs, uploads, err := s.blobs()
	if err != nil {
		return nil, err
	}
	st := s.cfg.Storage
	var connect func(context.Context) (*pgx.Conn, error)
	if st.Backend == backendS3 { // which other servers may share
		connect = s.db.listenConn
	}
	s.storage, err = storage.New(storage.Config{
		DB: s.db.api, Connect: connect, Blobs: blobs, Uploads: uploads, Signer: s.ring.urls, Verifier: s.ring.verifier,
		FileSizeLimit: st.FileSizeLimit, StandardLimit: st.StandardLimit, SignedUploadExpiry: st.SignedUploadExpiry,
		ETagHeaders: st.ETagHeaders, SMaxAge: st.SMaxAge, LimitDeletes: st.LimitDeletes, Images: st.Images,
		UploadExpiry: st.UploadExpiry, PublicURL: s.cfg.PublicURL,
		KeepOrphans: s.cfg.plain(), S3: s.s3Config(), Now: s.cfg.Now, Logger: s.cfg.Logger.With("target", "storage"),
	})
	if err != nil {
		return nil, err
	}
	mux := &prefixes{under: []prefix{
		{"/rest/v1", s.rest}, {"/auth/v1", s.auth}, {"/storage/v1", s.storage},
		{"/rest-admin/v1/ready", http.HandlerFunc(s.ready)},
	}}
	if fake != nil {
		mux.under = append(mux.under, prefix{fakeOAuthPath, fake})
	}
	starts := []func(context.Context) error{s.rest.Start, s.auth.Start, s.storage.Start}
	if s.cfg.plain() {
		// no path of REST has two parts but those of functions, so that the
		// prefixes take nothing from the root
		starts, mux.root = starts[:1], s.rest
		mux.under[1].handler = &optional{name: "Auth", schema: "auth", table: "users", db: s.db.auth, handler: s.auth, start: s.auth.Start}
		mux.under[2].handler = &optional{name: "Storage", schema: "storage", table: "objects", db: s.db.api, handler: s.storage, start: s.storage.Start}
	}
	if s.cfg.Auth.AtRoot {
		mux.root = mux.under[1].handler
	}
	for _, start := range starts {
		if err := start(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.beginState(ctx); err != nil {
		return nil, err
	}
	s.gateway = gateway.New(gateway.Config{Keys: s.keys, Verifier: s.ring.verifier, Origins: s.origins, Plain: s.ofPostgREST(), Credentialed: ofAuth, NeedsKey: s.needsKey(), Trace: s.cfg.Trace, Logger: s.cfg.Logger.With("target", "http")})
	return s.gateway.Wrap(s.withControl(s.gate.wrap(mux))), nil
}

// keyless are the paths of Auth that browsers and other servers come to without
// a key.
var keyless = []string{"verify", "callback", "authorize", ".well-known/", "sso/saml/"}

// needsKey tells which requests need an API key: where that is asked for, those
// of REST and Auth.
func (s *Server) needsKey() func(*http.Request) bool {
	if !s.cfg.RequireAPIKey {
		return nil
	}
	return func(r *http.Request) bool {
		rest, ok := strings.CutPrefix(r.URL.Path, "/auth/v1/")
		if !ok {
			return isUnder(r, "/rest/v1")
		}
		return !slices.ContainsFunc(keyless, func(path string) bool {
			return rest == path || strings.HasPrefix(rest, strings.TrimSuffix(path, "/")+"/")
		})
	}
}

// origins are those whose pages may read the answer to a request.
func (s *Server) origins(r *http.Request) []string {
	if s.cfg.plain() && !isUnder(r, "/auth/v1") && !isUnder(r, "/storage/v1") || isUnder(r, "/rest/v1") {
		return s.rest.Origins(r)
	}
	return s.rest.Configured().CORSOrigins
}

// ofPostgREST tells which requests get PostgREST's own CORS headers, without
// those of the platform's clients.
func (s *Server) ofPostgREST() func(*http.Request) bool {
	if !s.cfg.plain() {
		return nil
	}
	return func(r *http.Request) bool {
		return !isUnder(r, "/auth/v1") && !isUnder(r, "/storage/v1") && !isUnder(r, "/rest/v1")
	}
}

// ofAuth tells which requests are answered as GoTrue answers pages: that they
// may send credentials, which browsers do not where any origin is allowed.
func ofAuth(r *http.Request) bool { return isUnder(r, "/auth/v1") }

// isUnder tells that a request's path is a prefix's.
func isUnder(r *http.Request, prefix string) bool {
	below, ok := strings.CutPrefix(r.URL.Path, prefix)
	return ok && (below == "" || below[0] == '/')
}

// badTarget is the answer to a request whose target is no URL; nil for one of
// an API that says nothing of its own.
func badTarget(target string) any {
	path, _, _ := strings.Cut(target, "?")
	if below, ok := strings.CutPrefix(path, "/storage/v1/"); ok {
		return storage.BadURL("/" + below)
	}
	return nil
}

// keySet is the signing keys, which come first to sign, and secret.
func (a *AuthConfig) keySet(secret gateway.KeySet) (gateway.KeySet, error) {
	if named := slices.IndexFunc(secret, func(k gateway.Key) bool { return k.Sign != nil && k.ID == "" }); named >= 0 && a.KeyID != "" {
		k := secret[named]
		k.ID = a.KeyID
		secret = append(gateway.KeySet{k}, secret...) // the other one verifies tokens without that kid
	}
	if len(a.SigningKeys) == 0 {
		return secret, nil
	}
	set, err := gateway.ParseKeySet(a.SigningKeys)
	if err != nil {
		return nil, err
	}
	return append(set, secret...), nil
}

func (s *Server) restConfig() rest.Config {
	d := s.cfg.Database
	c := rest.Config{Heard: s.cronHeard,
		DB: s.db.api, ListenConn: s.db.listenConn, Plain: s.cfg.plain(), Options: s.cfg.REST, Limits: s.cfg.Limits,
		Channel: d.Channel, PreConfig: d.PreConfig, NoDatabaseConfig: d.NoSettings, RememberedTokens: s.cfg.RememberedTokens,
		PublicURL: s.restURL(), Now: s.cfg.Now, Logger: s.cfg.Logger.With("target", "rest"),
	}
	if d.NoChannel {
		c.ListenConn = nil
	}
	return c
}

// restURL is where clients reach REST's root.
func (s *Server) restURL() string {
	if s.cfg.plain() {
		return s.url
	}
	return s.url + "/rest/v1"
}

func (s *Server) authConfig(fake *oauth.Fake) auth.Config {
	c := s.cfg.Auth
	ac := auth.Config{
		DB: s.db.auth, Transport: s.cfg.HTTP, Signer: s.ring.tokens, Keys: s.ring.all,
		Mail: s.cfg.Mailbox, SMTP: s.cfg.Mail.sender(hostOf(s.url)), Sender: s.cfg.Mail.From,
		Logger: s.cfg.Logger.With("target", "auth"), Now: s.cfg.Now, Version: Version,
		ExternalURL: c.ExternalURL, Issuer: c.Issuer, SiteURL: c.SiteURL, RedirectURLs: c.RedirectURLs,
		Audience: c.Audience, DefaultRole: c.DefaultRole, AdminRoles: c.AdminRoles, NoAuditTable: c.NoAuditTable,
		JWTExpiry: c.JWTExpiry, DisableSignup: c.DisableSignup, AnonymousSignIns: c.AnonymousSignIns, ManualLinking: c.ManualLinking,
		Email: c.Email, Phone: c.Phone, Password: c.Password, Sessions: c.Sessions, MFA: c.MFA, OAuth: c.OAuth.external(fake),
	}
	ac.Hooks, ac.Captcha, ac.Limits, ac.Phone.Service = c.Hooks, c.Captcha, s.cfg.limits(), c.Texts.account()
	if ac.ExternalURL == "" {
		ac.ExternalURL = s.url + "/auth/v1"
	}
	if c.CheapPasswords && ac.Password.Cost.Bcrypt == 0 {
		ac.Password.Cost = password.CheapCost()
	}
	return ac
}

// hostOf is the name in an address.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// blobs is the store of objects' bytes, and of those on their way there:
// durable beside a durable database, else in a directory that ends with the
// server.
func (s *Server) blobs() (blob.Store, blob.Uploads, error) {
	if s.cfg.Storage.Backend == backendS3 {
		store := s.cfg.Storage.S3.store(s.cfg.Logger.With("target", "storage"))
		return store, blob.NewS3Uploads(store), nil
	}
	disk := blob.DiskConfig{Durable: true, Logger: s.cfg.Logger.With("target", "storage")}
	var err error
	if s.cfg.Storage.Root != "" {
		disk.Dir, err = filepath.Abs(s.cfg.Storage.Root)
	} else {
		disk.Durable, disk.Ephemeral = false, true
		disk.Dir, s.cleanup, err = s.db.runDir(s.cfg.Storage.Scratch)
	}
	if err != nil {
		return nil, nil, err
	}
	s.disk = blob.NewDisk(disk)
	store := s.disk
	return store, blob.NewUploadDir(blob.UploadDirConfig{
		Dir: filepath.Join(disk.Dir, "uploads"), Store: store, Durable: disk.Durable, Logger: disk.Logger,
	}), nil
}

// prefix is a handler below a path.
type prefix struct {
	path    string
	handler http.Handler
}

// prefixes hands a request to the handler of its prefix, which sees the rest
// of the path, and any other to root, when there is one.
type prefixes struct {
	under []prefix
	root  http.Handler
}

func (p *prefixes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, u := range p.under {
		if isUnder(r, u.path) {
			u.handler.ServeHTTP(w, below(r, u.path))
			return
		}
	}
	if p.root != nil {
		p.root.ServeHTTP(w, r)
		return
	}
	_ = httpx.WriteJSON(w, http.StatusNotFound, map[string]string{ // a map of strings always encodes
		"message": "no route matches " + r.URL.Path + ": the APIs are /rest/v1, /auth/v1 and /storage/v1",
	})
}

// below cuts the prefix from the path of r, decoded and raw. The gateway's
// handler has its own copy of the request, which may be changed.
func below(r *http.Request, prefix string) *http.Request {
	u := *r.URL
	r.URL = &u
	u.Path = orRoot(strings.TrimPrefix(u.Path, prefix))
	if u.RawPath != "" {
		raw, ok := strings.CutPrefix(u.RawPath, prefix)
		if !ok { // the prefix itself was escaped
			raw = ""
		} else {
			raw = orRoot(raw)
		}
		u.RawPath = raw
	}
	return r
}

func orRoot(path string) string {
	if path == "" {
		return "/"
	}
	return path
}
