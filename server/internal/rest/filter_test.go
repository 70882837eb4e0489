package rest_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

const filterSchema = `
create type mood as enum ('calm', 'glad', 'wild');
create domain words as tsvector;
create type point2 as (x int, y int);
create table owners(id int primary key, name text);
insert into owners values (1, 'Ann'), (2, 'Bob, the (second)');
create table things(id int primary key, owner_id int references owners(id), n int, label text, flag boolean, tags text[], span int4range, doc jsonb,
  at point2, nums int[], body text, vec tsvector, dom words, u uuid, ts timestamptz, num numeric, m mood, ip inet, b bytea, js json);
insert into things values
 (1, 1, 10, 'apple', true, '{a,b}', '[1,5)', '{"k":{"j":"x"},"l":[1,2,3],"s":"t"}', '(1,2)', '{7,8,9}', 'the cat sat', 'cat:1 sat:2', 'cat:1',
  '11111111-1111-1111-1111-111111111111', '2024-01-01T00:00:00Z', 1.50, 'calm', '10.0.0.1', '\x00ff', '{"a":"cats and dogs"}'),
 (2, 1, 20, 'Apricot', false, '{b,c}', '[5,9)', '{"k":{"j":"y"},"l":[4]}', '(3,4)', '{1}', 'dogs and cats', 'dog:1 cat:2', 'dog:1',
  '22222222-2222-2222-2222-222222222222', '2024-06-01T12:00:00+02:00', 2.5, 'glad', '192.168.0.7', '\x01', '{"a":"birds"}'),
 (3, 2, 30, 'banana (ripe), "best"', null, '{}', '[9,20)', '{"k":null}', null, '{}', 'nothing', null, null, null, null, null, 'wild', null, null, null),
 (4, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
create function twice(things) returns int immutable language sql as 'select $1.n * 2';
`

// ids asks for the things a query selects, in their order.
func (c *client) ids(t *testing.T, query string) []int {
	t.Helper()
	r := c.get(t, "/things?select=id&order=id&"+query)
	var rows []struct{ ID int }
	if err := json.Unmarshal(r.body, &rows); err != nil || r.status != 200 {
		t.Errorf("%s: %d %s", query, r.status, r.body)
		return nil
	}
	ids := make([]int, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	return ids
}

//covers:rest 33 34 35 36 37 38 39 40 41 42 43 44 45 46 52 53 54 55 56 61
func TestFilters(t *testing.T) {
	t.Parallel()
	c := start(t, filterSchema).anonymous()
	for _, q := range []struct {
		filter string // as an app writes it, not yet encoded
		want   []int
	}{
		{"n=eq.10", []int{1}}, {"n=neq.10", []int{2, 3}}, {"n=gt.20", []int{3}}, {"n=gte.20", []int{2, 3}}, {"n=lt.20", []int{1}}, {"n=lte.20", []int{1, 2}},
		{"n=gte.10&n=lt.30", []int{1, 2}},

		{"n=is.null", []int{4}}, {"n=is.NULL", []int{4}}, {"flag=is.true", []int{1}}, {"flag=is.False", []int{2}}, {"flag=is.unknown", []int{3, 4}},
		{"n=is.not_null", []int{1, 2, 3}}, {"n=not.is.null", []int{1, 2, 3}}, {"flag=not.is.true", []int{2, 3, 4}},

		{"n=in.(10,30)", []int{1, 3}}, {`label=in.("apple","banana (ripe), \"best\"")`, []int{1, 3}}, {"label=in.(apple,Apricot)", []int{1, 2}},
		{"n=in.()", nil}, {"n=in.( )", nil}, {"n=not.in.()", []int{1, 2, 3, 4}}, {"label=in.(null)", nil},

		{"n=not.in.(10,20)", []int{3}}, {"n=not.eq.10", []int{2, 3}}, {"label=not.like.a*", []int{2, 3}}, {"n=not.gt.10", []int{1}},
		{"label=like.a%", []int{1}}, {"label=like.a*", []int{1}}, {"label=ilike.A*", []int{1, 2}}, {"label=ilike.%AN%", []int{3}}, {"label=like.a_ple", []int{1}},
		{"label=like(any).{a*,A*}", []int{1, 2}}, {"label=like(all).{a*,*e}", []int{1}}, {"label=ilike(any).{AP*,x*}", []int{1, 2}}, {"label=ilike(all).{A*,*T}", []int{2}},
		{"n=eq(any).{10,30}", []int{1, 3}}, {"n=gt(all).{5,15}", []int{2, 3}}, {"n=lt(any).{15,5}", []int{1}}, {"n=gte(any).{20}", []int{2, 3}}, {"n=lte(all).{20,30}", []int{1, 2}},
		{"label=match(any).{^a,^b}", []int{1, 3}}, {"label=imatch(all).{^a,t$}", []int{2}}, {"n=not.eq(any).{10,30}", []int{2}},
		{"label=match.^a", []int{1}}, {"label=imatch.^A", []int{1, 2}}, {"label=not.match.pp", []int{2, 3}}, {"label=match.a+p{2}", []int{1}},
		{"n=isdistinct.10", []int{2, 3, 4}}, {"n=not.isdistinct.10", []int{1}},

		{"tags=cs.{b}", []int{1, 2}}, {"tags=cd.{a,b,x}", []int{1, 3}}, {"tags=ov.{a,c}", []int{1, 2}}, {"span=cs.[6,7]", []int{2}}, {"span=cd.[0,10)", []int{1, 2}},
		{"span=ov.[4,6]", []int{1, 2}}, {`doc=cs.{"k":{"j":"x"}}`, []int{1}}, {`doc=cd.{"k":null,"z":1}`, []int{3}}, {"tags=eq.{}", []int{3}},
		{"span=sl.[6,7)", []int{1}}, {"span=sr.[1,8]", []int{3}}, {"span=nxr.[0,8]", []int{1, 2}}, {"span=nxl.[5,6]", []int{2, 3}}, {"span=adj.[20,30)", []int{3}},

		{"vec=fts.cat", []int{1, 2}}, {"vec=fts(simple).sat", []int{1}}, {"vec=plfts.cat dog", []int{2}}, {"vec=phfts.cat sat", []int{1}}, {"vec=wfts.cat -dog", []int{1}},
		{"vec=not.fts.dog", []int{1}}, {"body=fts(english).dog", []int{2}}, {"body=plfts(english).cat", []int{1, 2}}, {"body=fts(simple).cat", []int{1}},
		{"js=fts(english).dog", []int{1}}, {"doc=wfts(simple).t", []int{1}}, {"dom=fts.dog", []int{2}}, {"dom=phfts(simple).cat", []int{1}},

		{"doc->k->>j=eq.x", []int{1}}, {"doc->l->0=eq.4", []int{2}}, {"doc->l->>-1=eq.3", []int{1}}, {"doc->>s=is.null", []int{2, 3, 4}}, {"doc->l->>1=in.(2,9)", []int{1}},
		{"js->>a=like.cats*", []int{1}}, {"at->>x=eq.3", []int{2}}, {"at->y=eq.2", []int{1}}, {"nums->0=eq.7", []int{1}}, {"nums->-1=eq.9", []int{1}},
		{"twice=eq.40", []int{2}}, {"twice=gt.20&twice=lt.60", []int{2}},

		{`label=eq."apple"`, nil}, {"label=eq.banana (ripe), \"best\"", []int{3}}, {"label=neq.", []int{1, 2, 3}},
		{"n=is.nullx", []int{4}}, {"n=in.(10)x", []int{1}}, {"and=(n.eq.10))", []int{1}},

		{"u=eq.22222222-2222-2222-2222-222222222222", []int{2}}, {"ts=gt.2024-03-01", []int{2}}, {"ts=eq.2024-06-01T10:00:00+00:00", []int{2}}, {"num=eq.1.5", []int{1}},
		{"num=gte.2.50", []int{2}}, {"m=eq.glad", []int{2}}, {"m=gt.calm", []int{2, 3}}, {"ip=eq.10.0.0.1", []int{1}}, {`b=eq.\x00ff`, []int{1}}, {"flag=eq.true", []int{1}},
	} {
		t.Run(q.filter, func(t *testing.T) {
			if got := c.ids(t, encoded(q.filter)); !slices.Equal(got, q.want) {
				t.Errorf("things %v, want %v", got, q.want)
			}
		})
	}
}

// encoded writes a query string's values as a client does.
func encoded(query string) string {
	params := strings.Split(query, "&")
	for i, p := range params {
		name, value, _ := strings.Cut(p, "=")
		params[i] = url.QueryEscape(name) + "=" + url.QueryEscape(value)
	}
	return strings.Join(params, "&")
}

//covers:rest 47 48 49 50 51
func TestLogicTrees(t *testing.T) {
	t.Parallel()
	c := start(t, filterSchema).anonymous()
	for _, q := range []struct {
		filter string
		want   []int
	}{
		{"or=(n.eq.10,n.eq.30)", []int{1, 3}}, {"and=(n.gt.5,n.lt.25)", []int{1, 2}}, {"or=(n.eq.10)", []int{1}}, {"or=(n.is.null,flag.is.true)", []int{1, 4}},
		{"or=(n.eq.10,n.eq.20)&or=(flag.is.true,label.ilike.b*)", []int{1}}, {"or=(n.eq.10,n.eq.20)&flag=is.false", []int{2}},
		{"or=(and(n.gte.10,n.lte.20,flag.is.false),not.or(n.lt.30,n.is.null))", []int{2, 3}}, {"or=( n.eq.10 , and( n.gt.20 , n.lt.40 ) )", []int{1, 3}},
		{"and=(or(n.eq.10,and(n.eq.20,not.and(flag.is.true,n.eq.20))),n.not.is.null)", []int{1, 2}}, {"or=(n.not.eq.10,label.eq.apple)", []int{1, 2, 3}},
		{"not.or=(n.eq.10,n.eq.20)", []int{3}}, {"not.and=(n.gte.10,n.lte.20)", []int{3}},
		{`or=(label.eq."banana (ripe), \"best\"",n.eq.10)`, []int{1, 3}}, {`or=(label.like."*(ripe)*",n.eq.20)`, []int{2, 3}}, {`and=(label.in.("apple","banana (ripe), \"best\""))`, []int{1, 3}},
		{"or=(n.in.(10,30),n.eq.20)", []int{1, 2, 3}}, {"or=(n.not.in.(10,20),n.eq.20)", []int{2, 3}}, {"or=(tags.cs.{a,b},tags.eq.{})", []int{1, 3}}, {"or=(tags.ov.{c,d},n.eq.10)", []int{1, 2}},
		{"or=(body.fts(english).dog,n.eq.30)", []int{2, 3}}, {"and=(vec.plfts(simple).cat,n.eq(any).{20,30})", []int{2}}, {"or=(label.like(any).{a*,A*},n.is.null)", []int{1, 2, 4}},
		{"or=(doc->k->>j.eq.x,twice.eq.60)", []int{1, 3}}, {`or=(span.cs."[6,7]",n.eq.10)`, []int{1, 2}}, {`or=("n".eq.10,"label".eq."Apricot")`, []int{1, 2}},
	} {
		t.Run(q.filter, func(t *testing.T) {
			if got := c.ids(t, encoded(q.filter)); !slices.Equal(got, q.want) {
				t.Errorf("things %v, want %v", got, q.want)
			}
		})
	}
	// in embeds, at the parent's side and as its condition
	for path, want := range map[string]string{
		"/owners?select=id,things(id)&things.or=(n.eq.10,n.eq.30)&order=id":            `[{"id":1,"things":[{"id":1}]},{"id":2,"things":[{"id":3}]}]`,
		"/owners?select=id,things!inner(id)&things.and=(n.gt.20,label.like.b*)":        `[{"id":2,"things":[{"id":3}]}]`,
		"/owners?select=id,things(id)&things.not.or=(n.eq.10,n.eq.30)&order=id":        `[{"id":1,"things":[{"id":2}]},{"id":2,"things":[]}]`,
		"/owners?select=id,t:things(id)&t.not.and=(n.gte.10,n.lte.10)&order=id":        `[{"id":1,"t":[{"id":2}]},{"id":2,"t":[{"id":3}]}]`,
		"/things?select=id,owners(name)&or=(id.eq.4,owners.not.is.null)&order=id":      `[{"id":1,"owners":{"name":"Ann"}},{"id":2,"owners":{"name":"Ann"}},{"id":3,"owners":{"name":"Bob, the (second)"}},{"id":4,"owners":null}]`,
		`/things?select=id,owners!inner()&owners.or=(name.eq."Bob, the (second)")`:     `[{"id":3}]`,
		"/things?select=id&or=(id.eq.1,id.eq.2)&order=id.desc&limit=1":                 `[{"id":2}]`,
		"/things?select=id&not.or=(id.lt.3,and(id.gte.4,n.is.null))":                   `[{"id":3}]`,
		"/owners?select=id,things(id)&things.n=gt.10&things.or=(n.eq.20)&id=eq.1":      `[{"id":1,"things":[{"id":2}]}]`,
		"/owners?select=id,things(id)&things=is.null":                                  `[]`,
		"/owners?select=id,things(id)&things.n=gt.25&or=(things.is.null,id.gt.5)":      `[{"id":1,"things":[]}]`,
		"/owners?select=id,things(id)&things.n=gt.25&not.or=(things.is.null,id.gt.5)":  `[{"id":2,"things":[{"id":3}]}]`,
		"/owners?select=id,things(id)&things.n=gt.25&and=(things.not.is.null,id.gt.1)": `[{"id":2,"things":[{"id":3}]}]`,
	} {
		t.Run(path, func(t *testing.T) {
			r := c.get(t, strings.NewReplacer(`"`, "%22", " ", "%20").Replace(path))
			r.want(t, 200, want)
		})
	}
}

//covers:rest 57 58 59
func TestFilterErrors(t *testing.T) {
	t.Parallel()
	c := start(t, filterSchema).anonymous()
	for _, q := range []struct{ query, message, details string }{
		{"?id=0", `"failed to parse filter (0)" (line 1, column 1)`, `unexpected "0" expecting "not" or operator (eq, gt, ...)`},
		{"?order=id.asc.nullslasttt", `"failed to parse order (id.asc.nullslasttt)" (line 1, column 17)`, `unexpected 't' expecting "," or end of input`},
		{"?or=()", `"failed to parse logic tree (())" (line 1, column 4)`,
			`unexpected ")" expecting field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)`},
		{"?select=doc->(a", `"failed to parse select parameter (doc->(a)" (line 1, column 6)`,
			`unexpected "(" expecting "-", digit or any non reserved character different from: .,>()`},
		{"?n=eqq.1", `"failed to parse filter (eqq.1)"`, ""},
		{"?n=eq", `"failed to parse filter (eq)"`, ""},
		{"?n=is.maybe", `"failed to parse filter (is.maybe)"`, ""},
		{"?n=in.1,2", `"failed to parse filter (in.1,2)"`, ""},
		{"?n=not.10", `"failed to parse filter (not.10)"`, ""},
		{"?n=eq(some).{1}", `"failed to parse filter (eq(some).{1})"`, ""},
		{"?n=", `"failed to parse filter ()"`, ""},
		{"?or=(n.eq.1", `"failed to parse logic tree ((n.eq.1)"`, ""},
		{"?and=(n.10)", `"failed to parse logic tree ((n.10))"`, ""},
		{"?select=id,", `"failed to parse select parameter (id,)"`, ""},
		{"?order=id.descc", `"failed to parse order (id.descc)"`, ""},
	} {
		r := c.get(t, "/things"+q.query)
		r.wantCode(t, 400, "PGRST100")
		var e struct{ Message, Details string }
		_ = json.Unmarshal(r.body, &e)
		if !strings.HasPrefix(e.Message, q.message) || !strings.HasPrefix(e.Details, "unexpected ") || q.details != "" && (e.Details != q.details || e.Message != q.message) {
			t.Errorf("%s: %s", q.query, r.body)
		}
	}
	r := c.post(t, "/things?columns=", `{}`)
	r.wantCode(t, 400, "PGRST100")
	if want := `unexpected end of input expecting field name (* or [a..z0..9_$])`; !strings.Contains(string(r.body), want) {
		t.Errorf("columns: %s", r.body)
	}
	// types are PostgreSQL's to judge
	for query, code := range map[string]string{
		"n=eq.x": "22P02", "n=in.(1,x)": "22P02", "ts=gt.soon": "22007", "u=eq.1": "22P02", "flag=eq.perhaps": "22P02", "m=eq.sad": "22P02", "num=lt.much": "22P02",
		"n=eq.99999999999999999999": "22003", "span=cs.[5,1]": "22000", "ts=gt.2024-13-40": "22008", "tags=cs.a": "22P02", "doc=cs.{": "22P02", "label=match.(": "2201B",
	} {
		c.get(t, "/things?"+encoded(query)).wantCode(t, 400, code)
	}
	c.get(t, "/things?n=like.1*").wantCode(t, 404, "42883")
	c.get(t, "/things?nope=eq.1").wantCode(t, 400, "42703")
}

// A filter's text is data: whatever it says, the rows are those it names.
func TestFilterValuesAreData(t *testing.T) {
	t.Parallel()
	f := start(t, `create table texts(id int generated by default as identity primary key, v text)`)
	c := f.anonymous()
	values := []string{"'", `"`, `\`, "';drop table texts;--", "$1", "%", "null", "a,b", "(x)", "{a}", "ü\u2028", "*", ".", "eq.1", "not.eq.1", " lead", "\t"}
	for i, v := range values {
		body, _ := json.Marshal(map[string]any{"id": i, "v": v})
		c.post(t, "/texts", string(body)).wantStatus(t, 201)
	}
	for i, v := range values {
		want := fmt.Sprintf(`[{"id":%d}]`, i)
		c.get(t, "/texts?select=id&v=eq."+url.QueryEscape(v)).want(t, 200, want)
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
		c.get(t, "/texts?select=id&v=in.("+url.QueryEscape(quoted)+")").want(t, 200, want)
		c.get(t, "/texts?select=id&or=(v.eq."+url.QueryEscape(quoted)+")").want(t, 200, want)
	}
}
