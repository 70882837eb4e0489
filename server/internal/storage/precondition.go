package storage

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// byteRange is a part of an object, both ends within it.
type byteRange struct{ first, last int64 }

func (b byteRange) length() int64 { return b.last - b.first + 1 }

func (b byteRange) contentRange(size int64) string {
	return "bytes " + strconv.FormatInt(b.first, 10) + "-" + strconv.FormatInt(b.last, 10) + "/" + strconv.FormatInt(size, 10)
}

// parseRange reads a Range header for an object of size bytes. ok is false
// when the whole object is to be sent: there is no header, it speaks of other
// units, or of several ranges, which a server may answer with the whole. A
// range that cannot be satisfied is an error.
func parseRange(header string, size int64) (b byteRange, ok bool, err error) {
	unit, spec, found := strings.Cut(header, "=")
	if !found || !strings.EqualFold(strings.TrimSpace(unit), "bytes") || strings.Contains(spec, ",") {
		return byteRange{}, false, nil
	}
	first, last, found := strings.Cut(strings.TrimSpace(spec), "-")
	if !found || size == 0 {
		return byteRange{}, false, errRange()
	}
	if first == "" { // the last n bytes
		n, ok := parsePosition(last)
		if !ok || n == 0 {
			return byteRange{}, false, errRange()
		}
		return byteRange{first: max(size-n, 0), last: size - 1}, true, nil
	}
	b.first, ok = parsePosition(first)
	if !ok || b.first >= size {
		return byteRange{}, false, errRange()
	}
	b.last = size - 1
	if last != "" {
		n, ok := parsePosition(last)
		if !ok || n < b.first {
			return byteRange{}, false, errRange()
		}
		b.last = min(n, b.last)
	}
	return b, true, nil
}

// parsePosition reads digits; a number too large for int64 is the largest one.
func parsePosition(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 1<<63 - 1, true
	}
	return n, true
}

// notModified reports whether the client's copy is still good: by its entity
// tags when it names any, else by the time it was last changed.
func notModified(h http.Header, etag string, modified time.Time) bool {
	if tags := h.Values("If-None-Match"); len(tags) > 0 {
		return matchesETag(strings.Join(tags, ","), etag)
	}
	since, err := http.ParseTime(h.Get("If-Modified-Since"))
	if err != nil || modified.IsZero() {
		return false
	}
	return !modified.Truncate(time.Second).After(since)
}

// matchesETag compares weakly against a list of entity tags or "*".
func matchesETag(list, etag string) bool {
	if etag == "" {
		return false
	}
	etag = strings.TrimPrefix(etag, "W/")
	for list = strings.TrimSpace(list); list != ""; list = strings.TrimLeft(list, " \t,") {
		if list[0] == '*' {
			return true
		}
		list = strings.TrimPrefix(list, "W/")
		if list == "" || list[0] != '"' {
			// not quoted, as some clients send it: up to the next comma
			tag, rest, _ := strings.Cut(list, ",")
			if `"`+strings.TrimSpace(tag)+`"` == etag {
				return true
			}
			list = rest
			continue
		}
		end := strings.IndexByte(list[1:], '"')
		if end < 0 {
			return false
		}
		if list[:end+2] == etag {
			return true
		}
		list = list[end+2:]
	}
	return false
}

// rangeStillFits judges If-Range: the range holds only for the version the
// client has a part of.
func rangeStillFits(h http.Header, etag string, modified time.Time) bool {
	v := strings.TrimSpace(h.Get("If-Range"))
	switch {
	case v == "":
		return true
	case strings.HasPrefix(v, `"`):
		return v == etag
	case strings.HasPrefix(v, "W/"):
		return false
	}
	t, err := http.ParseTime(v)
	return err == nil && modified.Truncate(time.Second).Equal(t)
}
