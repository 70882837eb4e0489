package storage

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"

	"github.com/suparust/suparust/server/internal/httpx"
)

const (
	xmlHead      = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`
	xmlNamespace = "http://s3.amazonaws.com/doc/2006-03-01/"
	xmlType      = "application/xml; charset=utf-8"

	// maxXMLBody bounds what a request says in XML: the list of 10,000 parts.
	maxXMLBody = 4 << 20
)

// xmlDoc is an answer in XML under construction.
type xmlDoc struct {
	b    strings.Builder
	root string
}

func newXML(root string) *xmlDoc {
	d := &xmlDoc{root: root}
	d.b.WriteString(xmlHead + "<" + root + ` xmlns="` + xmlNamespace + `">`)
	return d
}

func (d *xmlDoc) open(name string)  { d.b.WriteString("<" + name + ">") }
func (d *xmlDoc) close(name string) { d.b.WriteString("</" + name + ">") }

// text adds an element with a text, empty or not.
func (d *xmlDoc) text(name, value string) {
	if value == "" {
		d.b.WriteString("<" + name + "/>")
		return
	}
	d.open(name)
	d.b.WriteString(xmlText(value))
	d.close(name)
}

// some is text where there is one.
func (d *xmlDoc) some(name, value string) {
	if value != "" {
		d.text(name, value)
	}
}

func (d *xmlDoc) number(name string, n int64) { d.text(name, strconv.FormatInt(n, 10)) }
func (d *xmlDoc) boolean(name string, v bool) { d.text(name, strconv.FormatBool(v)) }
func (d *xmlDoc) inner(name, child, v string) { d.open(name); d.text(child, v); d.close(name) }
func (d *xmlDoc) end() string                 { d.close(d.root); return d.b.String() }
func (c *call) writeXML(d *xmlDoc) error      { return c.writeXMLStatus(http.StatusOK, d) }
func (c *call) writeXMLStatus(n int, d *xmlDoc) error {
	c.w.Header().Set("Content-Type", xmlType)
	body := d.end()
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(n)
	_, _ = c.w.Write([]byte(body)) // an error is the client's going away
	return nil
}

// xmlText is s as the text of an element. What XML cannot hold is replaced.
func xmlText(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == '&' || r == '<' || r == '>' || r >= 0xD800 }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '\r':
			b.WriteString("&#xD;")
		case r < ' ' && r != '\t' && r != '\n', r == 0xFFFE, r == 0xFFFF:
			b.WriteRune(0xFFFD)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// s3Fail answers an error with its true status.
func (c *call) s3Fail(err error) {
	e := c.h.toError(c.ctx(), err)
	if e.Status >= 500 && e.Status != http.StatusNotImplemented {
		c.h.logFailure(c.ctx(), e, err)
	}
	d := &xmlDoc{root: "Error"} // botocore finds no code in a document with a namespace
	d.b.WriteString(xmlHead + "<Error>")
	d.text("Resource", strings.Trim(strings.TrimPrefix(c.r.URL.EscapedPath(), "/s3"), "/"))
	d.text("Code", e.Code)
	d.text("Message", e.Message)
	if c.r.Method == http.MethodHead {
		c.w.WriteHeader(e.Status)
		return
	}
	_ = c.writeXMLStatus(e.Status, d)
}

// readXML reads the request's document into v, which stays as it is without
// one.
func (c *call) readXML(v any) error {
	if err := c.s3Body(); err != nil {
		return err
	}
	body, err := httpx.ReadBody(c.w, c.r, maxXMLBody)
	if err != nil {
		return err
	}
	switch asJSON := isJSON(c.r.Header.Get("Content-Type")); {
	case asJSON && len(body) == 0:
		return errEmptyJSON()
	case asJSON && !json.Valid(body):
		return errNotJSON()
	case len(body) == 0:
		return nil
	}
	if err := xml.Unmarshal(body, v); err != nil {
		return &Error{Status: 400, Name: "MalformedXML", Code: "MalformedXML", Message: "Invalid XML payload: " + err.Error()}
	}
	return nil
}
