package request

import (
	"slices"
	"strconv"
	"strings"
)

// MediaType is a media type with its parameters, names in lower case.
type MediaType struct {
	// Type is "type/subtype" in lower case.
	Type   string
	Params []MediaParam
	// Raw is the text it was read from, without a quality.
	Raw string
}

// String is the type as it is told to clients: in its full spelling where the
// dialect knows it, else as it was sent.
func (m MediaType) String() string {
	stripped := ""
	if m.Param("nulls") == "stripped" {
		stripped = ";nulls=stripped"
	}
	switch m.Type {
	case MediaAny, MediaJSON, MediaCSV, MediaGeoJSON, MediaOpenAPI, MediaText, MediaXML, MediaOctets, MediaForm:
		return m.Type
	case MediaObject:
		return m.Type + stripped
	case MediaArray:
		if stripped == "" {
			return MediaJSON
		}
		return m.Type + stripped
	}
	return m.Raw
}

// MediaParam is one parameter of a media type.
type MediaParam struct{ Name, Value string }

// Param returns the value of a parameter, "" when absent.
func (m MediaType) Param(name string) string {
	for _, p := range m.Params {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// The media types the engine knows.
const (
	MediaAny     = "*/*"
	MediaJSON    = "application/json"
	MediaCSV     = "text/csv"
	MediaGeoJSON = "application/geo+json"
	MediaOpenAPI = "application/openapi+json"
	MediaText    = "text/plain"
	MediaXML     = "text/xml"
	MediaOctets  = "application/octet-stream"
	MediaForm    = "application/x-www-form-urlencoded"
	MediaObject  = "application/vnd.pgrst.object+json"
	MediaArray   = "application/vnd.pgrst.array+json"
	MediaPlan    = "application/vnd.pgrst.plan"
)

// canonicalType folds the spellings of one type into one.
func canonicalType(t string) string {
	switch t {
	case "application/vnd.pgrst.object":
		return MediaObject
	case "application/vnd.pgrst.array":
		return MediaArray
	case "application/vnd.pgrst.plan+text":
		return MediaPlan
	}
	return t
}

// ParseMediaType reads one media type. Names are case-insensitive, parameter
// values may be quoted, a trailing semicolon is fine.
func ParseMediaType(text string) MediaType {
	m, _ := parseMedia(text)
	return m
}

func parseMedia(text string) (MediaType, float64) {
	quality := 1.0
	head, rest, _ := strings.Cut(text, ";")
	head = strings.TrimSpace(head)
	m := MediaType{Type: canonicalType(strings.ToLower(head)), Raw: head}
	for rest != "" {
		var part string
		part, rest = cutUnquoted(rest, ';')
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			continue
		}
		name = strings.ToLower(strings.TrimSpace(name))
		value = strings.TrimSpace(value)
		if name == "q" {
			if q, err := strconv.ParseFloat(value, 64); err == nil && q >= 0 && q <= 1 {
				quality = q
			}
			continue
		}
		m.Raw += ";" + strings.TrimSpace(part)
		m.Params = append(m.Params, MediaParam{Name: name, Value: unquoteValue(value)})
	}
	return m, quality
}

// cutUnquoted cuts at sep outside double quotes.
func cutUnquoted(s string, sep byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == sep && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func unquoteValue(v string) string {
	if len(v) < 2 || v[0] != '"' || v[len(v)-1] != '"' {
		return v
	}
	v = v[1 : len(v)-1]
	if !strings.Contains(v, `\`) {
		return v
	}
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		if v[i] == '\\' && i+1 < len(v) {
			i++
		}
		b.WriteByte(v[i])
	}
	return b.String()
}

var acceptAny = []MediaType{{Type: MediaAny, Raw: MediaAny}}

// ParseAccept returns the acceptable types, best first: by quality, then by
// how specific they are, then as they stand.
func ParseAccept(lines []string) ([]MediaType, *Error) {
	switch {
	case len(lines) == 0:
		return acceptAny, nil
	case len(lines) == 1 && (lines[0] == MediaAny || lines[0] == ""):
		return acceptAny, nil
	}
	type candidate struct {
		media   MediaType
		quality float64
		weight  int
	}
	var list []candidate
	for _, line := range lines {
		for line != "" {
			var part string
			part, line = cutUnquoted(line, ',')
			if strings.TrimSpace(part) == "" {
				continue
			}
			if len(list) == MaxAcceptEntries {
				return nil, tooMany("media types in Accept", MaxAcceptEntries)
			}
			m, q := parseMedia(part)
			weight := len(m.Params) + 1
			switch {
			case m.Type == MediaAny:
				weight = -1
			case strings.HasSuffix(m.Type, "/*"):
				weight = 0
			}
			list = append(list, candidate{m, q, weight})
		}
	}
	if len(list) == 0 {
		return acceptAny, nil
	}
	slices.SortStableFunc(list, func(a, b candidate) int {
		switch {
		case a.quality != b.quality:
			if a.quality > b.quality {
				return -1
			}
			return 1
		default:
			return b.weight - a.weight
		}
	})
	out := make([]MediaType, len(list))
	for i, c := range list {
		out[i] = c.media
	}
	return out, nil
}
