package storage

import "bytes"

// members calls member with the name, between its quotes, and the value of
// each member of a JSON object as they are written, and with none of any other
// value. raw must be valid, as a jsonb's text is; the rest of it is left out
// where it is not.
func members(raw []byte, member func(name, value []byte)) {
	s := scanner{raw}
	if s.space(); !s.take('{') {
		return
	}
	for {
		s.space()
		name := s.text()
		if s.space(); len(name) < 2 || !s.take(':') {
			return
		}
		s.space()
		member(name[1:len(name)-1], s.value())
		if !s.take(',') {
			return
		}
	}
}

// scanner is the rest of a JSON text.
type scanner struct{ rest []byte }

func (s *scanner) space() { s.rest = bytes.TrimLeft(s.rest, " \t\r\n") }

func (s *scanner) take(c byte) bool {
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) cut(n int) []byte {
	cut := s.rest[:n]
	s.rest = s.rest[n:]
	return cut
}

// text is the string that begins here, with its quotes; none when none does.
func (s *scanner) text() []byte { return s.cut(textLen(s.rest)) }

func textLen(raw []byte) int {
	if len(raw) == 0 || raw[0] != '"' {
		return 0
	}
	for i := 1; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return 0
}

// value is the value that begins here.
func (s *scanner) value() []byte {
	depth := 0
	for i := 0; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '"':
			i += max(textLen(s.rest[i:]), 1) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return bytes.TrimRight(s.cut(i), " \t\r\n")
			}
		case ',':
			if depth == 0 {
				return bytes.TrimRight(s.cut(i), " \t\r\n")
			}
		}
	}
	return s.cut(len(s.rest))
}
