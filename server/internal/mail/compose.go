package mail

import (
	"bytes"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"net/textproto"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Compose writes the message as RFC 5322 has it: header fields, then the text
// and the HTML as alternatives. No value can end its field: line breaks and
// other control characters become blanks, everything else is encoded.
func Compose(m Message) []byte {
	var b bytes.Buffer
	field := func(name, value string) {
		if value != "" {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	field("Date", m.Created.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	field("From", headerAddresses([]Address{m.From}))
	field("To", headerAddresses(m.Recipients))
	field("Cc", headerAddresses(m.Cc))
	field("Reply-To", headerAddresses(m.ReplyTo))
	field("Subject", headerText(m.Subject))
	if m.MessageID != "" {
		field("Message-ID", "<"+oneLine(m.MessageID)+">")
	}
	for _, name := range slices.Sorted(maps.Keys(m.Header)) {
		if validFieldName(name) {
			field(textproto.CanonicalMIMEHeaderKey(name), headerText(m.Header[name]))
		}
	}
	field("MIME-Version", "1.0")
	if m.HTML == "" {
		field("Content-Type", "text/plain; charset=UTF-8")
		field("Content-Transfer-Encoding", "quoted-printable")
		b.WriteString("\r\n")
		writeQuoted(&b, m.Text)
		return b.Bytes()
	}
	w := multipart.NewWriter(&b)
	field("Content-Type", `multipart/alternative; boundary="`+w.Boundary()+`"`)
	b.WriteString("\r\n")
	for _, part := range []struct{ contentType, body string }{{"text/plain; charset=UTF-8", m.Text}, {"text/html; charset=UTF-8", m.HTML}} {
		p, err := w.CreatePart(textproto.MIMEHeader{"Content-Type": {part.contentType}, "Content-Transfer-Encoding": {"quoted-printable"}})
		if err != nil {
			panic(err) // a bytes.Buffer takes everything
		}
		writeQuoted(p, part.body)
	}
	if err := w.Close(); err != nil {
		panic(err) // a bytes.Buffer takes everything
	}
	return b.Bytes()
}

func writeQuoted(w io.Writer, s string) {
	q := quotedprintable.NewWriter(w)
	_, err := q.Write([]byte(strings.ToValidUTF8(s, "\uFFFD")))
	if err == nil {
		err = q.Close()
	}
	if err != nil {
		panic(err) // a bytes.Buffer takes everything
	}
}

// notHeaderText reports the characters that no header field may hold.
func notHeaderText(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// oneLine makes a blank of every run of blanks and control characters.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool { return unicode.IsSpace(r) || notHeaderText(r) }), " ")
}

// What a line may hold: so many characters, and how many a field's text is cut
// to, for a word cannot be broken.
const (
	lineWidth    = 76
	maxFieldText = 900
	maxName      = 128
	maxAddress   = 320
)

// cut is at most n bytes of s.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// headerText is a text as the value of a field: one line, encoded where it is
// not ASCII, folded where it is long.
func headerText(s string) string {
	s = cut(oneLine(s), maxFieldText)
	s = mime.QEncoding.Encode("UTF-8", s) // words of at most 75 characters, parted by blanks, or s itself
	var b strings.Builder
	width := lineWidth / 2 // the field's name stands in front
	for i, word := range strings.Split(s, " ") {
		switch {
		case i > 0 && width+1+len(word) > lineWidth:
			b.WriteString("\r\n ")
			width = 1
		case i > 0:
			b.WriteString(" ")
			width++
		}
		b.WriteString(word)
		width += len(word)
	}
	return b.String()
}

// headerAddresses lists addresses; what is no address, such as a phone number,
// stands as it is.
func headerAddresses(list []Address) string {
	var parts []string
	for _, a := range list {
		a = Address{Name: cut(oneLine(a.Name), maxName), Address: cut(oneLine(a.Address), maxAddress)}
		s := a.Address
		switch _, err := netmail.ParseAddress(a.String()); {
		case err == nil && a.Name == "":
			s = strings.Trim(a.String(), "<>")
		case err == nil:
			s = a.String()
		case s == "":
			s = mime.QEncoding.Encode("UTF-8", a.Name)
		}
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ",\r\n ")
}

// validFieldName reports whether name can be a field of the composer's caller.
func validFieldName(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c == ':' || c >= 0x7f {
			return false
		}
	}
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Date", "From", "To", "Cc", "Bcc", "Reply-To", "Subject", "Message-Id", "Mime-Version", "Content-Type", "Content-Transfer-Encoding":
		return false
	}
	return true
}
