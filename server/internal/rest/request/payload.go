package request

import (
	"bytes"
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
	err := r.ReadBody(bytes.NewReader(body), int64(len(body)), 0)
	var e *Error
	if err != nil && !errors.As(err, &e) {
		e = invalidBody(err.Error()) // memory does not fail to be read
	}
	return e
}

// ReadBody reads the body of a write or a function call from src and keeps it
// in r. size is its length where that was told, else negative; limit bounds
// the JSON that is made of a body of another form, 0 does not; a src that is a
// Maker is told of it. An error is an *Error or the one of src.
func (r *Request) ReadBody(src io.Reader, size, limit int64) error {
	if !r.TakesBody() {
		return nil
	}
	ct := contentType(r.ContentType)
	p := &Payload{Media: ct}
	call := r.Resource == Function
	text := newBodyText(src, size, limit)
	var err error
	switch {
	case ct == MediaCSV:
		err = p.readCSV(text)
	case ct == MediaForm && !call:
		err = p.readFormObject(text)
	case ct == MediaJSON, ct == MediaForm, call && (ct == MediaText || ct == MediaXML || ct == MediaOctets):
		if p.JSON, err = text.all(); err == nil {
			err = p.parse(r, ct)
		}
	default:
		err = invalidBody("Content-Type not acceptable: " + ct)
	}
	if err != nil {
		return err
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

// parse looks into a body that was read in whole.
func (p *Payload) parse(r *Request, ct string) error {
	var err *Error
	switch ct {
	case MediaJSON:
		err = p.readJSON(r, r.Resource == Function)
	case MediaForm:
		err = p.readForm(p.JSON)
	default:
		p.Raw = true
	}
	if err != nil {
		return err
	}
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

// readForm reads the arguments of a function, and makes one JSON object of
// them.
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
