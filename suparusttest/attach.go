package suparusttest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
)

// WithControl gives Attach the control API of the server, for every power that
// Start's handle has: url and token are what `suparust status` shows as Control
// URL and Control token of a server that was started with --control, and
// SUPARUST_CONTROL_URL and SUPARUST_CONTROL_TOKEN of a command of suparust exec.
func WithControl(url, token string) Option {
	return func(o *options) { o.control = &server.ControlAccess{URL: url, Token: token} }
}

// attachPatience is how long the control API may take to say who it is.
const attachPatience = 30 * time.Second

// Attach returns the handle of a server that runs elsewhere, such as in a
// container or behind suparust exec. databaseURL connects to its database as the
// role postgres; keys that are missing derive from the secret. With WithControl
// the handle has the powers of Start's, and what is left empty is asked of the
// server:
//
//	srv := suparusttest.Attach(t, "", "", server.Keys{}, suparusttest.WithControl(url, token))
//
// Without it the APIs and the database are there, and what only the control API
// does fails the test: Clock, Mail, Snapshot, Reset, Fault and the like.
//
// Of the other options it takes those that load something, WithSQL and
// WithFixtures, and WithClock for a server whose clock cannot be asked. The server
// is not stopped when tb ends.
func Attach(tb testing.TB, url, databaseURL string, keys server.Keys, opts ...Option) *Server {
	tb.Helper()
	o := newOptions(opts...)
	s, err := attach(tb.Context(), o, url, databaseURL, keys)
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	s.begin(tb, o)
	return s
}

// AttachEnv is Attach to the server that the environment names: that of the
// command that runs the tests,
//
//	suparust exec -- go test ./...
//
// or one that was started with --control, when its variables are the shell's:
//
//	eval "$(suparust env client | sed 's/^/export /')"
func AttachEnv(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	if url := os.Getenv(server.ControlURLVariable); url != "" {
		opts = append([]Option{WithControl(url, os.Getenv(server.ControlTokenVariable))}, opts...)
		return Attach(tb, "", "", server.Keys{}, opts...)
	}
	url := os.Getenv("SUPABASE_URL")
	if url == "" {
		tb.Fatalf("suparusttest: the environment names no server: run the tests with `suparust exec -- go test ./...`, or set %s and %s", server.ControlURLVariable, server.ControlTokenVariable)
	}
	return Attach(tb, url, cmp.Or(os.Getenv("SUPABASE_DB_URL"), os.Getenv("DATABASE_URL")), server.Keys{
		JWTSecret: os.Getenv("SUPABASE_JWT_SECRET"), AnonKey: os.Getenv("SUPABASE_ANON_KEY"), ServiceRoleKey: os.Getenv("SUPABASE_SERVICE_ROLE_KEY"),
		PublishableKey: os.Getenv("SUPABASE_PUBLISHABLE_KEY"), SecretKey: os.Getenv("SUPABASE_SECRET_KEY"),
	}, opts...)
}

// attachable refuses what only Start can do.
func (o *options) attachable() error {
	if len(o.configure) == 0 && o.migrations == nil && o.projectDir == "" && !o.noProject && o.version == 0 && o.database == "" && !o.shared {
		return nil
	}
	return errors.New("the server runs elsewhere and is configured where it is started: of Start's options Attach takes WithSQL, WithFixtures and WithClock (AnswerHTTP is there in the place of WithHTTP)")
}

func attach(ctx context.Context, o *options, url, databaseURL string, keys server.Keys) (*Server, error) {
	if err := o.attachable(); err != nil {
		return nil, err
	}
	s := &Server{log: newLogTail(), clock: o.now, http: &http.Transport{MaxIdleConnsPerHost: 64}}
	there := elsewhere{}
	if o.control != nil {
		there.api = &server.ControlAccess{URL: o.control.URL, Token: o.control.Token, HTTP: &http.Client{Transport: s.http, Timeout: controlPatience}}
		ctx, cancel := context.WithTimeout(ctx, attachPatience)
		defer cancel()
		i, err := there.instance(ctx)
		if err != nil {
			return nil, fmt.Errorf("attach to %s: %w: start the server with --control, and take the URL and the token from `suparust status`", o.control.URL, err)
		}
		url, databaseURL = cmp.Or(url, i.URL), cmp.Or(databaseURL, i.DatabaseURL)
		if keys.JWTSecret == "" {
			keys = server.Keys{JWTSecret: i.JWTSecret, AnonKey: i.AnonKey, ServiceRoleKey: i.ServiceRoleKey, PublishableKey: i.PublishableKey, SecretKey: i.SecretKey}
		}
	}
	keys, err := keys.Complete()
	if err != nil {
		return nil, err
	}
	s.URL, s.DatabaseURL, s.JWTSecret, s.powers = url, databaseURL, keys.JWTSecret, there
	s.AnonKey, s.ServiceKey, s.PublishableKey, s.SecretKey = keys.AnonKey, keys.ServiceRoleKey, keys.PublishableKey, keys.SecretKey
	return s, nil
}

// Branch returns the handle of another server, with a database, files, users,
// mails and a clock of its own, which begins as this one is now. It is there in
// the time of a Start and ends with tb; each of a test's cases can have one:
//
//	srv := suparusttest.Start(t, suparusttest.WithFixtures(fixtures.FS, "shop"))
//	for _, c := range cases {
//		t.Run(c.name, func(t *testing.T) {
//			t.Parallel()
//			own := srv.Branch(t)
//			…
//
// Options are those of Attach.
func (s *Server) Branch(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	if h, ok := s.powers.(here); ok && h.shared {
		tb.Fatalf("suparusttest: %v", errShared)
	}
	api := s.control(tb)
	holding := *api
	holding.HTTP = &http.Client{Transport: s.http} // the answer lasts as long as the branch
	var b server.Branch
	end, err := holding.Hold(context.Background(), map[string]any{"from": "current", "hold": true}, &b)
	if err != nil {
		tb.Fatalf("suparusttest: make a branch: %v", err)
	}
	tb.Cleanup(func() {
		if err := api.Call(context.Background(), http.MethodDelete, "/branches/"+b.ID, nil, nil); err != nil {
			tb.Errorf("suparusttest: end the branch: %v", err)
		}
		end()
	})
	opts = append(opts, WithControl(b.ControlURL, b.ControlToken))
	return Attach(tb, "", "", server.Keys{}, opts...)
}
