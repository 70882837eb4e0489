package mail_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	netmail "net/mail"
	"net/smtp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/mail"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// receive runs a Receiver until the test ends.
func receive(t *testing.T) (box *mail.Box, address string) {
	t.Helper()
	l := listen(t)
	box = mail.NewBox(0)
	r := mail.NewReceiver(box, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- r.Serve(l) }()
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return box, l.Addr().String()
}

func senderTo(t *testing.T, address string) *mail.Sender {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return &mail.Sender{Host: host, Port: n}
}

func TestMailsComeInBySMTP(t *testing.T) {
	t.Parallel()
	box, address := receive(t)
	body := "From: App <app@example.com>\r\nTo: ann@example.com\r\nSubject: Hi\r\nX-Tags: welcome\r\n\r\n.dot\r\nYour code is 123456\r\n"
	for name, auth := range map[string]smtp.Auth{"nobody": nil, "plain": smtp.PlainAuth("", "any", "thing", "127.0.0.1"), "login": &login{}} {
		if err := smtp.SendMail(address, auth, "bounce@example.com", []string{"ann@example.com", "hidden@example.com"}, []byte(body)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	got := box.List(mail.Filter{To: "HIDDEN@example.com"})
	if len(got) != 3 {
		t.Fatalf("%+v", box.List(mail.Filter{}))
	}
	m := got[0]
	if m.From.Name != "App" || m.To != "ann@example.com" || m.Subject != "Hi" || m.Text != ".dot\nYour code is 123456\n" || m.Code != "123456" ||
		len(m.Bcc) != 1 || m.Tags[0] != "welcome" || time.Since(m.Created) > time.Minute {
		t.Errorf("%+v", m)
	}
}

// login is the mechanism LOGIN of a client that sends no first answer.
type login struct{}

func (login) Start(*smtp.ServerInfo) (string, []byte, error) { return "LOGIN", nil, nil }

func (login) Next(prompt []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	return prompt, nil
}

func TestTooLargeMailsAreRefused(t *testing.T) {
	t.Parallel()
	box, address := receive(t)
	err := smtp.SendMail(address, nil, "a@b.c", []string{"x@y.z"}, bytes.Repeat([]byte("0123456789abcdef\r\n"), 600_000))
	if err == nil || len(box.List(mail.Filter{})) != 0 {
		t.Errorf("10.8 MB: %v, %d messages", err, len(box.List(mail.Filter{})))
	}
}

// TestSenderReachesAReceiver: what is sent arrives as it was composed.
func TestSenderReachesAReceiver(t *testing.T) {
	t.Parallel()
	box, address := receive(t)
	s := senderTo(t, address)
	s.User, s.Password = "user", "secret"
	m := mail.Message{
		From: mail.Address{Name: "Admin", Address: "admin@example.com"}, To: "ann@example.com", Subject: "Grüße",
		Text: "text\n.", HTML: "<p>HTML ü</p>", Created: time.Now(),
	}
	if err := s.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := box.List(mail.Filter{})
	if len(got) != 1 || got[0].From != m.From || got[0].Subject != m.Subject || strings.TrimSuffix(got[0].Text, "\n") != m.Text || got[0].HTML != m.HTML || len(got[0].Bcc) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestSenderRefusesWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	box, address := receive(t)
	s := senderTo(t, address)
	for _, to := range []string{"", "nobody", "a@b.c>\r\nRCPT TO:<victim@example.com", "a@b.c\r\nDATA", "<a@b.c>", "a@b.c, d@e.f"} {
		if err := s.Send(t.Context(), mail.Message{From: mail.Address{Address: "a@b.c"}, To: to, Text: "x"}); err == nil {
			t.Errorf("%q is sent to", to)
		}
		if err := s.Send(t.Context(), mail.Message{From: mail.Address{Address: to}, To: "a@b.c", Text: "x"}); err == nil {
			t.Errorf("%q is a sender", to)
		}
	}
	if got := box.List(mail.Filter{}); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// server is an SMTP server that follows a script: it notes the commands and
// can turn to TLS.
type server struct {
	net.Listener
	tls      *tls.Config
	greetTLS bool     // from the start
	offer    []string // extensions
	refuse   string   // the command that is refused
	commands chan string
}

func (s *server) serve() {
	for {
		conn, err := s.Accept()
		if err != nil {
			close(s.commands)
			return
		}
		s.talk(conn)
	}
}

func (s *server) talk(conn net.Conn) {
	defer func() { _ = conn.Close() }() // the client has seen what it needs
	secure := s.greetTLS
	if secure {
		conn = tls.Server(conn, s.tls)
	}
	r := bufio.NewReader(conn)
	fmt.Fprint(conn, "220 test\r\n")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		word, _, _ := strings.Cut(line, " ")
		s.commands <- line
		if word == s.refuse {
			fmt.Fprint(conn, "550 no\r\n")
			continue
		}
		switch word {
		case "EHLO":
			offer := append([]string{"test"}, s.offer...)
			if s.tls != nil && !secure {
				offer = append(offer, "STARTTLS")
			}
			for i, o := range offer {
				dash := "-"
				if i == len(offer)-1 {
					dash = " "
				}
				fmt.Fprintf(conn, "250%s%s\r\n", dash, o)
			}
		case "STARTTLS":
			fmt.Fprint(conn, "220 go\r\n")
			conn, secure = tls.Server(conn, s.tls), true
			r = bufio.NewReader(conn)
		case "AUTH":
			if line == "AUTH LOGIN" {
				for _, q := range []string{"Username:", "Password:"} {
					fmt.Fprintf(conn, "334 %s\r\n", base64.StdEncoding.EncodeToString([]byte(q)))
					answer, err := r.ReadString('\n')
					if err != nil {
						return
					}
					s.commands <- strings.TrimSpace(answer)
				}
			}
			fmt.Fprint(conn, "235 welcome\r\n")
		case "DATA":
			fmt.Fprint(conn, "354 go\r\n")
			for line != ".\r\n" {
				if line, err = r.ReadString('\n'); err != nil {
					return
				}
			}
			fmt.Fprint(conn, "250 ok\r\n")
		case "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return
		default:
			fmt.Fprint(conn, "250 ok\r\n")
		}
	}
}

// script starts a server and returns a sender to it, which trusts it, and what
// to call for the commands it was told.
func script(t *testing.T, s *server, secure bool) (*mail.Sender, func() string) {
	t.Helper()
	s.Listener, s.commands = listen(t), make(chan string, 100)
	out := senderTo(t, s.Addr().String())
	if secure {
		cert := httptest.NewTLSServer(nil)
		cert.Close()
		s.tls = &tls.Config{Certificates: cert.TLS.Certificates}
		pool := x509.NewCertPool()
		pool.AddCert(cert.Certificate())
		out.TLS = &tls.Config{RootCAs: pool}
	}
	go s.serve()
	return out, func() string {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		var all []string
		for c := range s.commands {
			all = append(all, c)
		}
		return strings.Join(all, "|")
	}
}

var letter = mail.Message{From: mail.Address{Address: "a@b.c"}, To: "x@y.z", Text: "x"}

func TestSenderTurnsToTLS(t *testing.T) {
	t.Parallel()
	s, commands := script(t, &server{offer: []string{"AUTH PLAIN LOGIN"}}, true)
	s.User, s.Password, s.LocalName = "user", "secret", "api.test"
	if err := s.Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	want := "EHLO api.test|STARTTLS|EHLO api.test|AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00user\x00secret")) +
		"|MAIL FROM:<a@b.c>|RCPT TO:<x@y.z>|DATA|QUIT"
	if got := commands(); got != want {
		t.Errorf("said %s\nwant %s", got, want)
	}
}

func TestSenderLogsInAsTheServerWants(t *testing.T) {
	t.Parallel()
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for offer, want := range map[string]string{
		"AUTH LOGIN": "AUTH LOGIN|" + b64("user") + "|" + b64("secret") + "|MAIL",
		"AUTH PLAIN": "AUTH PLAIN " + b64("\x00user\x00secret") + "|MAIL",
		"SIZE 100":   "EHLO localhost|MAIL",
	} {
		s, commands := script(t, &server{offer: []string{offer}}, false)
		s.User, s.Password = "user", "secret"
		if err := s.Send(t.Context(), letter); err != nil {
			t.Errorf("%s: %v", offer, err)
		}
		if got := commands(); !strings.Contains(got, want) {
			t.Errorf("%s: said %s, want %s", offer, got, want)
		}
	}
}

func TestSenderTrustsNoStranger(t *testing.T) {
	t.Parallel()
	s, commands := script(t, &server{}, true)
	s.TLS = nil
	if err := s.Send(t.Context(), letter); err == nil {
		t.Error("a certificate of nobody is trusted")
	}
	if got := commands(); strings.Contains(got, "MAIL") {
		t.Errorf("said %s", got)
	}
}

func TestSenderTellsWhyItFails(t *testing.T) {
	t.Parallel()
	for _, refuse := range []string{"MAIL", "RCPT", "DATA", "AUTH"} {
		s, commands := script(t, &server{refuse: refuse, offer: []string{"AUTH PLAIN"}}, false)
		s.User = "user"
		if err := s.Send(t.Context(), letter); err == nil || !strings.Contains(err.Error(), "550") || !strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s refused: %v", refuse, err)
		}
		commands()
	}
	l := listen(t)
	s := senderTo(t, l.Addr().String())
	s.Timeout = 50 * time.Millisecond
	if err := s.Send(t.Context(), letter); err == nil || !strings.Contains(err.Error(), "50ms") {
		t.Errorf("a server that says nothing: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	s.Timeout = 0
	if err := s.Send(t.Context(), letter); err == nil {
		t.Error("nobody listens and it is sent")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Send(ctx, letter); err == nil {
		t.Error("sent for somebody who has gone")
	}
}

// FuzzSender: whatever an address is, it is one line of the conversation, of
// one recipient, or is refused.
func FuzzSender(f *testing.F) {
	f.Add("ann@example.com")
	f.Add("a@b.c>\r\nRCPT TO:<victim@example.com")
	f.Add("\"a b\"@c.d")
	f.Fuzz(func(t *testing.T, to string) {
		m := mail.Message{From: mail.Address{Address: "a@b.c"}, Recipients: []mail.Address{{Address: to}}}
		plain, err := mail.EnvelopeOf(&m)
		if err != nil {
			return
		}
		if strings.ContainsAny(plain, "\r\n<>") && !strings.HasPrefix(plain, `"`) {
			t.Errorf("%q is told as %q", to, plain)
		}
		if strings.ContainsAny(plain, "\r\n") {
			t.Errorf("%q is told as %q", to, plain)
		}
		if _, err := netmail.ParseAddress("<" + plain + ">"); err != nil {
			t.Errorf("%q is told as %q: %v", to, plain, err)
		}
	})
}

func TestReceiverEndsWithItsConnections(t *testing.T) {
	t.Parallel()
	l := listen(t)
	r := mail.NewReceiver(mail.NewBox(0), slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- r.Serve(l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("the connection stays: %v", err)
	}
}
