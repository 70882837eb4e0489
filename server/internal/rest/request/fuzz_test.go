package request

import (
	"encoding/json"
	"net/http"
	"testing"
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
