package request

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

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
