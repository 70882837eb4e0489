package storage

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzMembers: the members of a valid JSON text are those that encoding/json
// finds, and nothing panics on any other.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{
		`{"eTag": "\"x\"", "size": 12, "mimetype": null}`, `{}`, ` { } `, `{"a":{"b":[1,{"c":"},]"}]},"d":"\\","a":true}`, "{\"a\"\n:\t1 , \"b\":[ ] }",
		`[{"a":1}]`, `"x"`, `null`, ``, `{`, `{"a`, `{"a"`, `{"a":`, `{"a":"`, `{"a":1,`, `{"a":"\`, `{"a":}}]`, `{"\u0061":1}`, `{"":0}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := map[string]string{}
		members(raw, func(name, value []byte) { got[string(name)] = string(value) })
		readMetadata(raw)
		var want map[string]json.RawMessage
		if json.Unmarshal(raw, &want) != nil || !utf8.Valid(raw) {
			return
		}
		if bytes.Contains(raw, []byte(`\u`)) {
			return // names may be written in two ways
		}
		plain := map[string]string{}
		for name, value := range got {
			var s string
			if err := json.Unmarshal([]byte(`"`+name+`"`), &s); err != nil {
				t.Fatalf("%q: the name %q: %v", raw, name, err)
			}
			plain[s] = value
		}
		if len(plain) != len(want) {
			t.Fatalf("%q: %q, not %q", raw, plain, want)
		}
		for name, value := range want {
			if plain[name] != string(value) {
				t.Errorf("%q: %q is %q, not %q", raw, name, plain[name], value)
			}
		}
	})
}

func TestStoredText(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`"x"`: "x", `""`: "", `"\"x\""`: `"x"`, `"a\\b"`: `a\b`, `"\\\"x"`: `\"x`, `"\n\""`: "\n\"", `"\u00e9"`: "é",
		"7": "", "null": "", "": "", `{"a":"b"}`: "",
	} {
		if got := storedText([]byte(raw)); got != want {
			t.Errorf("%s: %q, not %q", raw, got, want)
		}
	}
}
