package request

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"slices"
)

// readCSV turns a header line and rows into a JSON array of objects while they
// come. The value NULL is null.
func (p *Payload) readCSV(t *bodyText) error {
	c := &csvText{bodyText: t, line: 1, column: 1}
	p.Array = true
	names, keys, err := c.header()
	if err != nil {
		return err
	}
	t.add("[")
	for first := true; ; first = false {
		more, err := c.nextRecord()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if !first {
			t.add(",")
		}
		if err := c.record(keys); err != nil {
			return err
		}
	}
	t.add("]")
	p.JSON = t.out
	slices.Sort(names)
	p.Keys = slices.Compact(names)
	return nil
}

// csvText reads CSV: fields between commas, quoted where they hold commas,
// quotes, which are doubled, or the end of a line. Empty lines do not count.
type csvText struct {
	*bodyText
	line, column int
	began        int  // line of the record
	cr           bool // a carriage return that begins a field was taken already
}

var csvSpecials = specials(",\r\n")

// header reads the first line: the names, and each as a JSON key.
func (c *csvText) header() (names []string, keys []string, err error) {
	more, err := c.nextRecord()
	if err != nil {
		return nil, nil, err
	}
	if !more {
		return nil, nil, invalidBody("not enough input")
	}
	for last := false; !last; {
		if len(names) == MaxSelectItems {
			return nil, nil, tooMany("columns in the body", MaxSelectItems)
		}
		at := len(c.out)
		if last, err = c.field(); err != nil {
			return nil, nil, err
		}
		key := string(c.out[at:])
		c.out = c.out[:at]
		var name string
		if json.Unmarshal([]byte(key), &name) != nil {
			return nil, nil, invalidBody(badJSON)
		}
		names, keys = append(names, name), append(keys, key+":")
	}
	return names, keys, nil
}

// record writes one line as an object.
func (c *csvText) record(keys []string) error {
	sep := "{"
	for i, last := 0, false; !last; i++ {
		if i == len(keys) {
			return invalidBody(unevenLines)
		}
		c.add(sep)
		sep = ","
		c.add(keys[i])
		at := len(c.out)
		var err error
		if last, err = c.field(); err != nil {
			return err
		}
		if bytes.Equal(c.out[at:], []byte(`"NULL"`)) {
			c.out = append(c.out[:at], "null"...)
		}
		if last && i+1 < len(keys) {
			return invalidBody(unevenLines)
		}
	}
	c.add("}")
	return nil
}

// nextRecord skips empty lines; it is false at the end.
func (c *csvText) nextRecord() (bool, error) {
	for c.fill() {
		switch c.in[0] {
		case '\n':
			c.newLine()
			continue
		case '\r':
			if c.lineEnds() {
				continue
			}
			c.cr = true
		}
		c.began = c.line
		return true, nil
	}
	return false, c.failure()
}

// field writes a field as a JSON string and takes what ends it. It reports
// whether the field was the last of its line.
func (c *csvText) field() (last bool, err error) {
	c.add(`"`)
	switch {
	case c.cr:
		c.cr = false
		c.addByte('\r')
		last, err = c.plain()
	case c.fill() && c.in[0] == '"':
		last, err = c.quoted()
	default:
		last, err = c.plain()
	}
	c.add(`"`)
	if err == nil {
		err = c.grew()
	}
	return last, err
}

func (c *csvText) plain() (last bool, err error) {
	for c.fill() {
		n := len(c.in)
		stopped := c.addPlain(csvSpecials)
		c.column += n - len(c.in)
		if !stopped {
			continue
		}
		switch b := c.in[0]; {
		case b == ',':
			c.skip()
			return false, nil
		case b == '\n':
			c.newLine()
			return true, nil
		case b == '\r' && c.lineEnds():
			return true, nil
		case b == '"':
			return false, c.parseError(csv.ErrBareQuote)
		case b == '\r':
			c.addByte(b) // lineEnds has taken it
		default:
			c.addByte(b)
			c.skip()
		}
	}
	return true, c.failure()
}

func (c *csvText) quoted() (last bool, err error) {
	c.skip()
	for c.fill() {
		n := len(c.in)
		stopped := c.addPlain(csvSpecials)
		c.column += n - len(c.in)
		if !stopped {
			continue
		}
		switch b := c.in[0]; {
		case b == '"':
			c.skip()
			if !c.fill() {
				return true, c.failure()
			}
			switch after := c.in[0]; {
			case after == '"':
				c.addByte(after)
				c.skip()
			case after == ',':
				c.skip()
				return false, nil
			case after == '\n':
				c.newLine()
				return true, nil
			case after == '\r' && c.lineEnds():
				return true, nil
			default:
				return false, c.parseError(csv.ErrQuote)
			}
		case b == '\n':
			c.addByte(b)
			c.newLine()
		case b == '\r':
			if c.lineEnds() {
				c.addByte('\n')
			} else {
				c.addByte(b)
			}
		default:
			c.addByte(b)
			c.skip()
		}
	}
	if err := c.failure(); err != nil {
		return false, err
	}
	return false, c.parseError(csv.ErrQuote)
}

func (c *csvText) skip() {
	c.in = c.in[1:]
	c.column++
}

func (c *csvText) newLine() {
	c.in = c.in[1:]
	c.line++
	c.column = 1
}

// lineEnds takes a carriage return, and the line feed behind it if there is
// one. At the end of the body one ends the line as well.
func (c *csvText) lineEnds() bool {
	c.skip()
	if !c.fill() {
		return true
	}
	if c.in[0] != '\n' {
		return false
	}
	c.newLine()
	return true
}

func (c *csvText) parseError(err error) error {
	return invalidBody((&csv.ParseError{StartLine: c.began, Line: c.line, Column: c.column, Err: err}).Error())
}
