package suparusttest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
)

// Message is a mail or a text message. Code, Link and TokenHash are what it
// asks its reader to type or to open, and the secret in the link; each is ""
// when it does not show it.
type Message = server.Message

// Mailbox holds every message that the server has sent, mails and text
// messages alike. What a request sends is there when its answer is.
//
// Of a server that runs elsewhere messages come without their raw form and
// without attachments: MailURL has both.
type Mailbox struct {
	of powers
	tb testing.TB // of Start or Attach: it fails where the server does not answer
}

// mailPatience is how long Wait waits.
const mailPatience = 10 * time.Second

// Wait returns the newest message to an address or a phone number. Without one
// it waits until there is; after ten seconds it fails tb and shows what has
// come instead.
func (m *Mailbox) Wait(tb testing.TB, to string) Message {
	tb.Helper()
	return m.WaitFor(tb, to, func(Message) bool { return true })
}

// WaitFor is Wait for a message for which match is true.
func (m *Mailbox) WaitFor(tb testing.TB, to string, match func(Message) bool) Message {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), mailPatience)
	defer cancel()
	found, err := m.of.awaitMessage(ctx, server.MailFilter{To: recipient(to)}, match)
	switch {
	case err == nil:
		return found
	case errors.Is(tb.Context().Err(), context.Canceled):
		tb.Fatalf("suparusttest: the test ended before a message came to %s", to)
	case ctx.Err() != nil:
		tb.Fatalf("suparusttest: no such message came to %s within %s; there are: %s", to, mailPatience, m.describe())
	default:
		tb.Fatalf("suparusttest: the mailbox: %v", err)
	}
	return Message{}
}

// To returns the messages to an address or a phone number, newest first.
func (m *Mailbox) To(to string) []Message {
	m.tb.Helper()
	return m.List(server.MailFilter{To: recipient(to)})
}

// All returns every message, newest first.
func (m *Mailbox) All() []Message {
	m.tb.Helper()
	return m.List(server.MailFilter{})
}

// List returns the messages that f chooses, newest first.
func (m *Mailbox) List(f server.MailFilter) []Message {
	m.tb.Helper()
	list, err := m.of.messages(context.Background(), f)
	if err != nil {
		m.tb.Fatalf("suparusttest: the mailbox: %v", err)
	}
	return list
}

// Clear removes every message.
func (m *Mailbox) Clear() {
	m.tb.Helper()
	if err := m.of.clearMessages(context.Background()); err != nil {
		m.tb.Fatalf("suparusttest: the mailbox: %v", err)
	}
}

// describe lists messages for a test that missed one.
func (m *Mailbox) describe() string {
	var list []string
	for _, x := range m.All() {
		what := x.Subject
		if what == "" {
			what = string(x.Kind)
		}
		list = append(list, x.To+" ("+what+")")
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// recipient is an address as messages have it: numbers without their plus sign
// and blanks.
func recipient(to string) string {
	if strings.Contains(to, "@") {
		return to
	}
	return strings.ReplaceAll(strings.TrimPrefix(to, "+"), " ", "")
}

// MailURL is where the server's mailbox is served over HTTP, with the APIs of
// Mailpit and Inbucket and a page for people. The port is opened by the first
// call, and closed with the server.
func (s *Server) MailURL(tb testing.TB) string {
	tb.Helper()
	url, err := s.powers.mailURL(tb.Context())
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	return url
}
