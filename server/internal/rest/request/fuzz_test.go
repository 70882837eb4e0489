package request

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParseQuery: whatever the query string, the parser ends, does not panic
// and either gives a query or an error of the dialect.
func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{
		"", "select=*", "select=a:b::int.sum()::text,...c!x!inner(d->>e->0)&order=a.desc.nullslast,r(b)&limit=1&offset=2",
		"a.b=eq.1&or=(a.eq.1,not.and(b.in.(1,\"2\"),c.is.null))", "columns=\"a\",b&on_conflict=c", "a=fts(x).y&b=like(any).{a}",
		"select=((((", "or=and(and(and(", "a=in.(\"\\", "select=\"", "=eq.1", "a->=eq.1", "%00=eq.%00", "or=(\xff)",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, raw string, call bool) {
		q, err := ParseQuery(raw, call)
		if (q == nil) == (err == nil) {
			t.Fatalf("query %v, error %v", q, err)
		}
		if err != nil && (err.Code == "" || err.Status < 400 || err.Message == "") {
			t.Fatalf("incomplete error %+v", err)
		}
	})
}

// FuzzScanJSON: the scanner accepts just what the standard library accepts,
// but for its own bound on nesting.
func FuzzScanJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `{"a":1}`, `[{"a":1},{"a":2}]`, `[{"a":{"b":[1,2,{}]}},{"a":"\u0041\"\\"}]`, `-0.5e+3`, `"x`, `[1,]`, `{"a"}`,
		`[{"\ud800":1}]`, ` [ { } , [ [ ] ] , true ] `, "\"\x01\"", `{"a":1}{"b":2}`, `nul`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 4096 {
			t.Skip()
		}
		shape, ok := scanJSON(body)
		if valid := json.Valid(body); ok != valid {
			t.Fatalf("%q: scanner %v, standard library %v", body, ok, valid)
		}
		if !ok || !shape.object {
			return
		}
		var want map[string]json.RawMessage
		if json.Unmarshal(body, &want) == nil && len(want) != len(shape.keys) {
			t.Fatalf("%q: keys %q, want %d", body, shape.keys, len(want))
		}
	})
}

// FuzzHeaders: no header makes the parser panic.
func FuzzHeaders(f *testing.F) {
	f.Add("return=minimal,count=exact", "a/b;q=0.5,*/*", "0-5", "/x%20y")
	f.Add("max-affected=-1", `a/b;c="d\"e,f";q=2`, "5-2", "/rpc/%")
	f.Fuzz(func(t *testing.T, prefer, accept, window, path string) {
		h := http.Header{"Prefer": {prefer}, "Accept": {accept}, "Range": {window}}
		r, err := Parse(http.MethodGet, path, "", h, Options{Schemas: []string{"public"}, AllowTx: true})
		if err == nil && (len(r.Accept) == 0 || r.Range.HasLimit && r.Range.Limit < 0 || r.Range.Offset < 0) {
			t.Fatalf("%+v", r)
		}
	})
}

// FuzzCSV: what is read as it comes, a byte at a time or more, is what the
// standard library reads of the whole.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,NULL\n\"x,y\",\"q\"\"\"\n", "a\r\n\r\n\n1\r2\r\n", "a,b\n1\n", "\"a\nb\"\n\"\r\n\"", "a\n\"x\"y", "a\nx\"y", "a\n\rb\n", "a\n\"x", "a\n\"x\r",
		"\u00e4\n\xff", ",\n,", "a,a\n1,2", "\x00\n\t\\",
	} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, body []byte, step int) {
		if step <= 0 || len(body) > 4096 {
			t.Skip()
		}
		r := &Request{Method: http.MethodPost, Resource: Relation, ContentType: MediaCSV, Query: &Query{}}
		err := r.ReadBody(&steps{body, step}, int64(len(body)), 0)
		rd := csv.NewReader(bytes.NewReader(body))
		rd.FieldsPerRecord = 0
		want, werr := rd.ReadAll()
		if len(want) > 0 && len(want[0]) > MaxSelectItems {
			t.Skip()
		}
		if (err != nil) != (werr != nil || len(want) == 0) {
			t.Fatalf("%q: %v, standard library %v", body, err, werr)
		}
		if err != nil {
			return
		}
		var got []map[string]*string
		if err := json.Unmarshal(r.Payload.JSON, &got); err != nil || len(got) != len(want)-1 {
			t.Fatalf("%q: %s is not %d rows: %v", body, r.Payload.JSON, len(want)-1, err)
		}
		for i, row := range want[1:] {
			for k, v := range row {
				name := strings.ToValidUTF8(want[0][k], "\ufffd")
				if slices.Contains(want[0][k+1:], want[0][k]) || !utf8.ValidString(want[0][k]) {
					continue
				}
				if g := got[i][name]; (g == nil) != (v == "NULL") || g != nil && utf8.ValidString(v) && *g != v {
					t.Fatalf("%q: %s, want %q in row %d", body, r.Payload.JSON, v, i)
				}
			}
		}
	})
}

// FuzzForm: what is read as it comes is what is read of the whole.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{"a=1&b=x+y", "a=%41%4&%=%zz&b", "=&&=", "a=%22%5c%0a&a=2", "a=%ff", "x&y=1=2", "%6", "a=\x00"} {
		f.Add([]byte(seed), 1)
	}
	f.Fuzz(func(t *testing.T, body []byte, step int) {
		if step <= 0 || len(body) > 4096 {
			t.Skip()
		}
		r := &Request{Method: http.MethodPost, Resource: Relation, ContentType: MediaForm, Query: &Query{}}
		err := r.ReadBody(&steps{body, step}, -1, 0)
		params, werr := splitQuery(string(body))
		if (err == nil) != (werr == nil) {
			t.Fatalf("%q: %v, want %v", body, err, werr)
		}
		if err != nil {
			return
		}
		want := map[string]string{}
		for _, p := range params {
			want[p.key] = p.value
		}
		got := map[string]string{}
		if err := json.Unmarshal(r.Payload.JSON, &got); err != nil || !maps.Equal(got, want) || len(r.Payload.Keys) != len(want) {
			t.Fatalf("%q: %s %q, want %q: %v", body, r.Payload.JSON, r.Payload.Keys, want, err)
		}
	})
}

// steps gives at most so many bytes at a time.
type steps struct {
	rest []byte
	step int
}

func (s *steps) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.step)], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}
