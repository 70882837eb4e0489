package storage

import (
	"math/big"
	"regexp"
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
	sizeUnits   = map[string]int64{"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9}
	typePattern = regexp.MustCompile(`^([a-zA-Z0-9\-+.]+)/([a-zA-Z0-9\-+.]+)(;\s*charset=[a-zA-Z0-9\-]+)?$|\*$`)
)

// bucketLimits reads file_size_limit and allowed_mime_types.
func (f *fields) bucketLimits() (l bucketLimits) {
	if v, ok := f.m["file_size_limit"]; ok {
		l.hasSize = true
		l.size, l.sizeText = f.fileSize(scalar(v))
	}
	if _, ok := f.m["allowed_mime_types"]; ok {
		l.hasMime = true
		list := f.texts("allowed_mime_types")
		if list != nil {
			l.mime = []string{}
		}
		for _, t := range list {
			if t != "" {
				l.mime = append(l.mime, t)
			}
		}
	}
	return l
}

func (f *fields) fileSize(v any) (*int64, string) {
	if v == nil {
		return nil, ""
	}
	if n, ok := toInteger(v); ok {
		if n >= 0 {
			return &n, ""
		}
		f.err = fileSizeError(f.err, "must be >= 0")
		return nil, ""
	}
	if s, ok := v.(string); ok && sizePattern.MatchString(strings.ToLower(s)) {
		return nil, strings.ToLower(s)
	}
	f.err = fileSizeError(f.err, "must be integer")
	return nil, ""
}

// fileSizeError is the message for a size that is neither a number nor has a unit.
func fileSizeError(first error, why string) error {
	if first != nil {
		return first
	}
	const at = "body/file_size_limit "
	return errValidation(at + why + ", " + at + `must match pattern "^[0-9]+(?:\.[0-9]+)?(?:[gG][bB]|[mM][bB]|[kK][bB]|[bB])$", ` +
		at + "must match a schema in anyOf")
}

// check refuses limits above the server's own and types that are none, and
// reads a size with a unit.
func (l *bucketLimits) check(most int64) error {
	if l.sizeText != "" {
		m := sizePattern.FindStringSubmatch(l.sizeText)
		n, ok := new(big.Rat).SetString(m[1])
		if !ok {
			return errTooLarge("object")
		}
		n.Mul(n, new(big.Rat).SetInt64(sizeUnits[m[2]]))
		whole := new(big.Int).Quo(n.Num(), n.Denom())
		if !whole.IsInt64() {
			return errTooLarge("object")
		}
		size := whole.Int64()
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
