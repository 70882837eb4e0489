package storage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/suparust/suparust/server/internal/httpx"
)

// maxJSONBody bounds a JSON request body.
const maxJSONBody = 1 << 20

// fields are the values of a JSON body or a query string. Reading one checks
// and converts it in the way of the API's own validation: "60" is an integer,
// 1 is true, and what is not asked for is ignored. The first error wins.
type fields struct {
	at  string // "body" or "querystring", begins each message
	m   map[string]any
	err error
}

// readJSON reads a body that must be a JSON object.
func readJSON(w http.ResponseWriter, r *http.Request) (*fields, error) {
	v, err := readBody(w, r, false)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errValidation("body must be object")
	}
	return &fields{at: "body", m: m}, nil
}

// checkUnusedBody refuses a body that is said to be JSON and is none, where a
// body says nothing.
func (c *call) checkUnusedBody(mayBeEmpty bool) error {
	_, err := readBody(c.w, c.r, mayBeEmpty)
	return err
}

// readBody reads a body that may be JSON: nil is one of another type.
func readBody(w http.ResponseWriter, r *http.Request, mayBeEmpty bool) (any, error) {
	raw, err := httpx.ReadBody(w, r, maxJSONBody)
	if err != nil {
		return nil, err
	}
	header := r.Header.Values("Content-Type")
	if len(header) == 0 {
		return nil, nil
	}
	if !looksLikeType(header[0]) {
		return nil, errContentType()
	}
	switch {
	case !isJSON(header[0]):
		return nil, nil
	case len(raw) == 0 && mayBeEmpty:
		return nil, nil
	case len(raw) == 0:
		return nil, errEmptyJSON()
	case r.ContentLength >= 0 && !utf8.Valid(raw): // what is no text is replaced, and that has another length
		return nil, errBody("Request body size did not match Content-Length")
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\ufeff"))))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil || poisoned(v) {
		return nil, errNotJSON()
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotJSON()
	}
	return v, nil
}

// poisoned reports whether a document names what JavaScript would take for an
// object's prototype: it is refused like one that does not parse.
func poisoned(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, poisoned)
	case map[string]any:
		for name, value := range v {
			inner, _ := value.(map[string]any)
			if _, has := inner["prototype"]; name == "__proto__" || name == "constructor" && has || poisoned(value) {
				return true
			}
		}
	}
	return false
}

// isJSON reports whether a Content-Type header names JSON.
func isJSON(header string) bool {
	kind, _, _ := strings.Cut(header, ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/json")
}

func errEmptyJSON() *Error {
	return errBody("Body cannot be empty when content-type is set to 'application/json'")
}

func errBody(message string) *Error {
	return &Error{Status: 400, Name: "FastifyError", Code: "InvalidRequest", Message: message}
}

func errNotJSON() *Error {
	return errBody("Body is not valid JSON but content-type is set to 'application/json'")
}

// parseQuery reads a query string. Only & separates its values, and what is no
// escape is left as it is.
func parseQuery(raw string) url.Values {
	q := url.Values{}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name = unescape(name)
		q[name] = append(q[name], unescape(value))
	}
	return q
}

func unescape(s string) string {
	s = strings.ReplaceAll(s, "+", " ")
	if text, err := url.PathUnescape(s); err == nil && utf8.ValidString(text) {
		return text
	}
	return s
}

// readQuery takes the query string as fields.
func readQuery(q url.Values) *fields {
	f := &fields{at: "querystring", m: make(map[string]any, len(q))}
	for k, v := range q {
		if len(v) == 1 {
			f.m[k] = v[0]
			continue
		}
		all := make([]any, len(v))
		for i := range v {
			all[i] = v[i]
		}
		f.m[k] = all
	}
	return f
}

func (f *fields) fail(name, message string) {
	if f.err != nil {
		return
	}
	at := f.at
	if name != "" {
		at += "/" + name
	}
	f.err = errValidation(at + " " + message)
}

// require fails for the first of names that is missing.
func (f *fields) require(names ...string) {
	for _, n := range names {
		if _, ok := f.m[n]; !ok {
			f.fail("", fmt.Sprintf("must have required property '%s'", n))
		}
	}
}

func (f *fields) has(name string) bool {
	_, ok := f.m[name]
	return ok
}

// scalar unwraps a list of one, as the API's validation does.
func scalar(v any) any {
	if list, ok := v.([]any); ok && len(list) == 1 {
		return list[0]
	}
	return v
}

// text is a string, "" when it is missing.
func (f *fields) text(name string) string {
	v, ok := f.m[name]
	if !ok {
		return ""
	}
	s, ok := toText(scalar(v))
	if !ok {
		f.fail(name, "must be string")
	}
	return s
}

func toText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	case nil:
		return "", true
	default:
		return "", false
	}
}

// oneOf is a string out of a list, def when it is missing.
func (f *fields) oneOf(name, def string, allowed ...string) string {
	if !f.has(name) {
		return def
	}
	s := f.text(name)
	for _, a := range allowed {
		if s == a {
			return s
		}
	}
	f.fail(name, "must be equal to one of the allowed values")
	return def
}

// integer is a whole number of at least least, def when it is missing.
func (f *fields) integer(name string, def, least int64) int64 {
	v, ok := f.m[name]
	if !ok {
		return def
	}
	n, ok := toInteger(scalar(v))
	switch {
	case !ok:
		f.fail(name, "must be integer")
	case n < least:
		f.fail(name, fmt.Sprintf("must be >= %d", least))
	}
	return n
}

func toInteger(v any) (int64, bool) {
	switch v := v.(type) {
	case json.Number:
		return parseInteger(v.String())
	case string:
		return parseInteger(strings.TrimSpace(v))
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case nil:
		return 0, true
	default:
		return 0, false
	}
}

// parseInteger takes 60, 6e1 and 60.0, and what is larger than an int64 for
// the largest one.
func parseInteger(s string) (int64, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	n, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil, math.IsNaN(n), math.IsInf(n, 0), n != math.Trunc(n):
		return 0, false
	case n >= math.MaxInt64:
		return math.MaxInt64, true
	case n <= math.MinInt64:
		return math.MinInt64, true
	default:
		return int64(n), true
	}
}

// boolean is a bool, def when it is missing.
func (f *fields) boolean(name string, def bool) bool {
	v, ok := f.m[name]
	if !ok {
		return def
	}
	switch v := scalar(v).(type) {
	case bool:
		return v
	case nil:
		return false
	case string:
		if v == "true" || v == "false" {
			return v == "true"
		}
	case json.Number:
		if s := v.String(); s == "0" || s == "1" {
			return s == "1"
		}
	}
	f.fail(name, "must be boolean")
	return def
}

// texts is a list of strings; a single value, null too, is a list of one. The
// list is nil when it is missing.
func (f *fields) texts(name string) []string {
	v, ok := f.m[name]
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		if _, ok := toText(v); !ok {
			f.fail(name, "must be array")
			return nil
		}
		list = []any{v}
	}
	all := make([]string, 0, len(list))
	for i, item := range list {
		s, ok := toText(scalar(item))
		if !ok {
			f.fail(fmt.Sprintf("%s/%d", name, i), "must be string")
		}
		all = append(all, s)
	}
	return all
}

// count bounds the length of a list that was read.
func (f *fields) count(name string, n, least, most int) {
	switch {
	case n < least:
		f.fail(name, fmt.Sprintf("must NOT have fewer than %d items", least))
	case n > most:
		f.fail(name, fmt.Sprintf("must NOT have more than %d items", most))
	}
}

// object is an object within, nil when it is missing. Its error is its
// parent's when done is called.
func (f *fields) object(name string) (inner *fields) {
	v, ok := f.m[name]
	if !ok {
		return nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		f.fail(name, "must be object")
		return nil
	}
	return &fields{at: f.at + "/" + name, m: m}
}

// join takes over the error of an object within.
func (f *fields) join(inner *fields) {
	if inner != nil && f.err == nil {
		f.err = inner.err
	}
}
