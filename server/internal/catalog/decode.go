package catalog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

func oid(b []byte) uint32 {
	n, _ := strconv.ParseUint(string(b), 10, 32) // the server sends digits, or nothing for null
	return uint32(n)
}

// oidVector reads "1 2 3".
func oidVector(b []byte) []uint32 {
	var out []uint32
	for f := range strings.FieldsSeq(string(b)) {
		out = append(out, oid([]byte(f)))
	}
	return out
}

// int16Array reads "{1,2,3}".
func int16Array(b []byte) ([]int16, error) {
	elems := textArray(b)
	out := make([]int16, len(elems))
	for i, e := range elems {
		n, err := strconv.ParseInt(e, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("column number %q: %w", e, err)
		}
		out[i] = int16(n)
	}
	return out, nil
}

func sorted(a []int16) []int16 {
	a = slices.Clone(a)
	slices.Sort(a)
	return a
}

// textArray reads a one-dimensional array literal as PostgreSQL prints it.
func textArray(b []byte) []string {
	text := string(b)
	if len(text) < 2 || text[0] != '{' {
		return nil
	}
	text = text[1 : len(text)-1]
	if text == "" {
		return nil
	}
	var out []string
	var elem strings.Builder
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			elem.WriteByte(text[i])
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			out = append(out, elem.String())
			elem.Reset()
		default:
			elem.WriteByte(c)
		}
	}
	return append(out, elem.String())
}

// ArrayLiteral is a one-dimensional text array in PostgreSQL's input syntax.
// Every element is quoted, so that none is taken for NULL or a nested array.
func ArrayLiteral(elems []string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, e := range elems {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		for j := range len(e) {
			if e[j] == '"' || e[j] == '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte(e[j])
		}
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}
