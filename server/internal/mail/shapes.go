package mail

import (
	"strings"
	"time"
	"unicode/utf8"
)

// summary is a message in Mailpit's lists.
type summary struct {
	ID          string
	MessageID   string
	Read        bool
	From        Address
	To          []Address
	Cc          []Address
	Bcc         []Address
	ReplyTo     []Address
	Subject     string
	Created     time.Time
	Username    string
	Tags        []string
	Size        uint64
	Attachments int
	Snippet     string
}

func summarize(m *Message) summary {
	return summary{
		ID: m.ID, MessageID: m.MessageID, Read: m.Read, From: m.From,
		To: orEmpty(m.Recipients), Cc: orEmpty(m.Cc), Bcc: orEmpty(m.Bcc), ReplyTo: orEmpty(m.ReplyTo),
		Subject: m.Subject, Created: m.Created, Tags: orEmpty(m.Tags), Size: uint64(len(m.Raw)),
		Attachments: len(m.Attachments), Snippet: snippet(m),
	}
}

// detailed is a message by itself in Mailpit's API. Kind, Code, Link and
// TokenHash are this mailbox's own.
type detailed struct {
	ID              string
	MessageID       string
	From            Address
	To              []Address
	Cc              []Address
	Bcc             []Address
	ReplyTo         []Address
	ReturnPath      string
	Subject         string
	ListUnsubscribe struct {
		Header     string
		Links      []string
		Errors     string
		HeaderPost string
	}
	Date        time.Time
	Tags        []string
	Username    string
	Text        string
	HTML        string
	Size        uint64
	Inline      []Attachment
	Attachments []Attachment

	Kind      Kind
	Code      string
	Link      string
	TokenHash string
}

func detail(m *Message) detailed {
	d := detailed{
		ID: m.ID, MessageID: m.MessageID, From: m.From,
		To: orEmpty(m.Recipients), Cc: orEmpty(m.Cc), Bcc: orEmpty(m.Bcc), ReplyTo: orEmpty(m.ReplyTo),
		ReturnPath: m.From.Address, Subject: m.Subject, Date: m.Created, Tags: orEmpty(m.Tags),
		Text: m.Text, HTML: m.HTML, Size: uint64(len(m.Raw)), Inline: orEmpty(m.Inline), Attachments: orEmpty(m.Attachments),
		Kind: m.Kind, Code: m.Code, Link: m.Link, TokenHash: m.TokenHash,
	}
	d.ListUnsubscribe.Links = []string{}
	if header, err := m.fields(); err == nil {
		if path := header.Get("Return-Path"); path != "" {
			d.ReturnPath = strings.Trim(path, "<>")
		}
		d.ListUnsubscribe.Header, d.ListUnsubscribe.HeaderPost = header.Get("List-Unsubscribe"), header.Get("List-Unsubscribe-Post")
		for part := range strings.SplitSeq(d.ListUnsubscribe.Header, ",") {
			if part = strings.Trim(strings.TrimSpace(part), "<>"); part != "" {
				d.ListUnsubscribe.Links = append(d.ListUnsubscribe.Links, part)
			}
		}
	}
	return d
}

// maxSnippet is how many bytes of a message's text a list shows.
const maxSnippet = 200

func snippet(m *Message) string {
	s := words(m)
	if len(s) <= maxSnippet {
		return s
	}
	n := maxSnippet
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
