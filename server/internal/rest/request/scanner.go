package request

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// scanner reads one parameter by recursive descent. It remembers the farthest
// place where something did not fit and what would have fitted there, which
// is what the error tells.
type scanner struct {
	what  string // what is parsed, for the message
	shown string // the text shown in the message
	src   string
	pos   int
	far   failure
	limit *Error // a limit was exceeded; wins over everything
	quiet bool   // nothing is noted

	embeds, items, leaves, depth int
}

// failure is the farthest misfit. A hard token comes from "this should have
// ended here" and wins over the soft one, the first character that did not fit.
type failure struct {
	pos      int
	soft     string
	hasSoft  bool
	hard     string
	expected []string
}

// scan runs the grammar over src. Only when it does not fit is it run a second
// time, taking notes for the error.
func scan(what, shown, src string, grammar func(*scanner) bool) *Error {
	s := scanner{what: what, shown: shown, src: src, far: failure{pos: -1}, quiet: true}
	if grammar(&s) && s.limit == nil {
		return nil
	}
	s = scanner{what: what, shown: shown, src: src, far: failure{pos: -1}}
	grammar(&s)
	return s.err()
}

func (s *scanner) err() *Error {
	if s.limit != nil {
		return s.limit
	}
	pos := max(s.far.pos, 0)
	line, column := 1, 1
	for _, r := range s.src[:min(pos, len(s.src))] {
		if r == '\n' {
			line, column = line+1, 1
		} else {
			column++
		}
	}
	var b strings.Builder
	b.WriteString("unexpected ")
	switch {
	case s.far.hard != "":
		b.WriteString(s.far.hard)
	case s.far.hasSoft && s.far.soft != "":
		b.WriteString(s.far.soft)
	default:
		b.WriteString("end of input")
	}
	for i, e := range s.far.expected {
		switch {
		case i == 0:
			b.WriteString(" expecting ")
		case i == len(s.far.expected)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(e)
	}
	return parseError(s.what, clip(s.shown), line, column, b.String())
}

// clip bounds input that is repeated in a message.
func clip(text string) string {
	if len(text) <= maxDisplayedInput {
		return text
	}
	cut := maxDisplayedInput
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

func (s *scanner) exceeded(what string, limit int) bool {
	if s.limit == nil {
		s.limit = tooMany(what, limit)
	}
	return false
}

// miss notes that at pos the token did not fit and what would have.
func (s *scanner) miss(pos int, token, expected string) {
	if s.quiet || pos < s.far.pos {
		return
	}
	if pos > s.far.pos {
		s.far = failure{pos: pos, expected: s.far.expected[:0]}
	}
	if !s.far.hasSoft {
		s.far.soft, s.far.hasSoft = token, true
	}
	s.expect(expected)
}

func (s *scanner) expect(label string) {
	if label == "" {
		return
	}
	for _, e := range s.far.expected {
		if e == label {
			return
		}
	}
	s.far.expected = append(s.far.expected, label)
}

// missHere is miss at the current position with the current character.
func (s *scanner) missHere(expected string) {
	if !s.quiet {
		s.miss(s.pos, s.tokenAt(s.pos), expected)
	}
}

// missEnd notes that the text should have ended, or gone on otherwise, here.
func (s *scanner) missEnd(expected ...string) {
	if s.quiet {
		return
	}
	for _, e := range expected {
		s.missHere(e)
	}
	if s.far.pos == s.pos && s.pos < len(s.src) && s.far.hard == "" {
		r, _ := utf8.DecodeRuneInString(s.src[s.pos:])
		s.far.hard = strconv.QuoteRune(r)
	}
}

func (s *scanner) tokenAt(pos int) string {
	if pos >= len(s.src) {
		return ""
	}
	r, _ := utf8.DecodeRuneInString(s.src[pos:])
	return `"` + string(r) + `"`
}

// relabel runs f and, when it ends without having consumed anything, tells
// label instead of the parts f would have accepted at that place.
func (s *scanner) relabel(label string, f func() bool) bool {
	if s.quiet {
		return f()
	}
	saved, start := s.far, s.pos
	s.far = failure{pos: -1}
	ok := f()
	inner := s.far
	s.far = saved
	if inner.pos < 0 {
		return ok
	}
	if s.pos == start {
		inner.expected = []string{label}
	}
	s.merge(inner)
	return ok
}

func (s *scanner) merge(f failure) {
	if f.pos < s.far.pos || f.pos < 0 {
		return
	}
	if f.pos > s.far.pos {
		s.far = f
		return
	}
	if !s.far.hasSoft {
		s.far.soft, s.far.hasSoft = f.soft, f.hasSoft
	}
	if s.far.hard == "" {
		s.far.hard = f.hard
	}
	for _, e := range f.expected {
		s.expect(e)
	}
}

// attempt runs f; when it fails the position goes back, the misfit stays noted.
func (s *scanner) attempt(f func() bool) bool {
	start := s.pos
	if f() {
		return true
	}
	s.pos = start
	return false
}

// committed runs the last alternative of a choice: once it has consumed
// input, what the earlier alternatives missed no longer matters.
func (s *scanner) committed(f func() bool) bool {
	saved, start := s.far, s.pos
	s.far = failure{pos: -1}
	ok := f()
	inner := s.far
	if s.pos == start {
		s.far = saved
		s.merge(inner)
	}
	return ok
}

func (s *scanner) eof() bool { return s.pos >= len(s.src) }

func (s *scanner) peek() byte {
	if s.pos < len(s.src) {
		return s.src[s.pos]
	}
	return 0
}

func (s *scanner) at(lit string) bool { return strings.HasPrefix(s.src[s.pos:], lit) }

func (s *scanner) blanks() {
	for s.pos < len(s.src) && (s.src[s.pos] == ' ' || s.src[s.pos] == '\t') {
		s.pos++
	}
}

// lit consumes the literal or notes it as expected.
func (s *scanner) lit(lit string) bool {
	if s.at(lit) {
		s.pos += len(lit)
		return true
	}
	if s.quiet {
		return false
	}
	i := 0
	for i < len(lit) && s.pos+i < len(s.src) && s.src[s.pos+i] == lit[i] {
		i++
	}
	s.miss(s.pos, s.tokenAt(s.pos+i), `"`+lit+`"`)
	return false
}

// fold consumes an ASCII literal in any case.
func (s *scanner) fold(lit string) bool {
	if len(s.src)-s.pos >= len(lit) && strings.EqualFold(s.src[s.pos:s.pos+len(lit)], lit) {
		s.pos += len(lit)
		return true
	}
	return false
}

func (s *scanner) delimiter() bool {
	if s.peek() == '.' && !s.eof() {
		s.pos++
		return true
	}
	s.missHere("delimiter (.)")
	return false
}
