package request

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
)

// Payload is the body of a write or a function call.
type Payload struct {
	// Raw is set for a body that is handed over as a whole: text, XML, bytes.
	Raw bool
	// Media is the body's type without parameters.
	Media string
	// JSON is the body as JSON text, or the bytes of a raw body.
	JSON []byte
	// Array tells that JSON is an array, or is to be treated as an empty one.
	Array bool
	// Keys are the columns or arguments: the columns parameter, else the
	// members of the body. They are sorted.
	Keys []string
	// Uneven is set on a function call whose body is no object and no array of
	// objects with common members; only a single unnamed parameter takes it.
	Uneven bool
	// Fields are the pairs of a form, in order.
	Fields []Argument
}

// contentType returns the type of the body; a missing one means JSON.
func contentType(header string) string {
	if strings.TrimSpace(header) == "" {
		return MediaJSON
	}
	return ParseMediaType(header).Type
}

// ParseBody reads the body of a write or a function call and keeps it in r.
// The caller gives the body up.
func (r *Request) ParseBody(body []byte) *Error {
	if !r.TakesBody() {
		return nil
	}
	ct := contentType(r.ContentType)
	p := &Payload{Media: ct, JSON: body}
	call := r.Resource == Function
	switch {
	case ct == MediaJSON:
		if err := p.readJSON(r, call); err != nil {
			return err
		}
	case ct == MediaCSV:
		if err := p.readCSV(body); err != nil {
			return err
		}
	case ct == MediaForm:
		if err := p.readForm(body); err != nil {
			return err
		}
	case call && (ct == MediaText || ct == MediaXML || ct == MediaOctets):
		p.Raw = true
	default:
		return invalidBody("Content-Type not acceptable: " + ct)
	}
	if r.Query.HasColumns && !p.Raw {
		p.Keys = slices.Clone(r.Query.Columns)
		slices.Sort(p.Keys)
		p.Keys = slices.Compact(p.Keys)
	}
	if len(p.Keys) > MaxSelectItems {
		return tooMany("columns in the body", MaxSelectItems)
	}
	r.Payload = p
	return nil
}

func (p *Payload) readJSON(r *Request, call bool) *Error {
	trimmed := bytes.TrimLeft(p.JSON, " \t\r\n")
	if call && len(trimmed) == 0 {
		p.JSON, trimmed = []byte("{}"), []byte("{}")
	}
	if r.Query.HasColumns && (len(trimmed) > 0 || !call) {
		p.Array = len(trimmed) == 0 || trimmed[0] != '{'
		return nil
	}
	shape, ok := scanJSON(p.JSON)
	switch {
	case !ok:
		return invalidBody(badJSON)
	case call && (shape.uneven || !shape.array && !shape.object):
		p.Uneven, p.Array = true, shape.array
		return nil
	case shape.uneven:
		return invalidBody(unevenKeys)
	case shape.object:
		p.Keys = shape.keys
	case shape.array:
		p.Keys, p.Array = shape.keys, true
	default: // a scalar acts like no rows at all
		p.JSON, p.Array = []byte("[]"), true
	}
	return nil
}

// readCSV turns a header line and rows into a JSON array. The value NULL is null.
func (p *Payload) readCSV(body []byte) *Error {
	rd := csv.NewReader(bytes.NewReader(body))
	rd.FieldsPerRecord = -1
	rd.ReuseRecord = true
	p.Array = true
	head, err := rd.Read()
	if errors.Is(err, io.EOF) {
		return invalidBody("not enough input")
	}
	if err != nil {
		return invalidBody(err.Error())
	}
	names := make([]string, len(head))
	keys := make([][]byte, len(head))
	for i, h := range head {
		names[i] = strings.Clone(h)
		keys[i] = jsonText(h)
	}
	var out bytes.Buffer
	out.Grow(len(body) * 2)
	out.WriteByte('[')
	for n := 0; ; n++ {
		rec, err := rd.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return invalidBody(err.Error())
		}
		if len(rec) != len(names) {
			return invalidBody(unevenLines)
		}
		if n > 0 {
			out.WriteByte(',')
		}
		out.WriteByte('{')
		for i, v := range rec {
			if i > 0 {
				out.WriteByte(',')
			}
			out.Write(keys[i])
			out.WriteByte(':')
			if v == "NULL" {
				out.WriteString("null")
			} else {
				out.Write(jsonText(v))
			}
		}
		out.WriteByte('}')
	}
	out.WriteByte(']')
	p.JSON = out.Bytes()
	slices.Sort(names)
	p.Keys = slices.Compact(names)
	return nil
}

// readForm turns a form into one JSON object of strings.
func (p *Payload) readForm(body []byte) *Error {
	params, err := splitQuery(string(body))
	if err != nil {
		return err
	}
	values := map[string]string{}
	for _, f := range params {
		p.Fields = append(p.Fields, Argument{Name: f.key, Value: f.value})
		if _, seen := values[f.key]; !seen {
			p.Keys = append(p.Keys, f.key)
		}
		values[f.key] = f.value
	}
	slices.Sort(p.Keys)
	text, merr := json.Marshal(values)
	if merr != nil {
		return invalidBody(badJSON)
	}
	p.JSON = text
	return nil
}

func jsonText(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
