package request

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

var formSpecials = specials("+%&=")

// readFormObject turns a form into one JSON object of strings while it comes.
// Of several values of a key the last counts, as in any JSON object.
func (p *Payload) readFormObject(t *bodyText) error {
	t.add("{")
	count := 0
	for t.fill() {
		start := len(t.out)
		if start > 1 {
			t.add(",")
		}
		key := len(t.out)
		t.add(`"`)
		ended := t.component('=')
		name := string(t.out[key+1:])
		if ended != '=' { // no value: it does not count
			t.out = t.out[:start]
			continue
		}
		if count++; count > MaxParameters {
			return tooMany("query string parameters", MaxParameters)
		}
		t.add(`":"`)
		t.component('&')
		t.add(`"`)
		if !utf8.Valid(t.out[key:]) {
			return parseError("query string", clip(strings.ToValidUTF8(name, "�")), 1, 1, "unexpected bytes that are no UTF-8")
		}
		if err := t.grew(); err != nil {
			return err
		}
		var text string
		if json.Unmarshal([]byte(`"`+name+`"`), &text) != nil {
			return invalidBody(badJSON)
		}
		p.Keys = append(p.Keys, text)
	}
	if err := t.failure(); err != nil {
		return err
	}
	t.add("}")
	p.JSON = t.out
	slices.Sort(p.Keys)
	p.Keys = slices.Compact(p.Keys)
	return nil
}

// component decodes up to an ampersand or stop, takes it and returns it; 0 is
// the end.
func (t *bodyText) component(stop byte) byte {
	for t.fill() {
		if t.tooLong() || !t.addPlain(formSpecials) {
			if t.tooLong() {
				t.in = nil // the caller will see it
				return stop
			}
			continue
		}
		c := t.in[0]
		t.in = t.in[1:]
		switch {
		case c == '&' || c == stop:
			return c
		case c == '+':
			t.addByte(' ')
		case c == '%':
			t.percent()
		default:
			t.addByte(c)
		}
	}
	return 0
}

// percent decodes the escape whose percent sign was taken; what is none stays.
func (t *bodyText) percent() {
	if len(t.in) < 2 && t.err == nil { // it may go on in what comes
		kept := append([]byte{}, t.in...)
		t.in = nil
		if t.fill() {
			t.in = append(kept, t.in...)
		} else {
			t.in = kept
		}
		if len(t.in) < 2 && t.err == nil {
			t.percent()
			return
		}
	}
	if len(t.in) >= 2 && isHex(t.in[0]) && isHex(t.in[1]) {
		c := unhex(t.in[0])<<4 | unhex(t.in[1])
		t.in = t.in[2:]
		t.addByte(c)
		return
	}
	t.addByte('%')
}
