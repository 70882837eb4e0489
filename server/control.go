package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/control"
)

// controlPath is the prefix of the control API.
const controlPath = "/_suparust/v1"

// minControlToken is how long the control API's token has to be.
const minControlToken = 16

// validateControl refuses what would let others control the server.
func (c *Config) validateControl() error {
	switch {
	case c.Control && !c.onLoopback():
		return errors.New("SUPARUST_CONTROL lets who has its token move the clock and be anyone: set SUPARUST_BIND_ADDR to 127.0.0.1 " +
			"and SUPARUST_PUBLIC_URL to an address of this machine, or take the setting away")
	case c.ControlToken != "" && len(c.ControlToken) < minControlToken:
		return fmt.Errorf("SUPARUST_CONTROL_TOKEN has %d characters: it needs at least %d; without one the server makes its own", len(c.ControlToken), minControlToken)
	}
	return nil
}

// withControl puts the control API, where it is on, and the faults that it
// plans around the dialects.
func (s *Server) withControl(next http.Handler) http.Handler {
	faulty := s.faults.Wrap(next)
	if !s.cfg.Control {
		return faulty
	}
	if s.cfg.ControlToken == "" {
		s.cfg.ControlToken = rand.Text()
	}
	s.branches = newBranches(s)
	s.control = control.New(control.Config{
		Token: s.cfg.ControlToken, Clock: controlClock{s.clock}, Mail: s.cfg.Mailbox, Faults: &s.faults,
		Instance: s.instance, Disconnect: s.Disconnect, ResetAuth: s.ResetAuth, Session: s.auth.OpenSession(),
		Branches: s.branches, Snapshots: snapshots{s},
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isUnder(r, controlPath) {
			s.control.ServeHTTP(w, below(r, controlPath))
			return
		}
		faulty.ServeHTTP(w, r)
	})
}

// ControlURL is where the control API is, "" when it is off.
func (s *Server) ControlURL() string {
	if !s.cfg.Control {
		return ""
	}
	return s.url + controlPath
}

// ControlToken is what requests to the control API bring as Authorization:
// Bearer; there is one when the server has started with the API on.
func (s *Server) ControlToken() string { return s.cfg.ControlToken }

// instance is what a client needs to use the server.
func (s *Server) instance() (control.Instance, error) {
	k := s.Keys()
	i := control.Instance{URL: s.url, AnonKey: k.AnonKey, ServiceRoleKey: k.ServiceRoleKey, PublishableKey: k.PublishableKey, SecretKey: k.SecretKey,
		JWTSecret: k.JWTSecret, DatabaseURL: s.dataURL}
	if !s.cfg.Mail.Disabled {
		var err error
		if i.MailURL, err = s.MailURL(); err != nil {
			return i, err
		}
	}
	return i, nil
}

// Fault is what requests are made to meet on purpose.
type Fault = control.Fault

// Fault plans a fault: the next requests that it matches fail, are slow or are
// cut.
func (s *Server) Fault(f Fault) error { return s.faults.Add(f) }

// ClearFaults forgets the faults that were planned.
func (s *Server) ClearFaults() { s.faults.Clear() }

// Disconnect ends every connection to the database, the server's own among
// them, and returns how many there were: as a restart of PostgreSQL does.
func (s *Server) Disconnect(ctx context.Context) (n int, err error) {
	if s.Cluster() == nil {
		return 0, errors.New("the database is not the server's own: its connections may be other people's")
	}
	c, err := pgx.Connect(ctx, s.dataURL)
	if err != nil {
		return 0, fmt.Errorf("end the connections to the database: %w", err)
	}
	defer func() { err = errors.Join(err, c.Close(context.WithoutCancel(ctx))) }()
	const end = `select count(*) filter (where pg_terminate_backend(pid, 1000)) from pg_stat_activity
		where backend_type = 'client backend' and pid <> pg_backend_pid()`
	if err := c.QueryRow(ctx, end).Scan(&n); err != nil {
		return 0, fmt.Errorf("end the connections to the database: %w", err)
	}
	return n, nil
}

// TOTP is the code that an authenticator app with this secret, as Auth answers
// it when a factor is enrolled, shows at a time.
func TOTP(secret string, at time.Time) (string, error) { return auth.TOTP(secret, at) }

// ResetAuth forgets every user and every message. What other tables keep of
// users goes with them where their foreign keys say so; where one holds on to a
// user, it fails and all stays.
func (s *Server) ResetAuth(ctx context.Context) error {
	if err := s.auth.Reset(ctx); err != nil {
		return fmt.Errorf("forget the users: %w", err)
	}
	s.cfg.Mailbox.Delete()
	return nil
}
