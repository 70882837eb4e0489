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
type Mailbox struct{ box *server.Mailbox }

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
	address := recipient(to)
	found, err := m.box.WaitSelect(ctx, func(x *Message) bool { return x.IsTo(address) && match(*x) })
	switch {
	case err == nil:
		return found[0]
	case errors.Is(tb.Context().Err(), context.Canceled):
		tb.Fatalf("suparusttest: the test ended before a message came to %s", to)
	default:
		tb.Fatalf("suparusttest: no such message came to %s within %s; there are: %s", to, mailPatience, m.describe())
	}
	return Message{}
}

// To returns the messages to an address or a phone number, newest first.
func (m *Mailbox) To(to string) []Message { return m.box.List(server.MailFilter{To: recipient(to)}) }

// All returns every message, newest first.
func (m *Mailbox) All() []Message { return m.box.List(server.MailFilter{}) }

// List returns the messages that f chooses, newest first.
func (m *Mailbox) List(f server.MailFilter) []Message { return m.box.List(f) }

// Clear removes every message.
func (m *Mailbox) Clear() { m.box.Delete() }

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
	if s.srv == nil {
		tb.Fatal("suparusttest: the server runs elsewhere, and its mailbox with it")
	}
	url, err := s.srv.MailURL()
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	return url
}
