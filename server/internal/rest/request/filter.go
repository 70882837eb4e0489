package request

import (
	"strings"
	"unicode/utf8"
)

// parseTreePath parses "embed.embed.column->path".
func parseTreePath(key string) (path []string, field Field, err *Error) {
	err = scan("tree path", key, key, func(s *scanner) bool {
		names, ok := s.dotted()
		if !ok {
			return false
		}
		path, field.Name = names[:len(names)-1], names[len(names)-1]
		field.Path, ok = s.jsonPath()
		return ok
	})
	return path, field, err
}

func (s *scanner) dotted() ([]string, bool) {
	var names []string
	for {
		n, ok := s.name()
		if !ok {
			return nil, false
		}
		if names = append(names, n); len(names) > MaxEmbedDepth+2 {
			return nil, s.exceeded("levels in an embed path", MaxEmbedDepth)
		}
		if s.peek() != '.' || s.eof() {
			s.missHere("delimiter (.)")
			return names, true
		}
		s.pos++
	}
}

// parseFilter parses "column=op.value". With allowValue a value that is no
// operator expression is not an error: ok is false then.
func parseFilter(key, value string, allowValue bool) (at At[*Filter], ok bool, err *Error) {
	path, field, err := parseTreePath(key)
	if err != nil {
		return at, false, err
	}
	f := &Filter{Field: field}
	meant := false // a value that failed after "in.", "is." or "not." was meant as a filter
	err = scan("filter", value, value, func(s *scanner) bool {
		f.Expr = OpExpr{}
		ok := s.opExpr(&f.Expr, s.rawValue)
		meant = s.pos > 0 || s.limit != nil
		return ok
	})
	at = At[*Filter]{Path: path, Item: f}
	switch {
	case err == nil:
		return at, true, nil
	case allowValue && !meant:
		return at, false, nil
	default:
		return at, false, err
	}
}

var simpleOperators = [...]struct {
	word string
	op   Operator
}{
	{"neq", OpNeq}, {"cs", OpContains}, {"cd", OpContained}, {"ov", OpOverlaps}, {"sl", OpStrictlyLeft},
	{"sr", OpStrictlyRight}, {"nxr", OpNotExtendsRight}, {"nxl", OpNotExtendsLeft}, {"adj", OpAdjacent},
}

var quantOperators = [...]struct {
	word string
	op   Operator
}{
	{"eq", OpEq}, {"gte", OpGte}, {"gt", OpGt}, {"lte", OpLte}, {"lt", OpLt}, {"like", OpLike},
	{"ilike", OpILike}, {"match", OpMatch}, {"imatch", OpIMatch},
}

var ftsOperators = [...]struct {
	word string
	op   Operator
}{
	{"fts", OpFts}, {"plfts", OpFtsPlain}, {"phfts", OpFtsPhrase}, {"wfts", OpFtsWeb},
}

// opExpr reads "[not.]op.value"; value reads the operand.
func (s *scanner) opExpr(e *OpExpr, value func(*string) bool) bool {
	if s.attempt(func() bool { return s.lit("not") && s.delimiter() }) {
		e.Not = true
	}
	switch {
	case s.at("in."):
		s.pos += len("in.")
		e.Op = OpIn
		return s.list(&e.List)
	case s.at("is."):
		s.pos += len("is.")
		e.Op = OpIs
		return s.isValue(&e.Is)
	case s.at("isdistinct."):
		s.pos += len("isdistinct.")
		e.Op = OpIsDistinct
		return value(&e.Value)
	}
	saved, start := s.far, s.pos
	s.far = failure{pos: -1}
	ok := s.attempt(func() bool { return s.operator(e) })
	inner := s.far
	s.far = saved
	if !ok {
		inner.expected = []string{"operator (eq, gt, ...)"}
		if inner.pos < start {
			inner.pos, inner.soft, inner.hasSoft = start, s.tokenAt(start), true
		}
		s.merge(inner)
		return false
	}
	return value(&e.Value)
}

// operator reads an operator with its modifier and the delimiter after it.
func (s *scanner) operator(e *OpExpr) bool {
	for _, o := range ftsOperators {
		if s.at(o.word) && s.wordEnds(len(o.word)) {
			s.pos += len(o.word)
			e.Op = o.op
			if s.peek() == '(' && !s.eof() {
				s.pos++
				var ok bool
				if e.Config, ok = s.ident(); !ok || !s.lit(")") {
					return false
				}
				e.HasConfig = true
			}
			return s.delimiter()
		}
	}
	for _, o := range simpleOperators {
		if s.at(o.word) && s.wordEnds(len(o.word)) {
			s.pos += len(o.word)
			e.Op = o.op
			return s.delimiter()
		}
	}
	for _, o := range quantOperators {
		if s.at(o.word) && s.wordEnds(len(o.word)) {
			s.pos += len(o.word)
			e.Op = o.op
			if s.peek() == '(' && !s.eof() {
				s.pos++
				switch {
				case s.at("any)"):
					e.Quant = Any
				case s.at("all)"):
					e.Quant = All
				default:
					s.missHere("")
					return false
				}
				s.pos += len("any)")
			}
			return s.delimiter()
		}
	}
	// the first character that fits none of the words
	s.miss(s.pos, s.tokenAt(s.pos), "")
	return false
}

// wordEnds is true when the word at the position ends after n bytes, so that
// "lte" is not read as "lt".
func (s *scanner) wordEnds(n int) bool {
	if s.pos+n >= len(s.src) {
		return true
	}
	c := s.src[s.pos+n]
	return c < 'a' || c > 'z'
}

var isWords = [...]struct {
	word string
	val  IsValue
}{
	{"null", IsNull}, {"not_null", IsNotNull}, {"true", IsTrue}, {"false", IsFalse}, {"unknown", IsUnknown},
}

func (s *scanner) isValue(out *IsValue) bool {
	for _, w := range isWords {
		if s.fold(w.word) {
			*out = w.val
			return true
		}
	}
	s.missHere("isVal: (null, not_null, true, false, unknown)")
	return false
}

// rawValue takes everything that follows, verbatim.
func (s *scanner) rawValue(out *string) bool {
	*out = s.src[s.pos:]
	s.pos = len(s.src)
	return true
}

// list reads the parenthesised list of in.
func (s *scanner) list(out *[]string) bool {
	s.blanks()
	if !s.lit("(") {
		return false
	}
	s.blanks()
	elems := []string{}
	for {
		elem, ok := s.element()
		if !ok {
			return false
		}
		if elems = append(elems, elem); len(elems) > MaxListElements {
			return s.exceeded("elements in a list", MaxListElements)
		}
		if s.peek() == ',' && !s.eof() {
			s.pos++
			continue
		}
		s.blanks()
		if !s.eof() && s.peek() == ')' {
			s.pos++
			s.blanks()
			if len(elems) == 1 && elems[0] == "" {
				elems = elems[:0]
			}
			*out = elems
			return true
		}
		s.missHere(`","`)
		s.missHere(`")"`)
		return false
	}
}

// element reads a quoted element that is directly followed by a separator, or
// everything up to one.
func (s *scanner) element() (string, bool) {
	if s.peek() == '"' && !s.eof() {
		start, far := s.pos, s.far
		if v, ok := s.quoted(); ok && (s.eof() || s.peek() == ',' || s.peek() == ')') {
			return v, true
		}
		s.pos, s.far = start, far
	}
	return s.until(",)"), true
}

func (s *scanner) until(stop string) string {
	start := s.pos
	if end := strings.IndexAny(s.src[start:], stop); end >= 0 {
		s.pos = start + end
	} else {
		s.pos = len(s.src)
	}
	return s.src[start:s.pos]
}

func parseNames(what, text string) (names []string, err *Error) {
	err = scan(what, text, text, func(s *scanner) (ok bool) {
		names, ok = s.names()
		return ok
	})
	return names, err
}

// validText is false for text that is no UTF-8.
func validText(text string) bool { return utf8.ValidString(text) }
