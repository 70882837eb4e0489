package project

import (
	"strings"
	"unicode/utf8"
)

// Kind says what a [Piece] of a SQL file is.
type Kind uint8

const (
	// Statement is one SQL statement, with the comments before it and its semicolon.
	Statement Kind = iota
	// Blank is whitespace and comments without a statement.
	Blank
	// CopyData is what follows COPY … FROM STDIN, up to and with the line `\.`.
	CopyData
	// Skipped is text meant for psql alone: a byte order mark, `\restrict` and `\unrestrict` lines of pg_dump.
	Skipped
)

// Piece is a part of a SQL file. The texts of a file's pieces, one after the other, are the file.
type Piece struct {
	Kind   Kind
	Text   string // as in the file
	Offset int    // byte offset of Text in the file
	Start  int    // byte offset of the first token in the file, Offset when there is none

	words         []string // the first keywords and identifiers, in lower case
	copyFromStdin bool
}

// maxWords is how many leading words of a statement are kept to tell what it is.
const maxWords = 16

const byteOrderMark = "\ufeff"

// Split cuts the text of a SQL file into its statements the way psql does: semicolons inside quotes, dollar quotes,
// comments, parentheses and BEGIN ATOMIC … END do not end a statement. It never fails: text that is not SQL becomes a
// statement for PostgreSQL to refuse.
func Split(src string) []Piece {
	s := splitter{src: src}
	if strings.HasPrefix(src, byteOrderMark) {
		s.pos = len(byteOrderMark)
		s.emit(Skipped)
	}
	for s.pos < len(src) {
		s.step()
	}
	s.finish()
	return s.pieces
}

type splitter struct {
	src    string
	pos    int // next byte to look at
	start  int // where the current piece begins
	pieces []Piece

	token  int // offset of the current statement's first token, when seen
	seen   bool
	parens int
	atomic int // depth of BEGIN ATOMIC and CASE inside a routine's body
	words  []string
	prev   string // the word before, at parenthesis depth 0
	stdin  bool
}

// step consumes one token.
func (s *splitter) step() {
	if n := s.blank(s.pos); n > s.pos {
		s.pos = n
		return
	}
	c := s.src[s.pos]
	if c == '\\' && !s.seen && s.skipPsqlLine() {
		return
	}
	if !s.seen {
		s.seen, s.token = true, s.pos
	}
	switch {
	case c == ';':
		s.pos++
		if s.parens == 0 && s.atomic == 0 {
			s.endStatement()
		}
	case c == '(':
		s.pos++
		s.parens++
	case c == ')':
		s.pos++
		if s.parens > 0 {
			s.parens--
		}
	case c == '\'':
		s.pos = quoted(s.src, s.pos, '\'')
	case c == '"':
		s.pos = quoted(s.src, s.pos, '"')
		s.prev = ""
	case c == '$':
		s.pos = dollarQuoted(s.src, s.pos)
	case isDigit(c):
		for s.pos < len(s.src) && isDigit(s.src[s.pos]) {
			s.pos++
		}
	case isIdentStart(c):
		s.word()
	default:
		s.pos++
	}
}

// word consumes an identifier, a keyword or an E'…' string.
func (s *splitter) word() {
	begin := s.pos
	for s.pos < len(s.src) && isIdentPart(s.src[s.pos]) {
		s.pos++
	}
	if s.pos < len(s.src) && s.src[s.pos] == '\'' && s.pos-begin == 1 && (s.src[begin] == 'e' || s.src[begin] == 'E') {
		s.pos = escapeQuoted(s.src, s.pos)
		return
	}
	if s.parens > 0 && len(s.words) >= maxWords {
		return
	}
	w := lowerASCII(s.src[begin:s.pos])
	if len(s.words) < maxWords {
		s.words = append(s.words, w)
	}
	if s.parens > 0 {
		return
	}
	switch {
	case s.atomic > 0:
		switch w {
		case "case":
			s.atomic++
		case "end":
			s.atomic--
		}
	case w == "begin" && s.isRoutine() && s.nextWordIs("atomic"):
		s.atomic = 1
	}
	if w == "stdin" && s.prev == "from" && s.words[0] == "copy" {
		s.stdin = true
	}
	s.prev = w
}

// isRoutine reports whether the current statement creates a function or procedure.
func (s *splitter) isRoutine() bool {
	if len(s.words) < 2 || s.words[0] != "create" {
		return false
	}
	for _, w := range s.words[1:min(4, len(s.words))] {
		if w == "function" || w == "procedure" {
			return true
		}
	}
	return false
}

func (s *splitter) nextWordIs(want string) bool {
	at := s.blank(s.pos)
	end := at
	for end < len(s.src) && isIdentPart(s.src[end]) {
		end++
	}
	return strings.EqualFold(s.src[at:end], want)
}

// skipPsqlLine consumes a \restrict or \unrestrict line and reports whether there was one.
func (s *splitter) skipPsqlLine() bool {
	rest := s.src[s.pos:]
	if !strings.HasPrefix(rest, `\restrict`) && !strings.HasPrefix(rest, `\unrestrict`) {
		return false
	}
	lineStart := s.start
	if n := strings.LastIndexByte(s.src[s.start:s.pos], '\n'); n >= 0 {
		lineStart += n + 1
	} else if s.start > 0 && s.src[s.start-1] != '\n' && s.src[:s.start] != byteOrderMark {
		return false
	}
	if strings.TrimSpace(s.src[lineStart:s.pos]) != "" {
		return false
	}
	end := len(s.src)
	if n := strings.IndexByte(rest, '\n'); n >= 0 {
		end = s.pos + n + 1
	}
	command, _, _ := strings.Cut(strings.TrimSpace(s.src[s.pos:end]), " ")
	if command != `\restrict` && command != `\unrestrict` {
		return false
	}
	s.pos = lineStart
	s.emit(Blank)
	s.pos = end
	s.emit(Skipped)
	return true
}

// endStatement emits the statement that ends here, and the data when it is a COPY … FROM STDIN.
func (s *splitter) endStatement() {
	kind := Statement
	if s.token == s.pos-1 { // a semicolon alone
		kind = Blank
	}
	stdin := s.stdin
	s.emit(kind)
	if stdin {
		s.pos = copyDataEnd(s.src, s.pos)
		s.emit(CopyData)
	}
}

// finish emits what is left at the end of the file.
func (s *splitter) finish() {
	if s.seen {
		s.emit(Statement)
		return
	}
	s.emit(Blank)
}

// emit ends the current piece at pos.
func (s *splitter) emit(kind Kind) {
	if s.pos > s.start {
		p := Piece{Kind: kind, Text: s.src[s.start:s.pos], Offset: s.start, Start: s.start}
		if kind == Statement {
			p.Start, p.words, p.copyFromStdin = s.token, s.words, s.stdin
		}
		s.pieces = append(s.pieces, p)
	}
	*s = splitter{src: s.src, pos: s.pos, start: s.pos, pieces: s.pieces}
}

// blank returns the offset after one run of whitespace or one comment at i, or i when there is none. Blocks nest.
func (s *splitter) blank(i int) int {
	for i < len(s.src) {
		switch c := s.src[i]; {
		case isSpace(c):
			i++
		case c == '-' && strings.HasPrefix(s.src[i:], "--"):
			i = lineEnd(s.src, i)
		case c == '/' && strings.HasPrefix(s.src[i:], "/*"):
			i = blockEnd(s.src, i)
		default:
			return i
		}
	}
	return i
}

func lineEnd(src string, i int) int {
	if n := strings.IndexAny(src[i:], "\r\n"); n >= 0 {
		return i + n
	}
	return len(src)
}

func blockEnd(src string, i int) int {
	depth := 0
	for i+1 < len(src) {
		switch src[i : i+2] {
		case "/*":
			depth++
			i += 2
		case "*/":
			depth--
			i += 2
			if depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return len(src)
}

// quoted returns the offset after the quoted text at i; a doubled quote stands for one.
func quoted(src string, i int, quote byte) int {
	for {
		n := strings.IndexByte(src[i+1:], quote)
		if n < 0 {
			return len(src)
		}
		i += n + 2
		if i >= len(src) || src[i] != quote {
			return i
		}
	}
}

// escapeQuoted is quoted for E'…' strings: a backslash takes the next character with it, and the string goes on in a
// following quote when only whitespace with a newline stands between.
func escapeQuoted(src string, i int) int {
	i++
	for i < len(src) {
		switch src[i] {
		case '\\':
			i += 2
		case '\'':
			i++
			if i < len(src) && src[i] == '\'' {
				i++
				continue
			}
			next := i
			for next < len(src) && isSpace(src[next]) {
				next++
			}
			if next >= len(src) || src[next] != '\'' || !strings.ContainsAny(src[i:next], "\r\n") {
				return i
			}
			i = next + 1
		default:
			i++
		}
	}
	return len(src)
}

// dollarQuoted returns the offset after the dollar-quoted text at i, or after the dollar when it opens none.
func dollarQuoted(src string, i int) int {
	end := i + 1
	for end < len(src) && isIdentPart(src[end]) && src[end] != '$' {
		end++
	}
	if end >= len(src) || src[end] != '$' || isDigit(src[i+1]) {
		return i + 1
	}
	tag := src[i : end+1]
	if n := strings.Index(src[end+1:], tag); n >= 0 {
		return end + 1 + n + len(tag)
	}
	return len(src)
}

// copyDataEnd returns the offset after the line `\.` that ends the data of the COPY whose semicolon stands before i.
func copyDataEnd(src string, i int) int {
	for i < len(src) {
		n := strings.IndexByte(src[i:], '\n')
		if n < 0 {
			return len(src)
		}
		i += n + 1
		rest := src[i:]
		if !strings.HasPrefix(rest, `\.`) {
			continue
		}
		line, _, more := strings.Cut(rest, "\n")
		if strings.TrimRight(line, "\r") != `\.` {
			continue
		}
		if !more {
			return len(src)
		}
		return i + len(line) + 1
	}
	return len(src)
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'
}

func isSpaceRune(r rune) bool { return r < utf8.RuneSelf && isSpace(byte(r)) }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isIdentStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}

func isIdentPart(c byte) bool { return isIdentStart(c) || isDigit(c) || c == '$' }

func lowerASCII(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}
