package mail

import (
	"strings"
	"testing"
)

const mixed = `From: =?ISO-8859-1?Q?J=FCrgen?= <j@example.com>
To: "Doe, John" <john@example.com>, jane@example.com
Cc: team@example.com
Subject: =?UTF-8?B?R3LDvMOfZQ==?= and more
Date: Fri, 02 Jan 2026 03:04:05 +0100
Message-ID: <abc@example.com>
X-Tags: one, two
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/related; boundary=inner

--inner
Content-Type: multipart/alternative; boundary=alt

--alt
Content-Type: text/plain; charset=windows-1252
Content-Transfer-Encoding: quoted-printable

It costs 5=80: code 123456
--alt
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PGEgaHJlZj0iaHR0cHM6Ly9hLnRlc3QvP3Rva2VuX2hhc2g9eHl6Ij5nbzwvYT48aW1nIHNyYz0i
Y2lkOmxvZ28iPg==
--alt--
--inner
Content-Type: image/png
Content-ID: <logo>
Content-Transfer-Encoding: base64

aGVsbG8=
--inner--
--outer
Content-Type: text/plain; name="=?UTF-8?Q?n=C3=B6te.txt?="
Content-Disposition: attachment

a note
--outer--
`

func TestParse(t *testing.T) {
	m := Parse([]byte(strings.ReplaceAll(mixed, "\n", "\r\n")))
	if m.From != (Address{Name: "Jürgen", Address: "j@example.com"}) || m.Subject != "Grüße and more" || m.MessageID != "abc@example.com" {
		t.Errorf("from %+v, subject %q, id %q", m.From, m.Subject, m.MessageID)
	}
	if len(m.Recipients) != 2 || m.Recipients[0] != (Address{Name: "Doe, John", Address: "john@example.com"}) || len(m.Cc) != 1 {
		t.Errorf("to %+v, cc %+v", m.Recipients, m.Cc)
	}
	if m.Text != "It costs 5€: code 123456" || !strings.Contains(m.HTML, `token_hash=xyz`) {
		t.Errorf("text %q, HTML %q", m.Text, m.HTML)
	}
	if m.Code != "" && m.Code != "123456" || m.Link != "https://a.test/?token_hash=xyz" || len(m.Tags) != 2 {
		t.Errorf("code %q, link %q, tags %q", m.Code, m.Link, m.Tags)
	}
	if len(m.Inline) != 1 || m.Inline[0].ContentID != "logo" || m.Inline[0].Size != 5 || m.Inline[0].Checksums.MD5 != "5d41402abc4b2a76b9719d911017c592" {
		t.Errorf("inline %+v", m.Inline)
	}
	if len(m.Attachments) != 1 || m.Attachments[0].FileName != "nöte.txt" || m.Attachments[0].ContentType != "text/plain" {
		t.Fatalf("attachments %+v", m.Attachments)
	}
	if content, typ, ok := m.Part(m.Attachments[0].PartID); !ok || string(content) != "a note" || typ != "text/plain" {
		t.Errorf("part %q, %q, %v", content, typ, ok)
	}
	if content, typ, ok := m.Part(m.Inline[0].PartID); !ok || string(content) != "hello" || typ != "image/png" {
		t.Errorf("part %q, %q, %v", content, typ, ok)
	}
	if _, _, ok := m.Part("9.9"); ok {
		t.Error("a part that is not there")
	}
}

func TestParseOfBrokenMessages(t *testing.T) {
	for name, raw := range map[string]string{
		"no header":        "just text",
		"empty":            "",
		"no end":           "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nhello",
		"bad base64":       "Content-Transfer-Encoding: base64\r\n\r\n!!!",
		"unknown charset":  "Content-Type: text/plain; charset=klingon\r\n\r\nhello",
		"bad content type": "Content-Type: ;;;\r\n\r\nhello",
		"bad address":      "From: nobody at all\r\nTo: <<>>\r\n\r\nhello",
	} {
		m := Receive("a@b.c", []string{"x@y.z"}, []byte(raw))
		if !m.IsTo("x@y.z") || m.From == (Address{}) {
			t.Errorf("%s: %+v", name, m)
		}
		if strings.Contains(raw, "hello") && m.Text != "hello" || name == "no header" && m.Text != raw {
			t.Errorf("%s: text %q", name, m.Text)
		}
	}
}

// TestDeepPartsEnd: parts in parts in parts are read to a bound.
func TestDeepPartsEnd(t *testing.T) {
	var b strings.Builder
	for range 2000 {
		b.WriteString("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n")
	}
	b.WriteString("\r\nhello")
	if m := Parse([]byte(b.String())); strings.Contains(m.Text, "hello") {
		t.Errorf("text %q", m.Text)
	}
	many := "Content-Type: multipart/mixed; boundary=x\r\n\r\n" + strings.Repeat("--x\r\nContent-Disposition: attachment\r\n\r\n\r\n", 2*maxParts) + "--x--"
	if m := Parse([]byte(many)); len(m.Attachments) >= maxParts {
		t.Errorf("%d attachments", len(m.Attachments))
	}
}

func TestReceiveTellsBlindCopies(t *testing.T) {
	m := Receive("a@b.c", []string{"John@example.com", "hidden@example.com"}, []byte(mixed))
	if len(m.Bcc) != 1 || m.Bcc[0].Address != "hidden@example.com" || m.To != "john@example.com" {
		t.Errorf("to %q, bcc %+v", m.To, m.Bcc)
	}
}

func TestGuess(t *testing.T) {
	for _, c := range []struct{ name, text, html, code, link, hash string }{
		{name: "code alone", text: "Your code: 012345.", code: "012345"},
		{name: "code in a link is none", text: "https://a.test/123456 is the page", link: "https://a.test/123456"},
		{name: "too long", text: "call 12345678901"},
		{name: "part of a word", text: "id-123456 A123456"},
		{name: "first link with a token", html: `<a href="https://a.test/logo">x</a><a href="https://a.test/v?token=` + strings.Repeat("a1", 28) + `&amp;type=signup">y</a> 654321`,
			code: "654321", link: "https://a.test/v?token=" + strings.Repeat("a1", 28) + "&type=signup", hash: strings.Repeat("a1", 28)},
	} {
		m := Message{Text: c.text, HTML: c.html}
		m.guess()
		if m.Code != c.code || m.Link != c.link || m.TokenHash != c.hash {
			t.Errorf("%s: code %q, link %q, hash %q", c.name, m.Code, m.Link, m.TokenHash)
		}
	}
}

func TestLocateSaysWhatIsShown(t *testing.T) {
	hash := strings.Repeat("0f", 28)
	m := Message{Text: "x", HTML: `<a href="https://app.test/">home</a> <a href="https://app.test/confirm?token_hash=` + hash + `&amp;type=email">go</a>`}
	if m.Locate("123456", hash); m.Code != "" || m.TokenHash != hash || m.Link != "https://app.test/confirm?token_hash="+hash+"&type=email" {
		t.Errorf("%+v", m)
	}
	m = Message{Text: "Your code is 123456", Subject: "hi"}
	if m.Locate("123456", hash); m.Code != "123456" || m.TokenHash != "" || m.Link != "" {
		t.Errorf("%+v", m)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(strings.ReplaceAll(mixed, "\n", "\r\n")))
	f.Add([]byte("Subject: =?x?q?=FF?=\r\n\r\n<a href=x>"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n----"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := Receive("from@example.com", []string{"to@example.com"}, raw)
		if !m.IsTo("to@example.com") {
			t.Errorf("the recipient is lost: %+v", m)
		}
		b := NewBox(1)
		m = b.Deliver(m)
		if strings.ContainsAny(m.Subject, "\r\n") {
			t.Errorf("subject %q", m.Subject)
		}
		for _, a := range append(m.Inline, m.Attachments...) {
			content, _, ok := m.Part(a.PartID)
			if !ok || uint64(len(content)) != a.Size {
				t.Errorf("part %s: %v, %d of %d bytes", a.PartID, ok, len(content), a.Size)
			}
		}
		summarize(&m)
		detail(&m)
	})
}
