package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/smtp"
	"os"
	"strconv"
	"strings"
	"time"
)

// Sender hands messages on to an SMTP server. On port 465 it speaks TLS from
// the start; elsewhere it turns to TLS where the server offers it.
type Sender struct {
	Host     string
	Port     int // 0 means 587
	User     string
	Password string
	// LocalName is how the sender introduces itself; "" means localhost.
	LocalName string
	// TLS, when set, is used in the place of the system's trust.
	TLS *tls.Config
	// Timeout bounds the delivery of one message; 0 means ten seconds.
	Timeout time.Duration
}

const (
	defaultSMTPPort = 587
	implicitTLSPort = 465
	sendTimeout     = 10 * time.Second
)

// Send delivers a message to all its recipients and returns when the server
// has taken it.
func (s *Sender) Send(ctx context.Context, m Message) error {
	timeout := s.Timeout
	if timeout == 0 {
		timeout = sendTimeout
	}
	inTime, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := s.send(inTime, m)
	if err != nil && ctx.Err() == nil && (inTime.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded)) {
		err = fmt.Errorf("no answer within %s: %w", timeout, err)
	}
	if err != nil {
		return fmt.Errorf("send the mail through %s: %w", s.address(), err)
	}
	return nil
}

func (s *Sender) address() string {
	port := s.Port
	if port == 0 {
		port = defaultSMTPPort
	}
	return net.JoinHostPort(s.Host, strconv.Itoa(port))
}

func (s *Sender) send(ctx context.Context, m Message) (err error) {
	m.Complete()
	from, to, err := envelope(&m)
	if err != nil {
		return err
	}
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	// the connection ends with the context, and what waits on it with an error
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer func() {
		stop()
		_ = c.Close() // QUIT was said, or the error is known
	}()
	if err := s.authenticate(c); err != nil {
		return err
	}
	if err := c.Mail(from); err != nil {
		return err
	}
	for _, a := range to {
		if err := c.Rcpt(a); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(m.Raw); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // the message is theirs now
	return nil
}

// envelope are the addresses that SMTP is told; each must be one.
func envelope(m *Message) (from string, to []string, err error) {
	if from, err = plainAddress(m.From.Address); err != nil {
		return "", nil, fmt.Errorf("the sender: %w; set the address of the administrator", err)
	}
	for _, a := range m.everyone() {
		t, err := plainAddress(a.Address)
		if err != nil {
			return "", nil, fmt.Errorf("a recipient: %w", err)
		}
		to = append(to, t)
	}
	if len(to) == 0 {
		return "", nil, errors.New("the message has no recipient")
	}
	return from, to, nil
}

func plainAddress(s string) (string, error) {
	a, err := netmail.ParseAddress("<" + s + ">")
	if err != nil || strings.ContainsFunc(s, notHeaderText) {
		return "", fmt.Errorf("%q is no mail address", s)
	}
	return strings.Trim((&Address{Address: a.Address}).String(), "<>"), nil
}

func (s *Sender) tlsConfig() *tls.Config {
	if s.TLS == nil {
		return &tls.Config{ServerName: s.Host, MinVersion: tls.VersionTLS12}
	}
	c := s.TLS.Clone()
	if c.ServerName == "" {
		c.ServerName = s.Host
	}
	return c
}

// connect reaches the server and, where it offers TLS, turns to it.
func (s *Sender) connect(ctx context.Context) (c *smtp.Client, err error) {
	var conn net.Conn
	if s.Port == implicitTLSPort {
		conn, err = (&tls.Dialer{Config: s.tlsConfig()}).DialContext(ctx, "tcp", s.address())
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", s.address())
	}
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	if c, err = smtp.NewClient(conn, s.Host); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	name := s.LocalName
	if name == "" {
		name = "localhost"
	}
	if err := c.Hello(name); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if ok, _ := c.Extension("STARTTLS"); ok && s.Port != implicitTLSPort {
		if err := c.StartTLS(s.tlsConfig()); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

// authenticate logs in where there is a user and the server asks for one.
func (s *Sender) authenticate(c *smtp.Client) error {
	offered, mechanisms := c.Extension("AUTH")
	if s.User == "" || !offered {
		return nil
	}
	has := func(name string) bool {
		for m := range strings.FieldsSeq(mechanisms) {
			if strings.EqualFold(m, name) {
				return true
			}
		}
		return false
	}
	switch {
	case has("CRAM-MD5"):
		return c.Auth(smtp.CRAMMD5Auth(s.User, s.Password))
	case has("LOGIN") && !has("PLAIN"):
		return c.Auth(&loginAuth{user: s.User, password: s.Password, host: s.Host})
	default:
		return c.Auth(smtp.PlainAuth("", s.User, s.Password, s.Host))
	}
}

// loginAuth is the mechanism LOGIN, which the standard library leaves out. As
// PLAIN it shows the password only to a server behind TLS or on this machine.
type loginAuth struct{ user, password, host string }

func (a *loginAuth) Start(server *smtp.ServerInfo) (string, []byte, error) {
	ip := net.ParseIP(server.Name)
	if !server.TLS && server.Name != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", nil, errors.New("unencrypted connection")
	}
	if server.Name != a.host {
		return "", nil, errors.New("wrong host name")
	}
	return "LOGIN", nil, nil
}

func (a *loginAuth) Next(prompt []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	switch strings.ToLower(strings.TrimSuffix(string(prompt), ":")) {
	case "username":
		return []byte(a.user), nil
	case "password":
		return []byte(a.password), nil
	}
	return nil, fmt.Errorf("the server asks for %q, which is neither the user's name nor the password", prompt)
}
