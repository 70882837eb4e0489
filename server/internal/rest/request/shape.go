package request

import (
	"fmt"
	"net/http"
	"strings"
)

// Shape is what a request has in common with those that differ from it in
// nothing but the values they compare with: the text of everything else, and
// the values in their order. Two requests of one key are planned alike.
type Shape struct {
	// Key is all the text that the request is parsed from but the values.
	Key []byte
	// Slots are the values.
	Slots []Slot
}

// SlotKind is how the text of a value becomes the parameter of a statement.
type SlotKind uint8

// The kinds of slots.
const (
	SlotText    SlotKind = iota // as it is
	SlotPattern                 // * stands for %
	SlotList                    // the list of in, which becomes an array
)

// Slot is a value of a query string.
type Slot struct {
	Kind SlotKind
	Text string
}

// MaxShapeBytes is the longest key of a shape; what is longer comes hardly twice.
const MaxShapeBytes = 4 << 10

// slotOperators are the operators whose operand is nothing but a parameter.
var slotOperators = [...]struct {
	prefix string
	kind   SlotKind
}{
	{"eq.", SlotText}, {"in.", SlotList}, {"neq.", SlotText}, {"gte.", SlotText}, {"gt.", SlotText}, {"lte.", SlotText},
	{"lt.", SlotText}, {"like.", SlotPattern}, {"ilike.", SlotPattern},
}

// shapeHeaders are the headers that a request is parsed from.
var shapeHeaders = [...]string{"Accept", "Prefer", "Accept-Profile", "Content-Profile", "Range", "Content-Type"}

// ShapeOf takes a request apart, into the memory of s. It reports whether the
// request has a shape: one that is odd in any way has none and is parsed as a
// whole.
func (s *Shape) ShapeOf(method, escapedPath, rawQuery string, h http.Header) bool {
	s.Key, s.Slots = s.Key[:0], s.Slots[:0]
	if len(escapedPath) > MaxShapeBytes || len(rawQuery) > MaxTargetBytes/2 || control(escapedPath) || control(rawQuery) {
		return false
	}
	s.add(method)
	s.add(escapedPath)
	call := functionRead(method, escapedPath)
	params := 0
	for raw := rawQuery; raw != ""; {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		if params++; params > MaxParameters || len(s.Key)+len(part) > MaxTargetBytes || !s.parameter(part, call) {
			return false
		}
	}
	for i, name := range shapeHeaders {
		for _, v := range h[name] {
			if control(v) {
				return false
			}
			s.Key = append(s.Key, 2, byte(i))
			s.Key = append(s.Key, v...)
		}
	}
	return len(s.Key) <= MaxShapeBytes
}

// ShapeHeaders are the headers of h that a request is parsed from.
func ShapeHeaders(h http.Header) http.Header {
	out := make(http.Header, len(shapeHeaders))
	for _, name := range shapeHeaders {
		if v, ok := h[name]; ok {
			out[name] = v
		}
	}
	return out
}

func functionRead(method, escapedPath string) bool {
	return (method == http.MethodGet || method == http.MethodHead) && strings.HasPrefix(escapedPath, "/rpc/")
}

func control(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' {
			return true
		}
	}
	return false
}

func (s *Shape) add(text string) {
	s.Key = append(s.Key, text...)
	s.Key = append(s.Key, 0)
}

// parameter takes one parameter apart.
func (s *Shape) parameter(part string, call bool) bool {
	key, value, ok := strings.Cut(part, "=")
	if !ok || !comparesKey(key) {
		s.add(part)
		return true
	}
	prefix := 0
	if strings.HasPrefix(value, "not.") {
		prefix = len("not.")
	}
	for _, o := range slotOperators {
		if strings.HasPrefix(value[prefix:], o.prefix) {
			prefix += len(o.prefix)
			s.add(part[:len(key)+1+prefix])
			return s.slot(o.kind, value[prefix:])
		}
	}
	if text := decodeComponent(value); call && !strings.ContainsRune(text, '.') {
		s.Key = append(append(s.Key, key...), '=', 1, 0) // an argument: without a delimiter it is no comparison
		return s.slot(SlotText, value)
	}
	s.add(part)
	return true
}

func (s *Shape) slot(kind SlotKind, raw string) bool {
	text := decodeComponent(raw)
	if !validText(text) {
		return false
	}
	s.Slots = append(s.Slots, Slot{Kind: kind, Text: text})
	return true
}

// comparesKey is true for a key whose value is compared with, if it is an
// operator expression.
func comparesKey(key string) bool {
	if key == "" || strings.ContainsAny(key, "%+") {
		return false
	}
	switch key {
	case "select", "columns", "on_conflict":
		return false
	}
	switch key[strings.LastIndexByte(key, '.')+1:] {
	case "order", "and", "or", "limit", "offset":
		return false
	}
	return true
}

// List reads the elements of the list of in; ok is false for what is none.
func (s Slot) List() (elements []string, ok bool) {
	err := scan("filter", s.Text, s.Text, func(sc *scanner) bool { return sc.list(&elements) && sc.eof() })
	return elements, err == nil
}

// Canonical is the canonical query string of a shape: constant text and the
// places of the values.
type Canonical struct {
	texts []string // one more than places
	slots []int
}

// placeholderMark begins every placeholder.
const placeholderMark = "zQslot"

// placeholder stands for the value of a slot. It is made of characters that
// are encoded as they are and that none of the grammars knows.
func placeholder(i int) string { return fmt.Sprintf(placeholderMark+"%03dQz", i) }

// maxSlots bounds the values of a shape.
const maxSlots = 64

// Sample is a value for the slot that is unlike any other.
func (s Slot) Sample(i int) string {
	if s.Kind == SlotList {
		return "(" + placeholder(i) + ")"
	}
	return placeholder(i)
}

// SampleQuery is rawQuery with the sample of every slot in the place of its
// value. It fails for more slots than a shape can have, and for a query that
// holds a sample itself.
func (s *Shape) SampleQuery(method, escapedPath, rawQuery string) (string, bool) {
	if len(s.Slots) > maxSlots || strings.Contains(rawQuery, placeholderMark) {
		return "", false
	}
	call := functionRead(method, escapedPath)
	var b strings.Builder
	n := 0
	for raw := rawQuery; raw != ""; {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		var one Shape
		one.parameter(part, call)
		if len(one.Slots) == 0 {
			b.WriteString(part)
		} else {
			constant := strings.TrimRight(string(one.Key), "\x00\x01")
			b.WriteString(constant)
			b.WriteString(s.Slots[n].Sample(n))
			n++
		}
		if raw != "" {
			b.WriteByte('&')
		}
	}
	return b.String(), n == len(s.Slots)
}

// CanonicalOf finds the places of the samples in the canonical query string of
// a sample query.
func (s *Shape) CanonicalOf(sampled string) (c Canonical, ok bool) {
	rest := sampled
	for range s.Slots {
		at, which := -1, -1
		for i, slot := range s.Slots {
			if j := strings.Index(rest, EncodeComponent(slot.Sample(i))); j >= 0 && (at < 0 || j < at) {
				at, which = j, i
			}
		}
		if at < 0 {
			return c, false
		}
		c.texts = append(c.texts, rest[:at])
		c.slots = append(c.slots, which)
		rest = rest[at+len(EncodeComponent(s.Slots[which].Sample(which))):]
	}
	c.texts = append(c.texts, rest)
	return c, !strings.Contains(rest, placeholderMark)
}

// With is the canonical query string for these values.
func (c Canonical) With(slots []Slot) string {
	if len(c.slots) == 0 {
		return strings.Join(c.texts, "")
	}
	n := 0
	for _, t := range c.texts {
		n += len(t)
	}
	for _, i := range c.slots {
		n += 3 * len(slots[i].Text)
	}
	var b strings.Builder
	b.Grow(n)
	for k, i := range c.slots {
		b.WriteString(c.texts[k])
		writeComponent(&b, slots[i].Text)
	}
	b.WriteString(c.texts[len(c.slots)])
	return b.String()
}
