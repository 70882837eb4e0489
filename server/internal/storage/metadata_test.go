package storage

import (
	"net/http"
	"strings"
	"testing"
)

//covers:storage 35
func TestHeaderMetadata(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"eyJhIjoiw6kifQ==": `{"a":"é"}`,
		"eyJhIjoiw6kifQ":   `{"a":"é"}`,
		"eyJhIjoiPz8_In0=": `{"a":"???"}`,
		"W10=":             "", // an empty list
		"e30":              "{}",
		"!!!":              "",
		"":                 "",
	} {
		got, err := headerMetadata(http.Header{"X-Metadata": {header}})
		if string(got) != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", header, got, err, want)
		}
	}
	for _, raw := range []string{`[1]`, ` ["a"] `, `"x"`} {
		if _, err := userMetadata([]byte(raw)); message400(err) != "invalid input syntax for type json" {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestReadMetadataOfOthers(t *testing.T) {
	t.Parallel()
	m := readMetadata([]byte(`{"eTag":"\"x\"","size":"12","mimetype":7,"cacheControl":null,"lastModified":"2026-01-02T03:04:05.678+00:00"}`))
	if m.etag != `"x"` || m.size != 12 || m.mimetype != "" || m.cacheControl != "" || m.modified.Format(timeLayout) != "2026-01-02T03:04:05.678Z" {
		t.Errorf("%+v", m)
	}
	for _, raw := range []string{`{"lastModified":"Wed, 12 Oct 2022 11:17:02 GMT"}`, `{"lastModified":1665573422000}`} {
		if m := readMetadata([]byte(raw)); m.modified.Format(timeLayout) != "2022-10-12T11:17:02.000Z" {
			t.Errorf("%s: %v", raw, m.modified)
		}
	}
	for _, raw := range []string{"", "null", "[]", `"x"`, `{"size":-1}`, `{"size":1.5,"lastModified":5.5}`} {
		if m := readMetadata([]byte(raw)); m.size != -1 || !m.modified.IsZero() {
			t.Errorf("%s: %+v", raw, m)
		}
	}
}

//covers:storage 50
func TestCursor(t *testing.T) {
	t.Parallel()
	u := cursor{after: "a/b:c", order: "desc", column: "created_at", at: "2026-01-02T03:04:05.678Z"}
	got, err := readCursor(u.encode())
	if err != nil || got != u {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := readCursor("bDphL2I="); err != nil || got != (cursor{after: "a/b", order: "asc"}) { // l:a/b
		t.Errorf("%+v, %v", got, err)
	}
	for _, s := range []string{"!", "eDp5", "bA==", "YTpub3cKbDp4", "bDp4AA==", "YTowMDAwLTAxLTAxVDAwOjAwOjAwWg=="} { // x:y, l, a:now, l:x\0, a:0000-01-01T00:00:00Z
		if _, err := readCursor(s); message400(err) != "Invalid Parameter continuation token" {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add(cursor{after: "x", order: "asc"}.encode())
	f.Add("bDp4Cm86ZGVzYwpjOm5hbWU=")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := readCursor(s)
		if err != nil || u.after == "" || u.order == "" {
			return
		}
		if again, err := readCursor(u.encode()); err != nil || again != u {
			t.Errorf("%q: %+v became %+v, %v", s, u, again, err)
		}
	})
}

func TestArrayParam(t *testing.T) {
	t.Parallel()
	if got := string(param([]string{`a`, `b"c\d`, ``, `NULL`, `{x,y}`})); got != `{"a","b\"c\\d","","NULL","{x,y}"}` {
		t.Error(got)
	}
}

//covers:storage 42
func TestRobots(t *testing.T) {
	t.Parallel()
	for _, v := range []string{
		"none", "noindex, nofollow", "max-snippet: -1", "max-snippet:0", "max-image-preview: large, max-video-preview: 10",
		"unavailable_after: 25 Jun 2010 15:00:00 PST", "unavailable_after: Mon, 25 Jun 2029 15:00:00 GMT, noindex",
		"googlebot: noindex", "googlebot: nofollow, otherbot: noindex, nofollow", "unavailable_after: 2029-06-25",
	} {
		if err := checkRobots(v); err != nil {
			t.Errorf("%q: %v", v, err)
		}
	}
	for v, want := range map[string]string{
		" ":                      "X-Robots-Tag header value must be a non-empty string",
		"noindex,,":              "X-Robots-Tag header contains empty rule",
		"invalid":                `Invalid X-Robots-Tag rule: "invalid"`,
		"max-snippet: x":         `X-Robots-Tag "max-snippet" value must be an integer >= -1, got: "x"`,
		"max-snippet: -2":        `X-Robots-Tag "max-snippet" value must be an integer >= -1, got: "-2"`,
		"max-image-preview:":     `X-Robots-Tag rule "max-image-preview" requires a value`,
		"max-image-preview: big": `X-Robots-Tag "max-image-preview" value must be one of: none, standard, large, got: "big"`,
		"unavailable_after: x":   `X-Robots-Tag "unavailable_after" value must be a valid date, got: "x"`,
		"googlebot:":             `X-Robots-Tag user agent "googlebot" has no rules specified`,
		"googlebot: dance":       `Invalid X-Robots-Tag rule: "dance"`,
	} {
		if got := message400(checkRobots(v)); got != "Invalid X-Robots-Tag header: "+want {
			t.Errorf("%q: %q, want %q", v, got, want)
		}
	}
}

func FuzzRobots(f *testing.F) {
	f.Add("noindex, unavailable_after: Mon, 25 Jun 2029 15:00:00 GMT, googlebot: none")
	f.Add("a:b:c:,,:")
	f.Fuzz(func(t *testing.T, v string) {
		if err := checkRobots(v); err == nil && strings.TrimSpace(v) == "" {
			t.Errorf("%q passes", v)
		}
	})
}
