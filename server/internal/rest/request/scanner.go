package request

import (
	"strconv"
	"strings"
	"unicode"
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

func isIdentRune(r rune) bool {
	switch r {
	case '_', ' ', '$':
		return true
	}
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r))
}

// ident reads identifier characters; blanks around them are dropped.
func (s *scanner) ident() (string, bool) {
	start := s.pos
	for s.pos < len(s.src) {
		r, size := utf8.DecodeRuneInString(s.src[s.pos:])
		if !isIdentRune(r) {
			break
		}
		s.pos += size
	}
	s.missHere("letter")
	s.missHere("digit")
	if s.pos == start {
		return "", false
	}
	return strings.Trim(s.src[start:s.pos], " "), true
}

// dashed reads parts joined by dashes; a dash before > starts a JSON arrow.
func (s *scanner) dashed(part func() (string, bool)) (string, bool) {
	first, ok := part()
	if !ok {
		return "", false
	}
	var parts []string
	for {
		if s.peek() != '-' || s.eof() || strings.HasPrefix(s.src[s.pos:], "->") {
			s.missHere(`"-"`)
			break
		}
		s.pos++
		next, ok := part()
		if !ok {
			return "", false
		}
		if parts == nil {
			parts = []string{first}
		}
		parts = append(parts, next)
	}
	if parts == nil {
		return first, true
	}
	return strings.Join(parts, "-"), true
}

// quoted reads a text in double quotes where a backslash keeps the next character.
func (s *scanner) quoted() (string, bool) {
	if s.peek() != '"' {
		s.missHere(`"\""`)
		return "", false
	}
	s.pos++
	start := s.pos
	if end := strings.IndexAny(s.src[start:], `"\`); end >= 0 && s.src[start+end] == '"' {
		s.pos = start + end + 1
		return s.src[start : start+end], true
	}
	var b strings.Builder
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; c {
		case '"':
			s.pos++
			return b.String(), true
		case '\\':
			s.pos++
			if s.pos >= len(s.src) {
				s.missHere("")
				return "", false
			}
			_, size := utf8.DecodeRuneInString(s.src[s.pos:])
			b.WriteString(s.src[s.pos : s.pos+size])
			s.pos += size
		default:
			b.WriteByte(c)
			s.pos++
		}
	}
	s.missHere(`"\\"`)
	s.missHere(`"\""`)
	return "", false
}

const fieldNameLabel = "field name (* or [a..z0..9_$])"

// name reads a quoted or plain name.
func (s *scanner) name() (string, bool) {
	if s.peek() == '"' {
		return s.quoted()
	}
	var out string
	ok := s.relabel(fieldNameLabel, func() (ok bool) {
		out, ok = s.dashed(s.ident)
		return ok
	})
	return out, ok
}

// names reads a comma separated list of names.
func (s *scanner) names() ([]string, bool) {
	var out []string
	for {
		n, ok := s.name()
		if !ok {
			return nil, false
		}
		if out = append(out, n); len(out) > MaxSelectItems {
			return nil, s.exceeded("columns", MaxSelectItems)
		}
		start := s.pos
		s.blanks()
		if s.peek() != ',' || s.eof() {
			s.pos = start
			return out, true
		}
		s.pos++
		s.blanks()
	}
}

// field reads a name with an optional JSON path, blanks around it allowed.
func (s *scanner) field() (Field, bool) {
	s.blanks()
	n, ok := s.name()
	if !ok {
		return Field{}, false
	}
	f := Field{Name: n}
	if f.Path, ok = s.jsonPath(); !ok {
		return Field{}, false
	}
	s.blanks()
	return f, true
}

func (s *scanner) jsonPath() ([]JSONStep, bool) {
	var path []JSONStep
	for {
		var step JSONStep
		switch {
		case s.at("->>"):
			s.pos += 3
			step.Text = true
		case s.at("->"):
			s.pos += 2
		default:
			s.missHere(`"->>"`)
			s.missHere(`"->"`)
			return path, true
		}
		if len(path) == MaxJSONPath {
			return nil, s.exceeded("steps in a JSON path", MaxJSONPath)
		}
		if !s.jsonOperand(&step) {
			return nil, false
		}
		path = append(path, step)
	}
}

func (s *scanner) jsonOperand(step *JSONStep) bool {
	if s.attempt(func() bool { return s.jsonIndex(step) }) {
		return true
	}
	if s.peek() == '"' {
		var ok bool
		step.Key, ok = s.quoted()
		return ok
	}
	return s.relabel("any non reserved character different from: .,>()", func() (ok bool) {
		step.Key, ok = s.dashed(s.jsonKey)
		return ok
	})
}

// jsonIndex reads digits that are followed by something that may follow an
// index; otherwise they begin a key.
func (s *scanner) jsonIndex(step *JSONStep) bool {
	start := s.pos
	if s.peek() == '-' {
		s.pos++
	} else {
		s.missHere(`"-"`)
	}
	digits := s.pos
	for s.pos < len(s.src) && s.src[s.pos] >= '0' && s.src[s.pos] <= '9' {
		s.pos++
	}
	s.missHere("digit")
	if s.pos == digits || s.pos-digits > 9 {
		return false
	}
	if !s.eof() && !s.at("->") && !s.at("::") && !strings.ContainsRune(".,) ", rune(s.peek())) {
		s.missEnd(`"->"`, `"::"`, `"."`, `","`, "end of input")
		return false
	}
	step.Key, step.Index = s.src[start:s.pos], true
	return true
}

func (s *scanner) jsonKey() (string, bool) {
	start := s.pos
	if end := strings.IndexAny(s.src[start:], "(-:.,>)"); end >= 0 {
		s.pos = start + end
	} else {
		s.pos = len(s.src)
	}
	if s.pos == start {
		s.missHere("")
		return "", false
	}
	return strings.TrimSpace(s.src[start:s.pos]), true
}
