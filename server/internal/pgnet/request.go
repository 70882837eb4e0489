package pgnet

import (
	"encoding/json"
	"net/http"
	"sort"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/httpx"
)

// request is a row of net.http_request_queue.
type request struct {
	queue   uint32 // the table it was in
	id      int64
	method  string
	url     string
	headers *string // jsonb, as text
	body    []byte  // nil when it is null
	timeout int32   // milliseconds
}

// response is a row of net._http_response. The fields that are nil are null.
type response struct {
	queue       uint32 // of its request
	id          int64
	status      *int
	contentType *string
	headers     *string // jsonb, as text
	content     *string
	timedOut    bool
	errorMsg    *string
}

// maxTimeout stands for the timeout of those that name none, or a longer one.
const maxTimeout = time.Hour

func (r *request) patience() time.Duration {
	if r.timeout <= 0 || time.Duration(r.timeout)*time.Millisecond > maxTimeout {
		return maxTimeout
	}
	return time.Duration(r.timeout) * time.Millisecond
}

// userAgent is the original's.
const userAgent = "pg_net/0.20.4"

// ownType is what libcurl says of a body that nobody says anything of.
const ownType = "application/x-www-form-urlencoded"

// header are the headers of the request: those of the row and the ones that
// libcurl adds. A value that is null says nothing; one that is empty has the
// header not sent.
func (r *request) header() http.Header {
	h := http.Header{"Accept": {"*/*"}, "User-Agent": {userAgent}}
	if len(r.body) > 0 || strings.EqualFold(r.method, http.MethodPost) {
		h.Set("Content-Type", ownType)
	}
	if r.headers == nil {
		return h
	}
	var given map[string]json.RawMessage
	if json.Unmarshal([]byte(*r.headers), &given) != nil {
		return h // jsonb, but no object
	}
	names := make([]string, 0, len(given))
	for name := range given {
		names = append(names, name)
	}
	sort.Strings(names) // one of several spellings wins, always the same
	for _, name := range names {
		if string(given[name]) == "null" {
			continue
		}
		value := textOf(given[name])
		if strings.TrimSpace(value) == "" {
			h.Del(name)
			continue
		}
		h.Set(name, value)
	}
	return h
}

// textOf is what jsonb_each_text makes of a value that is not null.
func textOf(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}

// headersOf are the headers of an answer as jsonb, as the other side has written
// them, where that is known; the names of HTTP/2 are in small letters. Of several
// with one name the last is kept.
func headersOf(res *http.Response, fields []httpx.Field) string {
	last := make(map[string]string, len(res.Header))
	for name, values := range res.Header {
		if res.ProtoMajor > 1 {
			name = strings.ToLower(name)
		}
		if len(values) > 0 && fields == nil {
			last[cleaned(name)] = cleaned(values[len(values)-1])
		}
	}
	for _, f := range fields {
		last[cleaned(f.Name)] = cleaned(f.Value)
	}
	text, err := json.Marshal(last)
	if err != nil {
		return "{}" // strings always encode
	}
	return string(text)
}

// cleaned is text that PostgreSQL takes: it ends at a zero byte, as a string in
// C does, and has no bytes that are not UTF-8.
func cleaned(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return strings.ToValidUTF8(s, "\uFFFD")
}
