package mail

import (
	"bytes"
	"maps"
	"mime"
	netmail "net/mail"
	"net/textproto"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestComposedMailsAreParsedBack(t *testing.T) {
	m := Message{
		From: Address{Name: `Ann "the" Admin, é`, Address: "admin@example.com"}, To: "bob@example.com",
		ReplyTo: []Address{{Name: "Help", Address: "help@example.com"}},
		Subject: "Grüße: " + strings.Repeat("ein langer Betreff ", 20), Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Text: "line\n.\nlong " + strings.Repeat("x", 2000) + "\nö", HTML: `<a href="https://a.test/?x=1&amp;y=2">é</a>`,
		Header: map[string]string{"x-kind": "recovery", "Subject": "not twice", "bad name": "x", "Bcc": "nobody@example.com"},
	}
	m.Complete()
	for line := range bytes.SplitSeq(m.Raw, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n") {
			t.Errorf("a line of %d bytes: %.80q", len(line), line)
		}
	}
	got := Parse(m.Raw)
	if got.From != m.From || len(got.Recipients) != 1 || got.Recipients[0].Address != "bob@example.com" || len(got.ReplyTo) != 1 || got.ReplyTo[0] != m.ReplyTo[0] {
		t.Errorf("addresses %+v, %+v, %+v", got.From, got.Recipients, got.ReplyTo)
	}
	if got.Subject != strings.TrimSpace(m.Subject) || got.Text != m.Text || got.HTML != m.HTML || !got.Created.Equal(m.Created) || got.MessageID != m.MessageID {
		t.Errorf("parsed back: %+v", got)
	}
	header, err := got.fields()
	if err != nil || header.Get("X-Kind") != "recovery" || len(header["Subject"]) != 1 || header.Get("Bcc") != "" {
		t.Errorf("fields %v, %v", header, err)
	}
}

func TestComposeWithoutHTMLIsPlainText(t *testing.T) {
	m := Message{Kind: SMS, To: "15550100", Text: "Your code is 012345"}
	m.Complete()
	if got := Parse(m.Raw); got.Text != m.Text || got.HTML != "" || !bytes.Contains(m.Raw, []byte("\r\nTo: 15550100\r\n")) {
		t.Errorf("%s", m.Raw)
	}
}

// TestNoValueEndsItsField: what users write cannot become a field of a mail.
func TestNoValueEndsItsField(t *testing.T) {
	const evil = "x\r\nBcc: victim@example.com\r\n\r\n<script>"
	m := Message{
		From: Address{Name: evil, Address: "a@b.c" + evil}, To: evil, ReplyTo: []Address{{Name: evil, Address: evil}},
		Subject: evil, MessageID: evil, Text: evil, HTML: evil, Header: map[string]string{"X-A": evil, evil: "x", "X-B: y\r\nBcc": "z"},
	}
	m.Complete()
	r, err := netmail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		t.Fatalf("%v: %s", err, m.Raw)
	}
	if len(r.Header["Bcc"]) != 0 {
		t.Errorf("a field came in: %s", m.Raw)
	}
}

// FuzzCompose: whatever the values are, the message has the composer's fields
// and no other, and its texts come back as they were.
func FuzzCompose(f *testing.F) {
	f.Add("Ann", "ann@example.com", "Hello", "text", "<p>html</p>", "value")
	f.Add("a\r\nBcc: x@y.z", "b@c.d\nX: y", "s\r\n\r\nbody", "\r\n.\r\n", "--boundary", "v\rw")
	f.Add("", "15550100", strings.Repeat("é", 2000), "\xff", "", "")
	known := map[string]bool{
		"Date": true, "From": true, "To": true, "Reply-To": true, "Subject": true, "Message-Id": true, "X-Fuzz": true,
		"Mime-Version": true, "Content-Type": true, "Content-Transfer-Encoding": true,
	}
	f.Fuzz(func(t *testing.T, name, address, subject, text, html, value string) {
		m := Message{
			From: Address{Name: name, Address: address}, Recipients: []Address{{Name: name, Address: address}},
			ReplyTo: []Address{{Address: address}}, Subject: subject, Text: text, HTML: html,
			Header: map[string]string{"X-Fuzz": value, name: value},
		}
		delete(m.Header, "")
		known := maps.Clone(known)
		if validFieldName(name) {
			known[textproto.CanonicalMIMEHeaderKey(name)] = true
		}
		m.Complete()
		r, err := netmail.ReadMessage(bytes.NewReader(m.Raw))
		if err != nil {
			t.Fatalf("%v: %q", err, m.Raw)
		}
		for field, values := range r.Header {
			if !known[field] || len(values) != 1 && field != "X-Fuzz" {
				t.Errorf("the field %q is there %d times: %q", field, len(values), m.Raw)
			}
		}
		for line := range bytes.SplitSeq(m.Raw, []byte("\r\n")) {
			if len(line) > 998 || bytes.ContainsAny(line, "\r\n") {
				t.Errorf("a line of %d bytes: %.200q", len(line), line)
			}
		}
		if decoded, err := new(mime.WordDecoder).DecodeHeader(r.Header.Get("Subject")); err != nil || strings.ContainsFunc(decoded, unicode.IsControl) {
			t.Errorf("subject %q, %v", decoded, err)
		}
		back := Parse(m.Raw)
		if html != "" && utf8.ValidString(html) && !strings.Contains(html, "\r") && back.HTML != html {
			t.Errorf("HTML %q came back as %q", html, back.HTML)
		}
	})
}
