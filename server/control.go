package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/control"
	"github.com/suparust/suparust/server/internal/httpx"
)

// controlPath is the prefix of the control API.
const controlPath = "/_suparust/v1"

// minControlToken is how long the control API's token has to be.
const minControlToken = 16

// validateControl refuses what would let others control the server.
func (c *Config) validateControl() error {
	switch {
	case !c.Control && c.ControlAddr != "":
		return errors.New("SUPARUST_CONTROL_ADDR says where the control API listens, which is off: set SUPARUST_CONTROL=true, or take the address away")
	case !c.Control:
		return nil
	case c.ControlToken != "" && len(c.ControlToken) < minControlToken:
		return fmt.Errorf("SUPARUST_CONTROL_TOKEN has %d characters: it needs at least %d; without one the server makes its own", len(c.ControlToken), minControlToken)
	case c.ControlAddr == "" && !c.onLoopback():
		return errors.New("SUPARUST_CONTROL lets who has its token move the clock and be anyone: set SUPARUST_BIND_ADDR to 127.0.0.1 " +
			"and SUPARUST_PUBLIC_URL to an address of this machine, give it a port of its own with SUPARUST_CONTROL_ADDR, or take the setting away")
	case c.ControlAddr == "":
		return nil
	}
	host, port, err := net.SplitHostPort(c.ControlAddr)
	if err != nil || !isAddress(host) {
		return fmt.Errorf("SUPARUST_CONTROL_ADDR is %q: it is an IP address and a port, such as 127.0.0.1:3001", c.ControlAddr)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n != 0 && int(n) == c.Port {
		return fmt.Errorf("the port %s of SUPARUST_CONTROL_ADDR is that of the APIs or outside of 0 to 65535: choose another", port)
	}
	if !loopbackHost(host) && c.ControlToken == "" {
		return fmt.Errorf("SUPARUST_CONTROL_ADDR=%s lets other machines ask, who can be anyone and read everything with the control API's token: choose one that nobody can guess and set it as SUPARUST_CONTROL_TOKEN, or listen on 127.0.0.1", c.ControlAddr)
	}
	return nil
}

// controlAnywhere tells that machines other than this one reach the control
// API.
func (c *Config) controlAnywhere() bool {
	host, _, err := net.SplitHostPort(c.ControlAddr)
	return err == nil && !loopbackHost(host)
}

// observe has the server keep what the control API tells of it: what it asks of
// others, and its last requests.
func (s *Server) observe(c *Config) {
	s.given.http, s.given.trace = c.HTTP, c.Trace
	if !c.Control {
		return
	}
	next := c.HTTP
	if next == nil {
		next = httpx.NewTransport()
	}
	s.outgoing = control.NewOutgoing(next)
	c.HTTP = s.outgoing
	c.Trace = func(r RequestRecord) {
		if !strings.HasPrefix(r.Target, controlPath) {
			s.recent.Note(r)
		}
		if s.given.trace != nil {
			s.given.trace(r)
		}
	}
}

// withControl puts the control API, where it is on and has no port of its own,
// and the faults that it plans around the dialects.
func (s *Server) withControl(next http.Handler) http.Handler {
	faulty := s.faults.Wrap(next)
	if !s.cfg.Control {
		return faulty
	}
	if s.cfg.ControlToken == "" {
		s.cfg.ControlToken = rand.Text()
	}
	s.branches, s.snapshots = newBranches(s), &snapshots{s: s}
	s.control = control.New(control.Config{
		Token: s.cfg.ControlToken, Anywhere: s.cfg.controlAnywhere(), Clock: s.clock, Mail: s.cfg.Mailbox, Faults: &s.faults, HTTP: s.outgoing, Recent: &s.recent, DatabaseLog: s.databaseLog,
		Instance: s.instance, ResetAuth: s.ResetAuth, Session: s.controlSession,
		Disconnect: func(ctx context.Context) (int, error) {
			n, err := s.Disconnect(ctx)
			return n, asControl(err)
		},
		Branches: s.branches, Snapshots: s.snapshots, RunCron: s.controlCron,
	})
	if s.cfg.ControlAddr != "" {
		return faulty
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isUnder(r, controlPath) {
			s.control.ServeHTTP(w, below(r, controlPath))
			return
		}
		faulty.ServeHTTP(w, r)
	})
}

// serveControl answers the control API on a port of its own, where one is
// configured.
func (s *Server) serveControl(ctx context.Context) error {
	if s.cfg.ControlAddr == "" {
		return nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.cfg.ControlAddr)
	if err != nil {
		return fmt.Errorf("listen for the control API: %w; choose another address with SUPARUST_CONTROL_ADDR", err)
	}
	s.controlURL = "http://" + reachable(l.Addr().(*net.TCPAddr))
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isUnder(r, controlPath) {
			http.Error(w, "the control API is below "+controlPath, http.StatusNotFound)
			return
		}
		s.control.ServeHTTP(w, below(r, controlPath))
	})
	s.controlHTTP = &http.Server{Handler: httpx.Patient(handler, s.patience), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug)}
	httpx.CloseUnused(s.controlHTTP)
	s.serving.Go(func() {
		if err := s.controlHTTP.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("serve the control API: %w", err))
		}
	})
	return nil
}

// ControlURL is where the control API is, "" when it is off.
func (s *Server) ControlURL() string {
	switch {
	case !s.cfg.Control:
		return ""
	case s.cfg.ControlAddr != "":
		return s.controlURL + controlPath
	}
	return s.url + controlPath
}

// ControlToken is what requests to the control API bring as Authorization:
// Bearer; there is one when the server has started with the API on.
func (s *Server) ControlToken() string { return s.cfg.ControlToken }

// ControlAccess is how the control API is reached, nil when it is off.
func (s *Server) ControlAccess() *ControlAccess {
	if !s.cfg.Control {
		return nil
	}
	return &ControlAccess{URL: s.ControlURL(), Token: s.cfg.ControlToken}
}

// instance is what a client needs to use the server.
func (s *Server) instance() (control.Instance, error) {
	k := s.Keys()
	i := control.Instance{URL: s.url, AnonKey: k.AnonKey, ServiceRoleKey: k.ServiceRoleKey, PublishableKey: k.PublishableKey, SecretKey: k.SecretKey,
		JWTSecret: k.JWTSecret, DatabaseURL: s.dataURL, Resets: s.Resets()}
	if !s.cfg.Mail.Disabled {
		var err error
		if i.MailURL, err = s.MailURL(); err != nil {
			return i, err
		}
	}
	return i, nil
}

// databaseLog is the end of the log of the server's own PostgreSQL.
func (s *Server) databaseLog(lines int) (string, error) {
	if s.Cluster() == nil {
		return "", control.Refusal{Message: "the database is not the server's own, and neither is its log"}
	}
	return s.Cluster().LogTail(lines), nil
}

// controlSession opens a session of a user for the control API.
func (s *Server) controlSession(r *http.Request, u control.SessionUser) (any, error) {
	session, err := s.auth.OpenSession(r, u.ID, u.Email, u.Phone)
	var problem *auth.Error
	if !errors.As(err, &problem) {
		return session, err
	}
	switch problem.Status {
	case http.StatusNotFound:
		return nil, control.NotFound{Message: fmt.Sprintf("there is no user %s: sign them up, or make them with POST /auth/v1/admin/users", u.ID+u.Email+u.Phone)}
	case http.StatusBadRequest:
		return nil, control.Refusal{Message: problem.Message}
	}
	return nil, err
}

// HTTPAnswer is what requests of the server to others are answered with, and
// HTTPRequest such a request; HTTPFilter chooses some. Outgoing stands between
// the server and those others.
type (
	Outgoing    = control.Outgoing
	HTTPAnswer  = control.HTTPAnswer
	HTTPRequest = control.HTTPRequest
	HTTPFilter  = control.HTTPFilter
)

// Outgoing stands between the server and everyone whom it asks by HTTP; nil
// where the control API is off.
func (s *Server) Outgoing() *Outgoing { return s.outgoing }

// Fault is what requests are made to meet on purpose.
type Fault = control.Fault

// Fault plans a fault: the next requests that it matches fail, are slow or are
// cut.
func (s *Server) Fault(f Fault) error { return s.faults.Add(f) }

// ClearFaults forgets the faults that were planned.
func (s *Server) ClearFaults() { s.faults.Clear() }

// errForeignConnections is the answer to who would end those of an external
// database.
var errForeignConnections = errors.New("the database is not the server's own: its connections may be other people's")

// Disconnect ends every connection to the database, the server's own among
// them, and returns how many there were: as a restart of PostgreSQL does.
func (s *Server) Disconnect(ctx context.Context) (n int, err error) {
	if s.Cluster() == nil {
		return 0, errForeignConnections
	}
	c, err := pgx.Connect(ctx, s.dataURL)
	if err != nil {
		return 0, fmt.Errorf("end the connections to the database: %w", err)
	}
	defer func() { err = errors.Join(err, c.Close(context.WithoutCancel(ctx))) }()
	// all at once: to wait for each takes PostgreSQL a tenth of a second
	const end = `select coalesce(array_agg(pid) filter (where pg_terminate_backend(pid)), '{}') from pg_stat_activity
		where backend_type = 'client backend' and pid <> pg_backend_pid()`
	var ended []int32
	if err := c.QueryRow(ctx, end).Scan(&ended); err != nil {
		return 0, fmt.Errorf("end the connections to the database: %w", err)
	}
	late := time.NewTimer(disconnectPatience)
	defer late.Stop()
	for {
		var left int
		if err := c.QueryRow(ctx, "select count(*) from pg_stat_activity where pid = any($1)", ended).Scan(&left); err != nil {
			return 0, fmt.Errorf("end the connections to the database: %w", err)
		}
		if left == 0 {
			return len(ended), nil
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-late.C:
			return 0, fmt.Errorf("%d connections to the database did not end within %s", left, disconnectPatience)
		}
	}
}

// disconnectPatience is how long what PostgreSQL does for a connection may take
// to let go of it.
const disconnectPatience = 5 * time.Second

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
