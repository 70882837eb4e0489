package storage

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func jsonFields(t *testing.T, body string) *fields {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	f, err := readJSON(httptest.NewRecorder(), r)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFieldsConvert(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int64{
		`{"n":60}`: 60, `{"n":"60"}`: 60, `{"n":6e1}`: 60, `{"n":60.0}`: 60, `{"n":true}`: 1, `{"n":null}`: 0, `{"n":[7]}`: 7, `{}`: 9,
		`{"n":1e30}`: 1<<63 - 1,
	} {
		f := jsonFields(t, body)
		if got := f.integer("n", 9, 0); got != want || f.err != nil {
			t.Errorf("%s: %d, %v", body, got, f.err)
		}
	}
	for body, want := range map[string]bool{
		`{"b":true}`: true, `{"b":"true"}`: true, `{"b":1}`: true, `{"b":false}`: false, `{"b":"false"}`: false, `{"b":0}`: false, `{"b":null}`: false,
	} {
		f := jsonFields(t, body)
		if got := f.boolean("b", !want); got != want || f.err != nil {
			t.Errorf("%s: %v, %v", body, got, f.err)
		}
	}
	for body, want := range map[string]string{`{"s":"x"}`: "x", `{"s":1.50}`: "1.50", `{"s":true}`: "true", `{"s":null}`: "", `{"s":["x"]}`: "x"} {
		f := jsonFields(t, body)
		if got := f.text("s"); got != want || f.err != nil {
			t.Errorf("%s: %q, %v", body, got, f.err)
		}
	}
}

//covers:storage 23
func TestFieldsRefuse(t *testing.T) {
	t.Parallel()
	read := func(f *fields) {
		f.require("name")
		f.text("name")
		f.integer("limit", 1, 1)
		f.boolean("public", false)
		f.oneOf("type", "STANDARD", "STANDARD", "ANALYTICS")
		f.count("paths", len(f.texts("paths")), 0, 2)
		f.sortBy("name", "name")
		f.bucketLimits()
	}
	for body, want := range map[string]string{
		`{}`:                                       "body must have required property 'name'",
		`{"name":{}}`:                              "body/name must be string",
		`{"name":"x","limit":0}`:                   "body/limit must be >= 1",
		`{"name":"x","limit":"2x"}`:                "body/limit must be integer",
		`{"name":"x","limit":1.5}`:                 "body/limit must be integer",
		`{"name":"x","limit":""}`:                  "body/limit must be integer",
		`{"name":"x","public":"yes"}`:              "body/public must be boolean",
		`{"name":"x","public":2}`:                  "body/public must be boolean",
		`{"name":"x","type":"nope"}`:               "body/type must be equal to one of the allowed values",
		`{"name":"x","paths":{}}`:                  "body/paths must be array",
		`{"name":"x","paths":["a",{}]}`:            "body/paths/1 must be string",
		`{"name":"x","paths":["a","b","c"]}`:       "body/paths must NOT have more than 2 items",
		`{"name":"x","sortBy":1}`:                  "body/sortBy must be object",
		`{"name":"x","sortBy":{}}`:                 "body/sortBy must have required property 'column'",
		`{"name":"x","sortBy":{"column":"size"}}`:  "body/sortBy/column must be equal to one of the allowed values",
		`{"name":"x","file_size_limit":-1}`:        `body/file_size_limit must be >= 0, body/file_size_limit must match pattern "^[0-9]+(?:\.[0-9]+)?(?:[gG][bB]|[mM][bB]|[kK][bB]|[bB])$", body/file_size_limit must match a schema in anyOf`,
		`{"name":"x","file_size_limit":"1 mb"}`:    `body/file_size_limit must be integer, body/file_size_limit must pass "finite" keyword validation, body/file_size_limit must match pattern "^[0-9]+(?:\.[0-9]+)?(?:[gG][bB]|[mM][bB]|[kK][bB]|[bB])$", body/file_size_limit must match a schema in anyOf`,
		`{"name":"x","file_size_limit":1.5}`:       `body/file_size_limit must be integer, body/file_size_limit must match pattern "^[0-9]+(?:\.[0-9]+)?(?:[gG][bB]|[mM][bB]|[kK][bB]|[bB])$", body/file_size_limit must match a schema in anyOf`,
		`{"name":"x","file_size_limit":{}}`:        `body/file_size_limit must be integer, body/file_size_limit must pass "finite" keyword validation, body/file_size_limit must be string, body/file_size_limit must match a schema in anyOf`,
		`{"name":"x","public":[1],"limit":[true]}`: "",
	} {
		f := jsonFields(t, body)
		read(f)
		if got := message400(f.err); got != want {
			t.Errorf("%s:\ngot  %q\nwant %q", body, got, want)
		}
	}
}

//covers:storage 24
func TestReadJSONRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ contentType, body, want string }{
		{"application/json", "{", "Body is not valid JSON but content-type is set to 'application/json'"},
		{"application/json", "{} x", "Body is not valid JSON but content-type is set to 'application/json'"},
		{"application/json; charset=utf-8", "", "Body cannot be empty when content-type is set to 'application/json'"},
		{"application/json", "[]", "body must be object"},
		{"application/json", "null", "body must be object"},
		{"text/plain", "{}", "body must be object"},
		{"", "", "body must be object"},
		{"application/xml", "<x/>", "body must be object"},
		{"/", "{}", "Invalid Content-Type header"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tt.body))
		r.Header.Set("Content-Type", tt.contentType)
		if tt.contentType == "" {
			r.Header.Del("Content-Type")
		}
		_, err := readJSON(httptest.NewRecorder(), r)
		if got := message400(err); got != tt.want {
			t.Errorf("%s %q: %q, want %q", tt.contentType, tt.body, got, tt.want)
		}
	}
}

func FuzzReadJSON(f *testing.F) {
	f.Add(`{"name":"x","limit":"1e3","paths":[1,null],"sortBy":{"column":["name"]},"file_size_limit":"1.5mb"}`)
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		fl, err := readJSON(httptest.NewRecorder(), r)
		if err != nil {
			return
		}
		fl.text("name")
		if n := fl.integer("limit", 1, 1); fl.err == nil && n < 1 {
			t.Errorf("limit %d passes", n)
		}
		fl.texts("paths")
		fl.sortBy("name", "name")
		l := fl.bucketLimits()
		if fl.err == nil && l.check(100) == nil && l.size != nil && (*l.size < 0 || *l.size > 100) {
			t.Errorf("file_size_limit %d passes", *l.size)
		}
	})
}

//covers:storage 31
func TestFileSizes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		`"1kb"`: 1000, `"20MB"`: 20e6, `"1.5mb"`: 15e5, `"1234567b"`: 123e4, `"2Gb"`: 2e9, `500`: 500, `"500"`: 500, `0`: 0, `"52.4288mb"`: 524e5, `"1024kb"`: 102e4, `"1.5kb"`: 1500,
	} {
		f := jsonFields(t, `{"file_size_limit":`+text+`}`)
		l := f.bucketLimits()
		if err := l.check(1 << 40); err != nil || f.err != nil || l.size == nil || *l.size != want {
			t.Errorf("%s: %v, %v, %v", text, l.size, err, f.err)
		}
	}
	for _, text := range []string{`"53mb"`, `"99999999999999999999gb"`, `52428801`} {
		f := jsonFields(t, `{"file_size_limit":`+text+`}`)
		l := f.bucketLimits()
		if got := message400(l.check(DefaultFileSizeLimit)); got != "The object exceeded the maximum allowed size" {
			t.Errorf("%s: %q", text, got)
		}
	}
}

func TestOldPythonClients(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, value string
		hides       bool
	}{
		{"X-Client-Info", "supabase-py/2.17.9", true},
		{"X-Client-Info", "supabase-py/2.18.0", false},
		{"X-Client-Info", "supabase-py/1.99.0", true},
		{"X-Client-Info", "supabase-js/2.0.0", false},
		{"User-Agent", "supabase-py/storage3 v0.12.0", true},
		{"User-Agent", "supabase-py/storage3 v0.12.1", false},
		{"User-Agent", "supabase-py/storage3 v1.0.0", false},
	} {
		h := http.Header{}
		h.Set(tt.name, tt.value)
		if got := hidesBucketType(h); got != tt.hides {
			t.Errorf("%s: %s: %v", tt.name, tt.value, got)
		}
	}
}
