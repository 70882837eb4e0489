package mail

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // Mailpit shows this checksum
	"crypto/sha1" //nolint:gosec // and this one
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The bounds of a parsed message: how deep parts may hold parts, and how many
// there may be in all. What lies beyond is left in Raw.
const (
	maxDepth = 8
	maxParts = 500
)

// Parse reads a message that came as RFC 5322 writes it. What cannot be
// understood is shown as text; nothing fails.
func Parse(raw []byte) Message {
	m := Message{Kind: Email, Raw: raw}
	r, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		m.Text = readable(raw)
		return m
	}
	header := textproto.MIMEHeader(r.Header)
	decoder := mime.WordDecoder{CharsetReader: charsetReader}
	m.Subject = decodeWords(&decoder, header.Get("Subject"))
	m.MessageID = strings.Trim(oneLine(header.Get("Message-Id")), "<>")
	parser := netmail.AddressParser{WordDecoder: &decoder}
	list := func(name string) []Address {
		value := header.Get(name)
		found, err := parser.ParseList(value)
		if err != nil {
			if value = oneLine(value); value != "" && name == "From" {
				return []Address{{Name: decodeWords(&decoder, value)}}
			}
			return nil
		}
		out := make([]Address, len(found))
		for i, a := range found {
			out[i] = *a
		}
		return out
	}
	if from := list("From"); len(from) > 0 {
		m.From = from[0]
	}
	m.Recipients, m.Cc, m.Bcc, m.ReplyTo = list("To"), list("Cc"), list("Bcc"), list("Reply-To")
	for t := range strings.SplitSeq(header.Get("X-Tags"), ",") {
		if t = oneLine(t); t != "" && len(m.Tags) < 20 {
			m.Tags = append(m.Tags, t)
		}
	}
	if date, err := r.Header.Date(); err == nil {
		m.Created = date
	}
	p := parts{message: &m}
	p.read(header, r.Body, "", 0)
	m.guess()
	return m
}

func decodeWords(d *mime.WordDecoder, s string) string {
	if decoded, err := d.DecodeHeader(s); err == nil {
		s = decoded
	}
	return oneLine(s)
}

// parts collects the parts of a message.
type parts struct {
	message *Message
	count   int
	// wanted, when set, is the part whose content is kept.
	wanted  string
	content []byte
	typ     string
}

// read takes one part in, with the parts inside.
func (p *parts) read(header textproto.MIMEHeader, body io.Reader, id string, depth int) {
	if p.count++; p.count > maxParts || depth > maxDepth {
		return
	}
	contentType, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || contentType == "" {
		contentType, params = "text/plain", nil
	}
	if boundary := params["boundary"]; strings.HasPrefix(contentType, "multipart/") && boundary != "" {
		r := multipart.NewReader(body, boundary)
		for n := 1; ; n++ {
			part, err := r.NextRawPart()
			if err != nil {
				return
			}
			inner := strconv.Itoa(n)
			if id != "" {
				inner = id + "." + inner
			}
			p.read(part.Header, part, inner, depth+1)
		}
	}
	if id == "" {
		id = "0"
	}
	content := decodeBody(header.Get("Content-Transfer-Encoding"), body)
	disposition, dispositionParams, err := mime.ParseMediaType(header.Get("Content-Disposition"))
	if err != nil {
		disposition, dispositionParams = "", nil
	}
	name := dispositionParams["filename"]
	if name == "" {
		name = params["name"]
	}
	m := p.message
	if disposition != "attachment" && name == "" {
		switch {
		case contentType == "text/plain":
			m.Text = joinText(m.Text, decodeCharset(params["charset"], content))
			return
		case contentType == "text/html":
			m.HTML = joinText(m.HTML, decodeCharset(params["charset"], content))
			return
		}
	}
	if p.wanted == id {
		p.content, p.typ = content, contentType
	}
	contentID := strings.Trim(oneLine(header.Get("Content-Id")), "<>")
	decoder := mime.WordDecoder{CharsetReader: charsetReader}
	a := Attachment{
		PartID: id, FileName: decodeWords(&decoder, name), ContentType: contentType, ContentID: contentID,
		Size: uint64(len(content)), Checksums: checksums(content),
	}
	if a.FileName == "" {
		a.FileName = contentID
	}
	if disposition == "inline" || disposition == "" && contentID != "" {
		m.Inline = append(m.Inline, a)
	} else {
		m.Attachments = append(m.Attachments, a)
	}
}

func joinText(a, b string) string {
	if a == "" {
		return b
	}
	return a + "\n" + b
}

// Part is the content of an attachment and its type.
func (m *Message) Part(id string) (content []byte, contentType string, ok bool) {
	r, err := netmail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		return nil, "", false
	}
	p := parts{message: &Message{}, wanted: id}
	p.read(textproto.MIMEHeader(r.Header), r.Body, "", 0)
	return p.content, p.typ, p.typ != ""
}

func checksums(b []byte) Checksums {
	m, s, s2 := md5.Sum(b), sha1.Sum(b), sha256.Sum256(b) //nolint:gosec // shown, not trusted
	return Checksums{hex.EncodeToString(m[:]), hex.EncodeToString(s[:]), hex.EncodeToString(s2[:])}
}

// decodeBody takes the transfer encoding off; of a broken one, what could be
// read stays.
func decodeBody(encoding string, body io.Reader) []byte {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	content, _ := io.ReadAll(body) // as far as it goes
	return content
}

func decodeCharset(charset string, b []byte) string {
	r, err := charsetReader(charset, bytes.NewReader(b))
	if err != nil {
		return readable(b)
	}
	decoded, _ := io.ReadAll(r) // from memory
	return readable(decoded)
}

// readable is b as text with the line breaks of this program.
func readable(b []byte) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\r\n", "\n")
}

// charsetReader decodes the character sets that mails of programs have.
func charsetReader(charset string, r io.Reader) (io.Reader, error) {
	switch strings.ToLower(strings.TrimSpace(charset)) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return r, nil
	case "iso-8859-1", "latin1", "windows-1252", "iso-8859-15":
		b, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		out := make([]byte, 0, len(b))
		for _, c := range b {
			out = utf8.AppendRune(out, westernRune(c))
		}
		return bytes.NewReader(out), nil
	default:
		return nil, fmt.Errorf("the character set %q is not known", charset)
	}
}

// western are the characters of windows-1252 from 0x80 to 0x9f.
const western = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"

var westernRunes = []rune(western)

func westernRune(c byte) rune {
	if c >= 0x80 && c <= 0x9f {
		return westernRunes[c-0x80]
	}
	return rune(c)
}
