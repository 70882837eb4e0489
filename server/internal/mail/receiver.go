package mail

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// The bounds of messages that come in.
const (
	maxMessageBytes = 10 << 20
	maxRecipients   = 100
	maxIncoming     = 8 // messages on their way at once
	smtpPatience    = 30 * time.Second
)

// Receiver takes messages from other programs by SMTP and puts them into a
// Box. Any user name and password is accepted.
type Receiver struct {
	server *smtp.Server
	box    *Box
	slots  chan struct{}

	mu       sync.Mutex
	closed   bool
	listener net.Listener
}

// NewReceiver makes a Receiver.
func NewReceiver(box *Box, log *slog.Logger) *Receiver {
	r := &Receiver{box: box, slots: make(chan struct{}, maxIncoming)}
	r.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &incoming{receiver: r}, nil }))
	r.server.Domain = "localhost"
	r.server.MaxMessageBytes, r.server.MaxRecipients = maxMessageBytes, maxRecipients
	r.server.ReadTimeout, r.server.WriteTimeout = smtpPatience, smtpPatience
	r.server.AllowInsecureAuth = true
	r.server.EnableSMTPUTF8 = true
	r.server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	return r
}

// Serve takes messages on l until Close.
func (r *Receiver) Serve(l net.Listener) error {
	r.mu.Lock()
	r.listener = l
	closed := r.closed
	r.mu.Unlock()
	if closed { // before it began
		return l.Close()
	}
	if err := r.server.Serve(l); !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Close ends the listener and its connections.
func (r *Receiver) Close() error {
	r.mu.Lock()
	r.closed = true
	l := r.listener
	r.mu.Unlock()
	errs := []error{r.server.Close()}
	if l != nil { // the library may not have taken it over yet
		errs = append(errs, l.Close())
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			return err
		}
	}
	return nil
}

// incoming is one connection's state.
type incoming struct {
	receiver *Receiver
	from     string
	to       []string
}

// AuthMechanisms are the ways to log in.
func (s *incoming) AuthMechanisms() []string { return []string{sasl.Plain, sasl.Login} }

// Auth accepts everybody: it is a mailbox for tests.
func (s *incoming) Auth(mechanism string) (sasl.Server, error) {
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(string, string, string) error { return nil }), nil
	case sasl.Login:
		return &loginServer{}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

// loginServer is the mechanism LOGIN; it asks for both and accepts both.
type loginServer struct{ asked int }

// Next asks for the next thing.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if response != nil && l.asked == 0 { // the name came along
		l.asked = 1
	}
	l.asked++
	switch l.asked {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		return []byte("Password:"), false, nil
	}
	return nil, true, nil
}

// Mail begins a message.
func (s *incoming) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

// Rcpt adds a recipient.
func (s *incoming) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Data takes the message.
func (s *incoming) Data(r io.Reader) error {
	ctx, cancel := context.WithTimeout(context.Background(), smtpPatience)
	defer cancel()
	select {
	case s.receiver.slots <- struct{}{}:
		defer func() { <-s.receiver.slots }()
	case <-ctx.Done():
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "Too many messages at once, try again"}
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.receiver.box.Deliver(Receive(s.from, s.to, raw))
	return nil
}

// Reset forgets the message.
func (s *incoming) Reset() { s.from, s.to = "", nil }

// Logout has nothing to end.
func (s *incoming) Logout() error { return nil }

// Receive is the message that came with an SMTP envelope: recipients whom its
// header does not name are its blind copies.
func Receive(from string, to []string, raw []byte) Message {
	if !bytes.Contains(raw[:min(len(raw), 1<<16)], []byte("\r\n")) { // a client that broke its lines otherwise
		raw = bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
	}
	m := Parse(raw)
	m.Created = time.Now() // when it came; its own Date is in its header
	if m.From == (Address{}) {
		m.From.Address = oneLine(from)
	}
	for _, address := range to {
		known := slices.ContainsFunc(m.everyone(), func(a Address) bool { return strings.EqualFold(a.Address, address) })
		if !known && address != "" {
			m.Bcc = append(m.Bcc, Address{Address: oneLine(address)})
		}
	}
	if m.To = ""; len(m.everyone()) > 0 {
		m.To = m.everyone()[0].Address
	}
	return m
}
