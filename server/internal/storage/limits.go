package storage

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// bucketLimits are the fields that say what a bucket takes.
type bucketLimits struct {
	size     *int64
	mime     []string // nil is any
	hasSize  bool
	hasMime  bool
	sizeText string // a size with a unit, not yet read
}

// sizePattern is a file size limit with its unit.
var (
	sizePattern = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)(gb|mb|kb|b)$`)
	sizeUnits   = map[string]float64{"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9}
	typePattern = regexp.MustCompile(`^([a-zA-Z0-9\-+.]+)/([a-zA-Z0-9\-+.]+)(;\s*charset=[a-zA-Z0-9\-]+)?$|\*$`)
)

// bucketLimits reads file_size_limit and allowed_mime_types.
func (f *fields) bucketLimits() (l bucketLimits) {
	if v, ok := f.m["file_size_limit"]; ok {
		l.hasSize = true
		l.size, l.sizeText = f.fileSize(scalar(v))
	}
	if v, ok := f.m["allowed_mime_types"]; ok {
		l.hasMime = true
		if v == nil {
			return l
		}
		l.mime = []string{}
		for _, t := range f.texts("allowed_mime_types") {
			if t != "" {
				l.mime = append(l.mime, t)
			}
		}
	}
	return l
}

func (f *fields) fileSize(v any) (*int64, string) {
	if v == nil || v == "" {
		return nil, ""
	}
	if n, ok := toInteger(v); ok {
		if n >= 0 {
			return &n, ""
		}
		f.failSize("must be >= 0", mustMatchSize)
		return nil, ""
	}
	s, ok := toText(v)
	_, number := v.(json.Number)
	switch {
	case !ok:
		f.failSize("must be integer", mustBeFinite, "must be string")
	case number:
		f.failSize("must be integer", mustMatchSize)
	case !sizePattern.MatchString(strings.ToLower(s)):
		f.failSize("must be integer", mustBeFinite, mustMatchSize)
	default:
		return nil, strings.ToLower(s)
	}
	return nil, ""
}

const (
	mustBeFinite  = `must pass "finite" keyword validation`
	mustMatchSize = `must match pattern "^[0-9]+(?:\.[0-9]+)?(?:[gG][bB]|[mM][bB]|[kK][bB]|[bB])$"`
)

// failSize fails for a size that is neither a number nor has a unit.
func (f *fields) failSize(why ...string) {
	if f.err != nil {
		return
	}
	const at = "body/file_size_limit "
	f.err = errValidation(at + strings.Join(append(why, "must match a schema in anyOf"), ", "+at))
}

// check refuses limits above the server's own and types that are none, and
// reads a size with a unit.
func (l *bucketLimits) check(most int64) error {
	if l.sizeText != "" {
		m := sizePattern.FindStringSubmatch(l.sizeText)
		n, err := strconv.ParseFloat(m[1], 64)
		if err == nil { // three digits are all that counts of it
			n, err = strconv.ParseFloat(strconv.FormatFloat(n, 'g', 3, 64), 64)
		}
		n *= sizeUnits[m[2]]
		switch {
		case err != nil, n > float64(most):
			return errTooLarge("object")
		case n != math.Trunc(n):
			return &Error{Status: 400, Name: "InvalidParameter", Code: "InvalidParameter",
				Message: `invalid input syntax for type bigint: "` + strconv.FormatFloat(n, 'f', -1, 64) + `"`}
		}
		size := int64(n)
		l.size = &size
	}
	if l.size != nil && *l.size > most {
		return errTooLarge("object")
	}
	for _, t := range l.mime {
		if len(t) > 1000 || !typePattern.MatchString(t) || !storable(t) {
			return errMimeType(t)
		}
	}
	return nil
}
