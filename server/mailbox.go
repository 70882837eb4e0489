package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/suparust/suparust/server/internal/httpx"
	"github.com/suparust/suparust/server/internal/mail"
)

// mailService opens the mailbox to HTTP and SMTP.
type mailService struct {
	box *Mailbox
	log *slog.Logger

	mu       sync.Mutex
	closed   bool
	http     *http.Server
	url      string
	receiver *mail.Receiver
	smtpAddr string
	serving  sync.WaitGroup
}

// errMailClosed is the answer to who asks for the mailbox's port too late.
var errMailClosed = errors.New("the server has ended, and its mailbox's port with it")

// openHTTP serves the mailbox on a port and returns its address; it does so
// once. With anyPort another port does too.
func (m *mailService) openHTTP(ctx context.Context, c *MailConfig, port int, anyPort bool) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return "", errMailClosed
	case m.http != nil:
		return m.url, nil
	}
	l, err := listenMail(ctx, c.ListenAddr, port, "the mailbox", "SUPARUST_MAIL_PORT")
	if err != nil && anyPort {
		l, err = listenMail(ctx, c.ListenAddr, 0, "the mailbox", "SUPARUST_MAIL_PORT")
	}
	if err != nil {
		return "", err
	}
	waits, stop := context.WithCancel(context.Background())
	m.http = &http.Server{
		Handler:           mailHandler(m.box, c, l.Addr().(*net.TCPAddr)),
		BaseContext:       func(net.Listener) context.Context { return waits },
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute, // a request may wait for a message
		IdleTimeout:       61 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(m.log.Handler(), slog.LevelDebug),
	}
	m.http.RegisterOnShutdown(stop)
	httpx.CloseUnused(m.http)
	m.url = "http://" + reachable(l.Addr().(*net.TCPAddr))
	m.serving.Go(func() {
		defer stop()
		if err := m.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error("the mailbox is no longer served", "error", err)
		}
	})
	return m.url, nil
}

// openSMTP takes mails on a port.
func (m *mailService) openSMTP(ctx context.Context, c *MailConfig, port int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errMailClosed
	}
	l, err := listenMail(ctx, c.ListenAddr, port, "the mailbox's SMTP", "SUPARUST_MAIL_SMTP_PORT")
	if err != nil {
		return err
	}
	m.receiver, m.smtpAddr = mail.NewReceiver(m.box, m.log), reachable(l.Addr().(*net.TCPAddr))
	m.serving.Go(func() {
		if err := m.receiver.Serve(l); err != nil {
			m.log.Error("the mailbox takes no more mails", "error", err)
		}
	})
	return nil
}

// close ends what was opened; requests under way may end until ctx does.
func (m *mailService) close(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	var errs []error
	if m.receiver != nil {
		errs = append(errs, m.receiver.Close())
	}
	if m.http != nil {
		if err := m.http.Shutdown(ctx); err != nil {
			errs = append(errs, m.http.Close())
		}
	}
	m.mu.Unlock()
	m.serving.Wait()
	return errors.Join(errs...)
}

func listenMail(ctx context.Context, host string, port int, what, setting string) (net.Listener, error) {
	var lc net.ListenConfig
	address := net.JoinHostPort(host, strconv.Itoa(port))
	l, err := lc.Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %d of %s is in use: stop what listens there, or choose another port with %s", port, what, setting)
	case err != nil:
		return nil, fmt.Errorf("listen on %s for %s: %w; choose another port with %s", address, what, err, setting)
	}
	return l, nil
}

// startMail opens the mailbox's ports that are not left until they are asked
// for.
func (s *Server) startMail(ctx context.Context) error {
	c := &s.cfg.Mail
	if c.Disabled {
		return nil
	}
	if c.SMTPPort != 0 {
		if err := s.mailbox.openSMTP(ctx, c, max(c.SMTPPort, 0)); err != nil {
			return err
		}
	}
	if c.OnDemand {
		return nil
	}
	_, err := s.openMailHTTP(ctx)
	return err
}

// openMailHTTP serves the mailbox. Where the API's port was any free one, so
// may be that of the mailbox.
func (s *Server) openMailHTTP(ctx context.Context) (string, error) {
	port := s.cfg.Mail.PortBeside(s.listener.Addr().(*net.TCPAddr).Port)
	return s.mailbox.openHTTP(ctx, &s.cfg.Mail, port, s.cfg.Port == 0)
}

// Mail is the box that every message lands in.
func (s *Server) Mail() *Mailbox { return s.cfg.Mailbox }

// MailURL is where the mailbox is served: Mailpit's API, Inbucket's, and a page
// for people. It opens the port where that was left until now.
func (s *Server) MailURL() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.cfg.Mail.Disabled:
		return "", errors.New("the mailbox has no port: it is turned off by SUPARUST_MAIL_ENABLED or local_smtp.enabled")
	case s.listener == nil:
		return "", errors.New("the server was not started yet")
	}
	return s.openMailHTTP(context.Background())
}

// MailSMTPAddr is the host and port where the mailbox takes mails by SMTP, ""
// when it takes none.
func (s *Server) MailSMTPAddr() string {
	s.mailbox.mu.Lock()
	defer s.mailbox.mu.Unlock()
	return s.mailbox.smtpAddr
}

// mailHandler serves the box. One on loopback answers to names of this machine
// and of the configured origins alone: mails hold secrets, and a page of the
// web may have a name that leads here.
func mailHandler(box *mail.Box, c *MailConfig, addr *net.TCPAddr) http.Handler {
	h := mail.NewHandler(mail.HandlerConfig{Box: box, Version: Version, Origins: c.Origins})
	if !addr.IP.IsLoopback() {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !httpx.Here(r.Host) && !slices.ContainsFunc(c.Origins, func(o string) bool {
			u, err := url.Parse(o)
			return o == "*" || strings.EqualFold(o, r.Host) || err == nil && strings.EqualFold(u.Host, r.Host)
		}) {
			http.Error(w, "the mailbox is for this machine alone: open http://"+reachable(addr)+", or name the other host in SUPARUST_MAIL_CORS", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}
