package request

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var testOptions = Options{Schemas: []string{"public", "private"}}

func parse(t *testing.T, method, path, query string, header ...string) (*Request, *Error) {
	t.Helper()
	h := http.Header{}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return Parse(method, path, query, h, testOptions)
}

func TestPaths(t *testing.T) {
	for _, c := range []struct {
		path     string
		resource Resource
		name     string
		code     string
	}{
		{"/", Root, "", ""}, {"", Root, "", ""}, {"/items", Relation, "items", ""}, {"/a%20b", Relation, "a b", ""},
		{"/a%2Fb", Relation, "a/b", ""}, {"/rpc", Relation, "rpc", ""}, {"/rpc/f", Function, "f", ""}, {"/a+b", Relation, "a+b", ""},
		{"/items/", 0, "", "PGRST125"}, {"/a/b", 0, "", "PGRST125"}, {"/rpc/a/b", 0, "", "PGRST125"}, {"/rpc/", 0, "", "PGRST125"},
		{"/%ff", 0, "", "PGRST125"}, {"/%", 0, "", "PGRST125"},
	} {
		r, err := parse(t, "GET", c.path, "")
		switch {
		case c.code != "":
			if err == nil || err.Code != c.code {
				t.Errorf("%s: %v, want %s", c.path, err, c.code)
			}
		case err != nil:
			t.Errorf("%s: %v", c.path, err)
		case r.Resource != c.resource || r.Name != c.name:
			t.Errorf("%s is %d %q", c.path, r.Resource, r.Name)
		}
	}
}

func TestMethodsAndProfiles(t *testing.T) {
	for _, c := range []struct{ method, path, header, code string }{
		{"POST", "/", "", "PGRST117"}, {"TRACE", "/t", "", "PGRST117"}, {"PUT", "/rpc/f", "", "PGRST101"}, {"PATCH", "/rpc/f", "", "PGRST101"},
		{"GET", "/t", "Accept-Profile: nope", "PGRST106"}, {"POST", "/t", "Content-Profile: nope", "PGRST106"},
		{"POST", "/t", "Accept-Profile: nope", ""}, {"GET", "/t", "Content-Profile: nope", ""},
	} {
		_, err := parse(t, c.method, c.path, "", c.header)
		if (err == nil) != (c.code == "") || err != nil && err.Code != c.code {
			t.Errorf("%s %s %s: %v, want %q", c.method, c.path, c.header, err, c.code)
		}
	}
	r, err := parse(t, "GET", "/t", "", "Accept-Profile: private")
	if err != nil || r.Schema != "private" || !r.Negotiated {
		t.Errorf("%+v %v", r, err)
	}
}

func TestRanges(t *testing.T) {
	for _, c := range []struct {
		method, query, header string
		want                  Range
		code                  string
	}{
		{"GET", "limit=5", "", Range{0, 5, true}, ""},
		{"GET", "limit=5&limit=7", "", Range{0, 7, true}, ""},
		{"GET", "offset=3", "", Range{3, 0, false}, ""},
		{"GET", "offset=-3&limit=2", "", Range{0, 2, true}, ""},
		{"GET", "limit=x&offset=y", "", Range{}, ""},
		{"GET", "limit=0", "Range: 3-9", Range{0, 0, true}, ""},
		{"GET", "limit=-1", "", Range{}, "PGRST103"},
		{"GET", "a.limit=-1&select=a()", "", Range{}, "PGRST103"},
		{"GET", "", "Range: 2-5", Range{2, 4, true}, ""},
		{"GET", "", "Range: 2-", Range{2, 0, false}, ""},
		{"GET", "limit=3&offset=4", "Range: 2-5", Range{4, 2, true}, ""},
		{"GET", "", "Range: 5-2", Range{}, "PGRST103"},
		{"GET", "", "Range: bytes=0-5", Range{}, ""},
		{"HEAD", "", "Range: 2-5", Range{}, ""},
		{"GET", "limit=99999999999999999999", "", Range{0, 1<<63 - 1, true}, ""},
		{"PUT", "limit=1", "", Range{}, "PGRST114"},
	} {
		r, err := parse(t, c.method, "/t", c.query, c.header)
		switch {
		case c.code != "":
			if err == nil || err.Code != c.code {
				t.Errorf("%s %s: %v, want %s", c.query, c.header, err, c.code)
			}
		case err != nil:
			t.Errorf("%s %s: %v", c.query, c.header, err)
		case r.Range != c.want:
			t.Errorf("%s %s: %+v, want %+v", c.query, c.header, r.Range, c.want)
		}
	}
}

func TestPreferences(t *testing.T) {
	h := http.Header{"Prefer": {"return=minimal, count=exact ,x=y", "return=representation,tx=rollback,timezone=UTC,max-affected=5,missing=default"}}
	p, err := ParsePreferences(h, false)
	if err != nil {
		t.Fatal(err)
	}
	want := Preferences{Return: ReturnMinimal, Count: CountExact, Timezone: "UTC", MaxAffected: 5, HasMaxAffected: true,
		Missing: MissingDefault, Unknown: []string{"x=y"}}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
	if p, _ := ParsePreferences(h, true); p.Tx != TxRollback {
		t.Errorf("tx is %v when it may be chosen", p.Tx)
	}
}

func TestAccept(t *testing.T) {
	for in, want := range map[string]string{
		"":                                  "*/*",
		"*/*":                               "*/*",
		"application/json":                  "application/json",
		"text/csv;q=0.5, application/json":  "application/json text/csv",
		"*/*, application/json":             "application/json */*",
		"application/*, text/csv":           "text/csv application/*",
		"application/vnd.pgrst.object":      MediaObject,
		"APPLICATION/VND.PGRST.OBJECT+JSON": MediaObject,
		"application/vnd.pgrst.plan+text; for=\"a/b, c\"; options=analyze|verbose;": MediaPlan,
		"a/b;x=1,a/b": "a/b a/b",
	} {
		list, err := ParseAccept([]string{in})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range list {
			got = append(got, m.Type)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q is %v, want %s", in, got, want)
		}
	}
	m := ParseMediaType(`application/vnd.pgrst.plan+json; FOR="application/json; x=\"y\"" ; options=analyze`)
	if m.Type != "application/vnd.pgrst.plan+json" || m.Param("for") != `application/json; x="y"` || m.Param("options") != "analyze" {
		t.Errorf("%+v", m)
	}
}

func TestBodies(t *testing.T) {
	for _, c := range []struct {
		path, query, ct, body string
		keys                  string
		array                 bool
		json                  string // of the payload, when it is not the body
		code                  string // or message
	}{
		{"/t", "", "", `{"b":1,"a":[1,{"c":null}]}`, "a b", false, "", ""},
		{"/t", "", "application/json; charset=utf-8", ` [{"a":1},{"a":2}] `, "a", true, "", ""},
		{"/t", "", "", `[{"a":1,"b":2},{"b":1,"a":2}]`, "a b", true, "", ""},
		{"/t", "", "", `[{"a":1,"a":2},{"a":1}]`, "a", true, "", ""},
		{"/t", "", "", `[{"\u0061":1},{"a":2}]`, "a", true, "", ""},
		{"/t", "", "", `[{"a":1},{"b":2}]`, "", false, "", "All object keys must match"},
		{"/t", "", "", `[{"a":1},{"a":2,"b":3}]`, "", false, "", "All object keys must match"},
		{"/t", "", "", `[{"a":1,"b":2},{"a":2}]`, "", false, "", "All object keys must match"},
		{"/t", "", "", `[1,2]`, "", false, "", "All object keys must match"},
		{"/t", "", "", `[]`, "", true, "", ""},
		{"/t", "", "", `{}`, "", false, "", ""},
		{"/t", "", "", `[{},{}]`, "", true, "", ""},
		{"/t", "", "", `"x"`, "", true, "[]", ""},
		{"/t", "", "", ``, "", false, "", "Empty or invalid json"},
		{"/t", "", "", `{"a":1`, "", false, "", "Empty or invalid json"},
		{"/t", "", "", `{"a":01}`, "", false, "", "Empty or invalid json"},
		{"/t", "", "", `{"a":1}x`, "", false, "", "Empty or invalid json"},
		{"/t", "", "", `{"a":"\x"}`, "", false, "", "Empty or invalid json"},
		{"/t", "columns=b,a", "", `[{"a":`, "a b", true, "", ""},
		{"/t", "", "text/csv", "a,b\n1,NULL\n\"x,y\",\"q\"\"\"\n", "a b", true, `[{"a":"1","b":null},{"a":"x,y","b":"q\""}]`, ""},
		{"/t", "", "text/csv", "a,b\n1\n", "", false, "", "All lines must have same number of fields"},
		{"/t", "", "application/x-www-form-urlencoded", "a=1&b=x+y", "a b", false, `{"a":"1","b":"x y"}`, ""},
		{"/t", "", "text/plain", "x", "", false, "", "Content-Type not acceptable: text/plain"},
		{"/rpc/f", "", "", "", "", false, "{}", ""},
		{"/rpc/f", "", "text/plain", "x", "", false, "", ""},
	} {
		r, err := parse(t, "POST", c.path, c.query, "Content-Type: "+c.ct)
		if err == nil {
			err = r.ParseBody([]byte(c.body))
		}
		if c.code != "" {
			if err == nil || err.Message != c.code || err.Code != "PGRST102" {
				t.Errorf("%q: %v, want %s", c.body, err, c.code)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.body, err)
			continue
		}
		want := c.json
		if want == "" {
			want = c.body
		}
		if got := strings.Join(r.Payload.Keys, " "); got != c.keys || r.Payload.Array != c.array || string(r.Payload.JSON) != want {
			t.Errorf("%q: keys %q array %v json %s", c.body, got, r.Payload.Array, r.Payload.JSON)
		}
	}
}

func TestQueryClassification(t *testing.T) {
	q, err := ParseQuery("select=a&select=b&a.order=x&order=y&a.order=z&noequals&empty=&apikey.x=eq.1&q=eq.1%26%2B+b", true)
	if err != nil {
		t.Fatal(err)
	}
	if got := showSelect(q.Select); got != `"a"` {
		t.Errorf("the first select counts, not %s", got)
	}
	if len(q.Order) != 2 || q.Order[0].Item[0].Field.Name != "x" {
		t.Errorf("orders %+v", q.Order)
	}
	if len(q.Arguments) != 1 || q.Arguments[0].Name != "empty" {
		t.Errorf("arguments %+v", q.Arguments)
	}
	if len(q.Filters) != 2 || q.Filters[1].Item.Expr.Value != "1&+ b" {
		t.Errorf("filters %+v", q.Filters)
	}
	if want := "a.order=x&a.order=z&apikey.x=eq.1&empty=&order=y&q=eq.1%26%2B%20b&select=a&select=b"; q.Canonical != want {
		t.Errorf("canonical %s", q.Canonical)
	}
	for _, bad := range []string{"a=in.1", "a=is.x", "a=not.b"} {
		if _, err := ParseQuery(bad, true); err == nil {
			t.Errorf("%s is taken for an argument", bad)
		}
	}
	if _, err := ParseQuery("a=%ff", false); err == nil || err.Code != "PGRST100" {
		t.Errorf("bad UTF-8: %v", err)
	}
}
