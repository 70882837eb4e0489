package mail

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxTerms bounds a search.
const maxTerms = 64

// parseSearch reads Mailpit's search language: words and "quoted phrases" that
// all have to be found, and the words to: from: cc: bcc: reply-to: addressed:
// subject: message-id: tag: is: has: before: after: larger: smaller:, each
// turned around by a leading - or !. Times without a zone are in loc.
func parseSearch(query string, loc *time.Location) func(*Message) bool {
	var tests []func(*Message) bool
	for _, term := range searchTerms(query) {
		if len(tests) == maxTerms {
			break
		}
		exclude := len(term) > 1 && (term[0] == '-' || term[0] == '!')
		if exclude {
			term = term[1:]
		}
		test := parseTerm(term, loc)
		switch {
		case test == nil:
		case exclude:
			tests = append(tests, func(m *Message) bool { return !test(m) })
		default:
			tests = append(tests, test)
		}
	}
	return func(m *Message) bool {
		for _, test := range tests {
			if !test(m) {
				return false
			}
		}
		return true
	}
}

// searchTerms parts a query at its blanks, but those between double quotes.
func searchTerms(query string) []string {
	var terms []string
	var b strings.Builder
	quoted := false
	end := func() {
		if t := strings.TrimSpace(b.String()); clean(t) != "" {
			terms = append(terms, t)
		}
		b.Reset()
	}
	for _, r := range query {
		switch {
		case r == '"':
			quoted = !quoted
		case r == ' ' && !quoted:
			end()
		default:
			b.WriteRune(r)
		}
	}
	end()
	return terms
}

// clean takes out what separates words in text and queries alike.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune("\uFEFF\r\n\t><\",;()", r) {
			return ' '
		}
		return r
	}, s)
	return strings.ToLower(strings.Join(strings.Fields(s), " "))
}

// parseTerm is the test of one term; nil when it asks for nothing.
func parseTerm(term string, loc *time.Location) func(*Message) bool {
	word, value, ok := strings.Cut(term, ":")
	if !ok {
		return textTerm(term)
	}
	raw, value := value, clean(value)
	addresses := func(of func(*Message) []Address) func(*Message) bool {
		if value == "" {
			return nil
		}
		return func(m *Message) bool { return named(of(m), value) }
	}
	switch strings.ToLower(word) {
	case "to":
		value = strings.TrimPrefix(value, "+") // of a number
		return addresses(func(m *Message) []Address { return m.Recipients })
	case "from":
		return addresses(func(m *Message) []Address { return []Address{m.From} })
	case "cc":
		return addresses(func(m *Message) []Address { return m.Cc })
	case "bcc":
		return addresses(func(m *Message) []Address { return m.Bcc })
	case "reply-to":
		return addresses(func(m *Message) []Address { return m.ReplyTo })
	case "addressed":
		return addresses(func(m *Message) []Address { return append(append(m.everyone(), m.ReplyTo...), m.From) })
	case "subject":
		if raw == "" {
			return nil
		}
		raw = strings.ToLower(raw)
		return func(m *Message) bool { return strings.Contains(strings.ToLower(m.Subject), raw) }
	case "message-id":
		if value == "" {
			return nil
		}
		return func(m *Message) bool { return strings.Contains(strings.ToLower(m.MessageID), value) }
	case "tag":
		if value == "" {
			return nil
		}
		return func(m *Message) bool {
			return slices.ContainsFunc(m.Tags, func(t string) bool { return strings.EqualFold(t, value) })
		}
	case "is", "has":
		if test := stateTerm(strings.ToLower(term)); test != nil {
			return test
		}
	case "before", "after":
		at, ok := parseTime(value, loc)
		switch {
		case !ok:
			return nil // as Mailpit, which logs it
		case strings.EqualFold(word, "before"):
			return func(m *Message) bool { return !m.Created.After(at) }
		default:
			return func(m *Message) bool { return !m.Created.Before(at) }
		}
	case "larger", "smaller":
		size := parseSize(value)
		switch {
		case size <= 0:
		case strings.EqualFold(word, "larger"):
			return func(m *Message) bool { return len(m.Raw) > size }
		default:
			return func(m *Message) bool { return len(m.Raw) < size }
		}
	}
	return textTerm(term)
}

// textTerm looks for a phrase in what a reader sees of a message.
func textTerm(term string) func(*Message) bool {
	phrase := clean(term)
	return func(m *Message) bool { return strings.Contains(m.searchText(), phrase) }
}

// searchText is what a search without a word looks through.
func (m *Message) searchText() string {
	var b strings.Builder
	for _, a := range append([]Address{m.From}, append(m.everyone(), m.ReplyTo...)...) {
		b.WriteString(a.Name + " " + a.Address + " ")
	}
	b.WriteString(m.Subject + " " + words(m))
	for _, l := range links(m) {
		b.WriteString(" " + l)
	}
	for _, a := range m.Attachments {
		b.WriteString(" " + a.FileName)
	}
	return clean(b.String())
}

func stateTerm(term string) func(*Message) bool {
	switch term {
	case "is:read":
		return func(m *Message) bool { return m.Read }
	case "is:unread":
		return func(m *Message) bool { return !m.Read }
	case "is:tagged":
		return func(m *Message) bool { return len(m.Tags) > 0 }
	case "has:inline", "has:inlines":
		return func(m *Message) bool { return len(m.Inline) > 0 }
	case "has:attachment", "has:attachments":
		return func(m *Message) bool { return len(m.Attachments) > 0 }
	}
	return nil
}

// named reports whether a name or an address of the list holds value, which is
// in lower case.
func named(list []Address, value string) bool {
	return slices.ContainsFunc(list, func(a Address) bool {
		return strings.Contains(strings.ToLower(a.Address), value) || strings.Contains(clean(a.Name+" "+a.Address), value)
	})
}

var timeForms = []string{
	time.RFC3339Nano, "2006-01-02t15:04:05", "2006-01-02t15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02",
	"2006/01/02 15:04:05", "2006/01/02 15:04", "2006/01/02", "01/02/2006", "2 jan 2006", "jan 2 2006",
}

// parseTime reads the times that people write, and Unix seconds and
// milliseconds.
func parseTime(s string, loc *time.Location) (time.Time, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && len(s) >= 10 {
		if len(s) >= 13 {
			return time.UnixMilli(n), true
		}
		return time.Unix(n, 0), true
	}
	for _, form := range timeForms {
		for _, candidate := range []string{s, strings.ToUpper(s)} {
			if t, err := time.ParseInLocation(form, candidate, loc); err == nil {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// parseSize reads 2048, 2kb and 1.5M as bytes; 0 is none.
func parseSize(s string) int {
	s = strings.ToLower(strings.TrimSpace(s))
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz ")
	factor, ok := map[string]float64{"": 1, "k": 1 << 10, "kb": 1 << 10, "m": 1 << 20, "mb": 1 << 20}[strings.TrimSpace(s[len(digits):])]
	n, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || !(n > 0) || n*factor > 1<<40 {
		return 0
	}
	return int(n * factor)
}
