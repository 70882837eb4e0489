package gateway

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ClaimPath leads to a value in a token's claims, in the language of
// PostgREST's jwt-role-claim-key: .key, ."any key" and [0], and at the end a
// filter over an array of texts, [?(@ == "text")], with one of the operators
// ==, !=, ^== (begins with), ==^ (ends with) and *== (contains).
type ClaimPath struct {
	steps []claimStep
	text  string
}

type claimStep struct {
	key      string // of an object, when index is below 0
	index    int    // of an array
	operator string // of a filter, "" for none
}

// RolePath is the path of a role that nobody has put elsewhere.
var RolePath = ClaimPath{steps: []claimStep{{key: "role", index: -1}}, text: ".role"}

// String is the path as it was written.
func (p ClaimPath) String() string { return p.text }

// IsRole tells that the path is that of the claim role.
func (p ClaimPath) IsRole() bool {
	return len(p.steps) == 1 && p.steps[0] == claimStep{key: "role", index: -1}
}

const maxClaimIndex = 1 << 20

// ParseClaimPath reads a path.
func ParseClaimPath(text string) (ClaimPath, error) {
	p := pathParser{rest: text}
	path := ClaimPath{text: text}
	for p.rest != "" {
		s, err := p.step()
		if err != nil {
			return ClaimPath{}, fmt.Errorf("the path %q of the role claim is wrong at %q: %w", text, cut(p.rest, 32), err)
		}
		path.steps = append(path.steps, s)
	}
	if len(path.steps) == 0 {
		return ClaimPath{}, fmt.Errorf("the path of the role claim is empty: write it as .role")
	}
	return path, nil
}

type pathParser struct{ rest string }

// skip drops a text that must come now.
func (p *pathParser) skip(text string) bool {
	rest, ok := strings.CutPrefix(p.rest, text)
	p.rest = rest
	return ok
}

func (p *pathParser) blanks() { p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace) }

func (p *pathParser) step() (claimStep, error) {
	s := claimStep{index: -1}
	switch {
	case p.skip("[?("):
		return p.filter()
	case p.skip("["):
		digits := len(p.rest) - len(strings.TrimLeft(p.rest, "0123456789"))
		s.index = 0
		for _, d := range p.rest[:digits] {
			s.index = min(10*s.index+int(d-'0'), maxClaimIndex)
		}
		p.rest = p.rest[digits:]
		if digits == 0 || !p.skip("]") {
			return s, fmt.Errorf(`an index is written [0], a filter [?(@ == "text")]`)
		}
		return s, nil
	case p.skip("."):
		var ok bool
		if s.key, ok = p.quoted(); ok {
			return s, nil
		}
		n := 0
		for n < len(p.rest) {
			r, size := utf8.DecodeRuneInString(p.rest[n:])
			if !unicode.IsLetter(r) && !unicode.IsNumber(r) && !strings.ContainsRune("_$@", r) {
				break
			}
			n += size
		}
		if s.key, p.rest = p.rest[:n], p.rest[n:]; n == 0 {
			return s, fmt.Errorf(`a key is written .key or ."any key"`)
		}
		return s, nil
	default:
		return s, fmt.Errorf(`it goes on with .key, ."any key", [0] or a filter`)
	}
}

// quoted reads a text in double quotes, which has none inside.
func (p *pathParser) quoted() (string, bool) {
	body, ok := strings.CutPrefix(p.rest, `"`)
	if !ok {
		return "", false
	}
	text, rest, ok := strings.Cut(body, `"`)
	if ok {
		p.rest = rest
	}
	return text, ok
}

// claimOperators are those of filters, the longer ones first.
var claimOperators = []string{"==^", "^==", "*==", "==", "!="}

func (p *pathParser) filter() (claimStep, error) {
	s := claimStep{index: -1}
	wrong := fmt.Errorf(`a filter is written [?(@ == "text")], with ==, !=, ^==, ==^ or *==, and ends the path`)
	if !p.skip("@") {
		return s, wrong
	}
	p.blanks()
	for _, o := range claimOperators {
		if s.operator == "" && p.skip(o) {
			s.operator = o
		}
	}
	p.blanks()
	var ok bool
	s.key, ok = p.quoted()
	if s.operator == "" || !ok || !p.skip(")]") || p.rest != "" {
		return s, wrong
	}
	return s, nil
}

// Lookup follows the path. A value that is no text is told as JSON. ok says
// that there is one.
func (p ClaimPath) Lookup(claims map[string]any) (text string, ok bool) {
	var v any = claims
	for _, s := range p.steps {
		switch at := v.(type) {
		case map[string]any:
			if s.operator != "" || s.index >= 0 {
				return "", false
			}
			if v, ok = at[s.key]; !ok {
				return "", false
			}
		case []any:
			switch {
			case s.operator != "":
				return s.first(at)
			case s.index < 0 || s.index >= len(at):
				return "", false
			}
			v = at[s.index]
		default:
			return "", false
		}
	}
	if text, ok = v.(string); ok {
		return text, true
	}
	raw, err := json.Marshal(v)
	return string(raw), err == nil
}

// first is the first text of a list that the filter lets through.
func (s claimStep) first(list []any) (string, bool) {
	for _, v := range list {
		text, ok := v.(string)
		if !ok {
			continue
		}
		switch s.operator {
		case "==":
			ok = text == s.key
		case "!=":
			ok = text != s.key
		case "^==":
			ok = strings.HasPrefix(text, s.key)
		case "==^":
			ok = strings.HasSuffix(text, s.key)
		case "*==":
			ok = strings.Contains(text, s.key)
		}
		if ok {
			return text, true
		}
	}
	return "", false
}
