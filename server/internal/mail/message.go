// Package mail holds the mailbox: every message the server sends lands in it,
// so that a test or a developer can read it at once. It serves the box over
// the HTTP APIs of Mailpit and Inbucket, takes messages in by SMTP, and hands
// them on to an SMTP server.
package mail

import (
	netmail "net/mail"
	"time"
)

// Kind says what carries a message.
type Kind string

// The kinds of messages.
const (
	Email Kind = "email"
	SMS   Kind = "sms"
)

// Address is a name and an address; either may be empty.
type Address = netmail.Address

// Message is a mail or a text message.
type Message struct {
	ID   string // given by the box
	Kind Kind
	From Address
	// To is the first recipient: an address, or a number in digits.
	To string
	// Recipients are all of the To field; Cc, Bcc and ReplyTo are those fields.
	// Bcc holds who was sent the message without being named in it.
	Recipients, Cc, Bcc, ReplyTo []Address

	Subject string
	Text    string
	HTML    string
	Created time.Time
	Read    bool
	// Tags name what the message is about, such as "recovery".
	Tags []string

	// Code, Link and TokenHash are what a mail of Auth asks its reader to type
	// or to open, and the secret in the link; each is "" when the message does
	// not show it.
	Code, Link, TokenHash string

	MessageID   string // without angle brackets; given by the box when empty
	Raw         []byte // the message as RFC 5322 writes it; composed by the box when empty
	Inline      []Attachment
	Attachments []Attachment
	Header      map[string]string // further fields of a message to compose
}

// Attachment describes a part of a message that is neither its text nor its
// HTML.
type Attachment struct {
	PartID      string
	FileName    string
	ContentType string
	ContentID   string
	Size        uint64
	Checksums   Checksums
}

// Checksums are those of an attachment's content, in lower-case hexadecimal.
type Checksums struct{ MD5, SHA1, SHA256 string }

// everyone lists the recipients, named or not.
func (m *Message) everyone() []Address {
	all := make([]Address, 0, len(m.Recipients)+len(m.Cc)+len(m.Bcc))
	all = append(all, m.Recipients...)
	all = append(all, m.Cc...)
	return append(all, m.Bcc...)
}

// weight is about how many bytes of memory the message takes.
func (m *Message) weight() int {
	const fixed = 1 << 10
	return fixed + len(m.Raw) + len(m.Text) + len(m.HTML) + len(m.Subject) + 256*(len(m.Inline)+len(m.Attachments)+len(m.everyone()))
}
