package request

import (
	"math"
	"net/http"
	"strconv"
	"strings"
)

const (
	negativeLimit = "Limit should be greater than or equal to zero."
	lowerOverEnd  = "The lower boundary must be lower than or equal to the upper boundary in the Range header."
)

// readRange joins limit, offset and the Range header into the root's window
// and judges the windows of the embeds.
func (r *Request) readRange(h http.Header, _ string, _ Options) *Error {
	window := Range{}
	for _, at := range r.Query.Ranges {
		if len(at.Path) == 0 {
			window = at.Item
		}
		if at.Item.HasLimit && at.Item.Limit < 0 {
			return invalidRange(negativeLimit)
		}
	}
	zero := window.HasLimit && window.Limit == 0
	if r.Method == http.MethodGet && !zero {
		first, last, bounded, ok := rangeHeader(h.Get("Range"))
		switch {
		case !ok:
		case bounded && last < first:
			return invalidRange(lowerOverEnd)
		default:
			var empty bool
			if window, empty = intersect(window, first, last, bounded); empty {
				return invalidRange(negativeLimit)
			}
		}
	}
	if r.Method == http.MethodPut && !window.IsAll() {
		return &Error{Code: "PGRST114", Status: http.StatusBadRequest,
			Message: "limit/offset querystring parameters are not allowed for PUT"}
	}
	r.Range = window
	return nil
}

// rangeHeader reads "a-b" or "a-"; anything else is ignored.
func rangeHeader(value string) (first, last int64, bounded, ok bool) {
	a, b, found := strings.Cut(value, "-")
	if !found || !allDigits(a) || b != "" && !allDigits(b) {
		return 0, 0, false, false
	}
	first = clampDigits(a)
	if b == "" {
		return first, 0, false, true
	}
	return first, clampDigits(b), true, true
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func clampDigits(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return math.MaxInt64
	}
	return n
}

// intersect cuts the window with the rows first to last.
func intersect(w Range, first, last int64, bounded bool) (Range, bool) {
	lo := max(w.Offset, first)
	hi := int64(math.MaxInt64)
	if w.HasLimit && w.Limit <= math.MaxInt64-w.Offset {
		hi = w.Offset + w.Limit - 1
	}
	if bounded {
		hi = min(hi, last)
	}
	if hi < lo {
		return w, true
	}
	out := Range{Offset: lo}
	if hi != math.MaxInt64 {
		out.Limit, out.HasLimit = hi-lo+1, true
	}
	return out, false
}
