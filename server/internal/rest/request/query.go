package request

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// parameter is one decoded key and value of a query string.
type parameter struct{ key, value string }

// splitQuery decodes a query string, keeping the order of its parameters. A
// parameter without "=" is left out. Only & separates: a semicolon is data.
func splitQuery(raw string) ([]parameter, *Error) {
	if raw == "" {
		return nil, nil
	}
	params := make([]parameter, 0, strings.Count(raw, "&")+1)
	for raw != "" {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			continue
		}
		if len(params) == MaxParameters {
			return nil, tooMany("query string parameters", MaxParameters)
		}
		p := parameter{key: decodeComponent(key), value: decodeComponent(value)}
		if !validText(p.key) || !validText(p.value) {
			return nil, parseError("query string", clip(strings.ToValidUTF8(p.key, "�")), 1, 1, "unexpected bytes that are no UTF-8")
		}
		params = append(params, p)
	}
	return params, nil
}

// decodeComponent turns + into a blank and decodes percent escapes; what is
// no escape stays as it is.
func decodeComponent(s string) string {
	if !strings.ContainsAny(s, "+%") {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			b.WriteByte(' ')
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	default:
		return c - 'A' + 10
	}
}

// EncodeComponent percent-encodes everything but unreserved characters.
func EncodeComponent(s string) string {
	var b strings.Builder
	writeComponent(&b, s)
	return b.String()
}

func writeComponent(b *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
}

// canonical is the query string sorted by key and encoded again.
func canonical(params []parameter) string {
	sorted := slices.Clone(params)
	slices.SortStableFunc(sorted, func(a, b parameter) int { return strings.Compare(a.key, b.key) })
	var b strings.Builder
	for i, p := range sorted {
		if i > 0 {
			b.WriteByte('&')
		}
		writeComponent(&b, p.key)
		b.WriteByte('=')
		writeComponent(&b, p.value)
	}
	return b.String()
}

// ParseQuery parses a query string. functionRead tells that parameters which
// are no filters are function arguments.
func ParseQuery(raw string, functionRead bool) (*Query, *Error) {
	params, err := splitQuery(raw)
	if err != nil {
		return nil, err
	}
	q := &Query{Canonical: canonical(params)}
	var plain, orders, logics []parameter
	var sel, columns, onConflict *parameter
	for i, p := range params {
		last := p.key[strings.LastIndexByte(p.key, '.')+1:]
		switch {
		case last == "order":
			orders = append(orders, p)
		case last == "and" || last == "or":
			logics = append(logics, p)
		case last == "limit" || last == "offset":
			if err := q.addRange(p, last); err != nil {
				return nil, err
			}
		case p.key == "select":
			first(&sel, &params[i])
		case p.key == "columns":
			first(&columns, &params[i])
		case p.key == "on_conflict":
			first(&onConflict, &params[i])
		default:
			plain = append(plain, p)
		}
	}
	for _, p := range orders {
		at, err := parseOrder(p.key, p.value)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(q.Order, func(o At[[]OrderTerm]) bool { return slices.Equal(o.Path, at.Path) }) {
			q.Order = append(q.Order, at)
		}
	}
	leaves := 0
	for _, p := range logics {
		at, err := parseLogic(p.key, p.value)
		if err != nil {
			return nil, err
		}
		if leaves += countLeaves(at.Item); leaves > MaxLogicLeaves {
			return nil, tooMany("conditions in logic trees", MaxLogicLeaves)
		}
		q.Logic = append(q.Logic, at)
	}
	if columns != nil {
		q.HasColumns = true
		if q.Columns, err = parseNames("columns parameter", columns.value); err != nil {
			return nil, err
		}
	}
	q.Select = allColumns
	if sel != nil {
		q.HasSelect = true
		if q.Select, err = parseSelect(sel.value); err != nil {
			return nil, err
		}
		if len(q.Select) == 0 {
			q.Select = allColumns
		}
	}
	for _, p := range plain {
		at, isFilter, err := parseFilter(p.key, p.value, functionRead)
		switch {
		case err != nil:
			return nil, err
		case isFilter:
			q.Filters = append(q.Filters, at)
		default:
			q.Arguments = append(q.Arguments, Argument{Name: at.Item.Field.Name, Value: p.value})
		}
	}
	if onConflict != nil {
		q.HasOnConflict = true
		if q.OnConflict, err = parseNames("on_conflict parameter", onConflict.value); err != nil {
			return nil, err
		}
	}
	return q, nil
}

var allColumns = []SelectItem{&SelectField{Star: true}}

func first(slot **parameter, p *parameter) {
	if *slot == nil {
		*slot = p
	}
}

func countLeaves(l Logic) int {
	g, ok := l.(*LogicGroup)
	if !ok {
		return 1
	}
	n := 0
	for _, item := range g.Items {
		n += countLeaves(item)
	}
	return n
}

// addRange merges a limit or offset parameter into the range of its path; the
// last one of a kind wins, one that is no integer is ignored.
func (q *Query) addRange(p parameter, kind string) *Error {
	n, ok := integer(p.value)
	if !ok {
		return nil
	}
	path, _, err := parseTreePath(p.key)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(q.Ranges, func(r At[Range]) bool { return slices.Equal(r.Path, path) })
	if i < 0 {
		i = len(q.Ranges)
		q.Ranges = append(q.Ranges, At[Range]{Path: path})
	}
	if kind == "offset" {
		q.Ranges[i].Item.Offset = max(n, 0)
	} else {
		q.Ranges[i].Item.Limit, q.Ranges[i].Item.HasLimit = n, true
	}
	return nil
}

// integer reads a whole number; one that is too large becomes the largest.
func integer(text string) (int64, bool) {
	text = strings.TrimSpace(text)
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil {
		return n, text[0] != '+'
	}
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	if len(digits) < len(text) {
		return math.MinInt64, true
	}
	return math.MaxInt64, true
}
