package storage

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// timeLayout is how the API writes times: UTC with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z"

// objectMetadata is objects.metadata as uploads write it.
type objectMetadata struct {
	ETag           string `json:"eTag"` // with its quotes
	Size           int64  `json:"size"`
	Mimetype       string `json:"mimetype"`
	CacheControl   string `json:"cacheControl"`
	LastModified   string `json:"lastModified"`
	ContentLength  int64  `json:"contentLength"`
	HTTPStatusCode int    `json:"httpStatusCode"`
	XRobotsTag     string `json:"xRobotsTag,omitempty"`
}

// trialMetadata is objects.metadata as policies see it before the bytes came.
type trialMetadata struct {
	Mimetype      string `json:"mimetype,omitempty"`
	ContentLength *int64 `json:"contentLength,omitempty"`
}

// storedMetadata reads objects.metadata, which may have been written by
// anyone: what does not fit is left out.
type storedMetadata struct {
	etag, mimetype, cacheControl, robots string
	modified                             time.Time
	size                                 int64 // -1 when unknown
}

func readMetadata(raw []byte) storedMetadata {
	m := storedMetadata{size: -1}
	var modified []byte
	contentLength := int64(-1)
	members(raw, func(name, value []byte) {
		switch string(name) {
		case "eTag":
			m.etag = storedText(value)
		case "mimetype":
			m.mimetype = storedText(value)
		case "cacheControl":
			m.cacheControl = storedText(value)
		case "xRobotsTag":
			m.robots = storedText(value)
		case "lastModified":
			modified = value
		case "size":
			m.size = storedSize(value)
		case "contentLength":
			contentLength = storedSize(value)
		}
	})
	if bytes.HasPrefix(modified, []byte{'"'}) {
		m.modified = parseTime(storedText(modified))
	} else if ms, ok := parseInteger(string(modified)); ok {
		m.modified = time.UnixMilli(ms).UTC()
	}
	if contentLength >= 0 {
		m.size = contentLength
	}
	return m
}

// storedText is a JSON string, "" for anything else.
func storedText(value []byte) (s string) {
	if n := len(value); n >= 2 && value[0] == '"' {
		text := value[1 : n-1]
		switch escapes := bytes.Count(text, []byte{'\\'}); escapes {
		case 0:
			return string(text)
		case bytes.Count(text, []byte(`\"`)): // those of an ETag
			return strings.ReplaceAll(string(text), `\"`, `"`)
		}
	}
	_ = json.Unmarshal(value, &s) // of another type: as if it were not there
	return s
}

// storedSize is a number of bytes, also in a JSON string, -1 for anything else.
func storedSize(value []byte) int64 {
	n, ok := parseInteger(strings.Trim(string(value), `"`))
	if !ok || n < 0 {
		return -1
	}
	return n
}

// parseTime reads a time as uploads write it, or as HTTP does; it is zero for
// anything else.
func parseTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, http.TimeFormat} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// userMetadata reads user metadata. What is no JSON counts as not sent, and so
// does a number; a list and a text are refused, as they do not become a column.
// What is no UTF-8 is replaced.
func userMetadata(raw []byte) ([]byte, error) {
	raw = bytes.ToValidUTF8(bytes.TrimSpace(raw), []byte("\uFFFD"))
	switch {
	case len(raw) == 0 || !json.Valid(raw):
		return nil, nil
	case raw[0] == '{':
		return raw, nil
	case raw[0] == '"', raw[0] == '[' && len(bytes.TrimSpace(raw[1:])) > 1:
		return nil, &Error{Status: 400, Name: "InvalidParameter", Code: "InvalidParameter", Message: "invalid input syntax for type json"}
	default:
		return nil, nil
	}
}

// rawBase64 makes base64 of any kind the standard one without padding.
var rawBase64 = strings.NewReplacer("-", "+", "_", "/", "=", "")

// headerMetadata reads the x-metadata header: base64 of JSON, in either
// alphabet, padded or not.
func headerMetadata(h http.Header) ([]byte, error) {
	header := rawBase64.Replace(strings.ReplaceAll(h.Get("X-Metadata"), " ", ""))
	raw, err := base64.RawStdEncoding.DecodeString(header)
	if err != nil {
		return nil, nil // as if it were not sent
	}
	return userMetadata(raw)
}

// encode is JSON as the API writes it: no escapes beyond those JSON needs.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
