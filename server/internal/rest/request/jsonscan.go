package request

import (
	"bytes"
	"encoding/json"
	"slices"
)

const (
	badJSON     = "Empty or invalid json"
	unevenKeys  = "All object keys must match"
	unevenLines = "All lines must have same number of fields"
)

// jsonShape is what a statement needs to know of a JSON body.
type jsonShape struct {
	array  bool
	object bool
	// keys are the members of the object, or of the first object of the array, sorted.
	keys []string
	// uneven is set when the items of an array are no objects with one common set of members.
	uneven bool
	// elements is the number of items of an array.
	elements int
}

// scanJSON checks that body is one JSON value and finds the members of its
// top level objects. It does not recurse.
func scanJSON(body []byte) (jsonShape, bool) {
	s := jsonScanner{b: body}
	s.space()
	if s.i >= len(body) {
		return jsonShape{}, false
	}
	var shape jsonShape
	switch body[s.i] {
	case '{':
		shape.object = true
		if !s.object(&shape, true) {
			return shape, false
		}
	case '[':
		shape.array = true
		if !s.array(&shape) {
			return shape, false
		}
	default:
		if !s.value() {
			return shape, false
		}
	}
	s.space()
	if s.i != len(body) {
		return shape, false
	}
	slices.Sort(shape.keys)
	shape.keys = slices.Compact(shape.keys)
	return shape, true
}

type jsonScanner struct {
	b     []byte
	i     int
	stack []byte // open brackets of a skipped value
	raw   [][]byte
}

func (s *jsonScanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

func (s *jsonScanner) array(shape *jsonShape) bool {
	s.i++
	s.space()
	if s.i < len(s.b) && s.b[s.i] == ']' {
		s.i++
		return true
	}
	for {
		s.space()
		if s.i >= len(s.b) {
			return false
		}
		if s.b[s.i] == '{' {
			if !s.object(shape, shape.elements == 0) {
				return false
			}
		} else {
			shape.uneven = true
			if !s.value() {
				return false
			}
		}
		shape.elements++
		s.space()
		if s.i >= len(s.b) {
			return false
		}
		switch s.b[s.i] {
		case ',':
			s.i++
		case ']':
			s.i++
			return true
		default:
			return false
		}
	}
}

// object reads a top level object. The first one sets the keys, the others
// are compared with them.
func (s *jsonScanner) object(shape *jsonShape, first bool) bool {
	s.i++
	s.space()
	var keys []string
	n, same := 0, true
	if s.i < len(s.b) && s.b[s.i] == '}' {
		s.i++
	} else {
		for {
			s.space()
			raw, ok := s.str()
			if !ok {
				return false
			}
			switch {
			case first:
				key, ok := decodeKey(raw)
				if !ok {
					return false
				}
				shape.keys = append(shape.keys, key)
				s.raw = append(s.raw, raw)
			case same && n < len(s.raw) && bytes.Equal(raw, s.raw[n]):
				n++
			default:
				if same {
					same = false
					keys = append(keys, shape.keys[:n]...)
				}
				key, ok := decodeKey(raw)
				if !ok {
					return false
				}
				keys = append(keys, key)
			}
			s.space()
			if s.i >= len(s.b) || s.b[s.i] != ':' {
				return false
			}
			s.i++
			s.space()
			if !s.value() {
				return false
			}
			s.space()
			if s.i >= len(s.b) {
				return false
			}
			if s.b[s.i] == ',' {
				s.i++
				continue
			}
			if s.b[s.i] != '}' {
				return false
			}
			s.i++
			break
		}
	}
	if first {
		return true
	}
	if same && n == len(shape.keys) {
		return true
	}
	if same {
		keys = append(keys, shape.keys[:n]...)
	}
	if !sameSet(keys, shape.keys) {
		shape.uneven = true
	}
	return true
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

func decodeKey(raw []byte) (string, bool) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	var key string
	err := json.Unmarshal(raw, &key)
	return key, err == nil
}

// str reads a string with its quotes.
func (s *jsonScanner) str() ([]byte, bool) {
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		return nil, false
	}
	start := s.i
	s.i++
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return s.b[start:s.i], true
		case c == '\\':
			if s.i+1 >= len(s.b) {
				return nil, false
			}
			switch s.b[s.i+1] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				s.i += 2
			case 'u':
				if s.i+5 >= len(s.b) {
					return nil, false
				}
				for _, h := range s.b[s.i+2 : s.i+6] {
					if !isHex(h) {
						return nil, false
					}
				}
				s.i += 6
			default:
				return nil, false
			}
		case c < ' ':
			return nil, false
		default:
			s.i++
		}
	}
	return nil, false
}

// value skips one value, checking its form, with a stack of its own.
func (s *jsonScanner) value() bool {
	s.stack = s.stack[:0]
	for {
		s.space()
		if s.i >= len(s.b) {
			return false
		}
		switch c := s.b[s.i]; {
		case c == '{' || c == '[':
			if len(s.stack) == MaxBodyDepth {
				return false
			}
			closing := c + 2 // ']' and '}' stand two after their partners
			s.i++
			s.space()
			if s.i < len(s.b) && s.b[s.i] == closing {
				s.i++
				break
			}
			s.stack = append(s.stack, closing)
			if c == '{' && !s.memberName() {
				return false
			}
			continue
		case c == '"':
			if _, ok := s.str(); !ok {
				return false
			}
		default:
			if !s.scalar() {
				return false
			}
		}
		// a value ended: close what ends with it, or go on to the next
		for {
			if len(s.stack) == 0 {
				return true
			}
			s.space()
			if s.i >= len(s.b) {
				return false
			}
			top := s.stack[len(s.stack)-1]
			if s.b[s.i] == top {
				s.i++
				s.stack = s.stack[:len(s.stack)-1]
				continue
			}
			if s.b[s.i] != ',' {
				return false
			}
			s.i++
			if top == '}' {
				s.space()
				if !s.memberName() {
					return false
				}
			}
			break
		}
	}
}

func (s *jsonScanner) memberName() bool {
	if _, ok := s.str(); !ok {
		return false
	}
	s.space()
	if s.i >= len(s.b) || s.b[s.i] != ':' {
		return false
	}
	s.i++
	return true
}

func (s *jsonScanner) scalar() bool {
	for _, word := range [...]string{"true", "false", "null"} {
		if bytes.HasPrefix(s.b[s.i:], []byte(word)) {
			s.i += len(word)
			return true
		}
	}
	return s.number()
}

func (s *jsonScanner) number() bool {
	if s.i < len(s.b) && s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if !s.digits() {
		return false
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if !s.digits() {
			return false
		}
	}
	if s.i < len(s.b) && (s.b[s.i] == 'e' || s.b[s.i] == 'E') {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		return s.digits()
	}
	return true
}

func (s *jsonScanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}
