package request

import (
	"fmt"
	"strings"
	"testing"
)

// The tests compare a short textual form of what was parsed.

func showField(f Field) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q", f.Name)
	for _, s := range f.Path {
		b.WriteString("-")
		if s.Text {
			b.WriteString(">")
		}
		if s.Index {
			fmt.Fprintf(&b, ">[%s]", s.Key)
		} else {
			fmt.Fprintf(&b, ">%q", s.Key)
		}
	}
	return b.String()
}

func showSelect(items []SelectItem) string {
	var parts []string
	for _, item := range items {
		switch i := item.(type) {
		case *SelectField:
			s := showField(i.Field)
			if i.Star {
				s = "*"
			}
			if i.Alias != "" {
				s = i.Alias + "=" + s
			}
			if i.Cast != "" {
				s += "::" + i.Cast
			}
			if i.Aggregate != NoAggregate {
				s += "." + i.Aggregate.String()
			}
			if i.AggregateCast != "" {
				s += "::" + i.AggregateCast
			}
			parts = append(parts, s)
		case *SelectRelation:
			s := i.Name
			if i.Spread {
				s = "..." + s
			}
			if i.Alias != "" {
				s = i.Alias + "=" + s
			}
			if i.Hint != "" {
				s += "!" + i.Hint
			}
			if i.Join == InnerJoin {
				s += "!inner"
			}
			parts = append(parts, s+"("+showSelect(i.Items)+")")
		}
	}
	return strings.Join(parts, " ")
}

func TestSelectGrammar(t *testing.T) {
	for in, want := range map[string]string{
		"":                               ``,
		"*":                              `*`,
		"id,name":                        `"id" "name"`,
		" id , name ":                    `"id" "name"`,
		"a b":                            `"a b"`,
		"full-name":                      `"full-name"`,
		`"odd, (name)"`:                  `"odd, (name)"`,
		`"q\"uote\\"`:                    `"q\"uote\\"`,
		"größe,名前":                       `"größe" "名前"`,
		"alias:id":                       `alias="id"`,
		"id::text":                       `"id"::text`,
		"a:id::double precision":         `a="id"::double precision`,
		"data->a":                        `"data"->"a"`,
		"data->>a->b":                    `"data"->>"a"->"b"`,
		"data->0->>-1":                   `"data"->[0]->>[-1]`,
		"data->1abc":                     `"data"->"1abc"`,
		`data->"a.b"`:                    `"data"->"a.b"`,
		"x:data->a::int":                 `x="data"->"a"::int`,
		"rel(data->0)":                   `rel("data"->[0])`,
		"count()":                        `*.count`,
		"n:count()::text":                `n=*.count::text`,
		"count":                          `"count"`,
		"price.sum()":                    `"price".sum`,
		"a:price::int.avg()::text":       `a="price"::int.avg::text`,
		"x.min(),x.max(),x.count()":      `"x".min "x".max "x".count`,
		"teams(*)":                       `teams(*)`,
		"teams()":                        `teams()`,
		"teams(id,people(id))":           `teams("id" people("id"))`,
		"t:teams!fk!inner(id)":           `t=teams!fk!inner("id")`,
		"teams!inner!fk(id)":             `teams!fk!inner("id")`,
		"teams!left(id)":                 `teams("id")`,
		"teams!leftover(id)":             `teams!leftover("id")`,
		"...teams(name)":                 `...teams("name")`,
		"...teams!inner(a:name, ...b())": `...teams!inner(a="name" ...b())`,
		"posts(count)":                   `posts("count")`,
		"*,teams(*)":                     `* teams(*)`,
	} {
		items, err := parseSelect(in)
		if err != nil {
			t.Errorf("select %q: %v", in, err)
		} else if got := showSelect(items); got != want {
			t.Errorf("select %q is %s, want %s", in, got, want)
		}
	}
}

func showLogic(l Logic) string {
	switch l := l.(type) {
	case *Filter:
		return showField(l.Field) + " " + showOp(l.Expr)
	case *LogicGroup:
		s := "and("
		if l.Or {
			s = "or("
		}
		if l.Not {
			s = "not " + s
		}
		for i, item := range l.Items {
			if i > 0 {
				s += ", "
			}
			s += showLogic(item)
		}
		return s + ")"
	}
	return "?"
}

func showOp(e OpExpr) string {
	s := fmt.Sprint("op", e.Op)
	if e.Not {
		s = "not " + s
	}
	switch e.Quant {
	case Any:
		s += "(any)"
	case All:
		s += "(all)"
	}
	if e.HasConfig {
		s += "(" + e.Config + ")"
	}
	switch e.Op {
	case OpIn:
		return fmt.Sprintf("%s %q", s, e.List)
	case OpIs:
		return fmt.Sprintf("%s %d", s, e.Is)
	}
	return fmt.Sprintf("%s %q", s, e.Value)
}

func TestFilterGrammar(t *testing.T) {
	op := func(o Operator, rest string) string { return fmt.Sprintf("op%d%s", o, rest) }
	for in, want := range map[string]string{
		"eq.1":                op(OpEq, ` "1"`),
		"eq.":                 op(OpEq, ` ""`),
		`eq."a"`:              op(OpEq, ` "\"a\""`),
		"neq.x.y":             op(OpNeq, ` "x.y"`),
		"gt.1":                op(OpGt, ` "1"`),
		"gte.1":               op(OpGte, ` "1"`),
		"lt.1":                op(OpLt, ` "1"`),
		"lte.1":               op(OpLte, ` "1"`),
		"like.*a*":            op(OpLike, ` "*a*"`),
		"like(any).{a*,b}":    op(OpLike, `(any) "{a*,b}"`),
		"ilike(all).{a}":      op(OpILike, `(all) "{a}"`),
		"match.^a":            op(OpMatch, ` "^a"`),
		"imatch.^a":           op(OpIMatch, ` "^a"`),
		"not.eq.1":            "not " + op(OpEq, ` "1"`),
		"in.(1,2)":            op(OpIn, ` ["1" "2"]`),
		"in.()":               op(OpIn, ` []`),
		"in.(  )":             op(OpIn, ` []`),
		"in.( a,b )":          op(OpIn, ` ["a" "b "]`),
		`in.("a,b","c\"d",e)`: op(OpIn, ` ["a,b" "c\"d" "e"]`),
		`in.("a"b,c)`:         op(OpIn, ` ["\"a\"b" "c"]`),
		"in.(1,2)x":           op(OpIn, ` ["1" "2"]`),
		"in.(null)":           op(OpIn, ` ["null"]`),
		"not.in.(a)":          "not " + op(OpIn, ` ["a"]`),
		"is.null":             op(OpIs, " 1"),
		"is.NOT_NULL":         op(OpIs, " 2"),
		"is.nullx":            op(OpIs, " 1"),
		"is.True":             op(OpIs, " 3"),
		"not.is.unknown":      "not " + op(OpIs, " 5"),
		"isdistinct.1":        op(OpIsDistinct, ` "1"`),
		"fts.a":               op(OpFts, ` "a"`),
		"wfts(english).a b":   op(OpFtsWeb, `(english) "a b"`),
		"plfts.a":             op(OpFtsPlain, ` "a"`),
		"phfts(simple).a":     op(OpFtsPhrase, `(simple) "a"`),
		"cs.{a}":              op(OpContains, ` "{a}"`),
		"cd.{a}":              op(OpContained, ` "{a}"`),
		"ov.[1,2)":            op(OpOverlaps, ` "[1,2)"`),
		"sl.(1,2)":            op(OpStrictlyLeft, ` "(1,2)"`),
		"sr.(1,2)":            op(OpStrictlyRight, ` "(1,2)"`),
		"nxr.(1,2)":           op(OpNotExtendsRight, ` "(1,2)"`),
		"nxl.(1,2)":           op(OpNotExtendsLeft, ` "(1,2)"`),
		"adj.(1,2)":           op(OpAdjacent, ` "(1,2)"`),
	} {
		at, ok, err := parseFilter("c", in, false)
		if err != nil || !ok {
			t.Errorf("filter %q: %v", in, err)
		} else if got := showOp(at.Item.Expr); got != want {
			t.Errorf("filter %q is %s, want %s", in, got, want)
		}
	}
	at, _, err := parseFilter(`a.b."c.d"->x->>0`, "eq.1", false)
	if err != nil || strings.Join(at.Path, "/") != "a/b" || showField(at.Item.Field) != `"c.d"->"x"->>[0]` {
		t.Errorf("path %v, field %s, %v", at.Path, showField(at.Item.Field), err)
	}
}

func TestLogicGrammar(t *testing.T) {
	for in, want := range map[string]string{
		"or=(a.eq.1,b.eq.2)":                      `or("a" op1 "1", "b" op1 "2")`,
		"and=( a.eq.1 , or ( b.eq.2 , c.eq.3 ) )": `and("a" op1 "1 ", or("b" op1 "2 ", "c" op1 "3 "))`,
		"not.or=(a.eq.1)":                         `not or("a" op1 "1")`,
		"or=(not.and(a.eq.1,b.eq.2),c.is.null)":   `or(not and("a" op1 "1", "b" op1 "2"), "c" op20 1)`,
		"or=(a.not.eq.1)":                         `or("a" not op1 "1")`,
		`or=(a.eq."x,y)",b.in.(1,"2,3"))`:         `or("a" op1 "x,y)", "b" op19 ["1" "2,3"])`,
		"or=(a.cs.{1,2},b.eq.3)":                  `or("a" op11 "{1,2}", "b" op1 "3")`,
		"or=(a.fts(english).x,b.eq.3)":            `or("a" op22(english) "x", "b" op1 "3")`,
		"or=(a->b->>c.eq.1)":                      `or("a"->"b"->>"c" op1 "1")`,
		"or=(a.eq.1))":                            `or("a" op1 "1")`,
		"or=(order.eq.1)":                         `or("order" op1 "1")`,
	} {
		key, value, _ := strings.Cut(in, "=")
		at, err := parseLogic(key, value)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if got := showLogic(at.Item); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
	at, err := parseLogic("a.b.not.or", "(x.eq.1)")
	if err != nil || strings.Join(at.Path, "/") != "a/b" || !at.Item.Not || !at.Item.Or {
		t.Errorf("embedded: %+v %v", at, err)
	}
}

func TestOrderGrammar(t *testing.T) {
	for in, want := range map[string]string{
		"id":                             `"id" 0 0`,
		"id.desc":                        `"id" 2 0`,
		"id.asc.nullslast, b.nullsfirst": `"id" 1 2; "b" 0 1`,
		"data->>a.desc":                  `"data"->>"a" 2 0`,
		"rel(name).desc.nullsfirst":      `rel "name" 2 1`,
		"rel(data->a),id":                `rel "data"->"a" 0 0; "id" 0 0`,
	} {
		at, err := parseOrder("order", in)
		if err != nil {
			t.Errorf("order %q: %v", in, err)
			continue
		}
		var parts []string
		for _, o := range at.Item {
			s := fmt.Sprintf("%s %d %d", showField(o.Field), o.Direction, o.Nulls)
			if o.Relation != "" {
				s = o.Relation + " " + s
			}
			parts = append(parts, s)
		}
		if got := strings.Join(parts, "; "); got != want {
			t.Errorf("order %q is %s, want %s", in, got, want)
		}
	}
}

func TestGrammarErrors(t *testing.T) {
	for _, c := range []struct{ query, message, details string }{
		{"id=0", `"failed to parse filter (0)" (line 1, column 1)`, `unexpected "0" expecting "not" or operator (eq, gt, ...)`},
		{"id=noop.0", `"failed to parse filter (noop.0)" (line 1, column 1)`, `unexpected "o" expecting "not" or operator (eq, gt, ...)`},
		{"id=in.1", `"failed to parse filter (in.1)" (line 1, column 4)`, `unexpected "1" expecting "("`},
		{"id=is.1", `"failed to parse filter (is.1)" (line 1, column 4)`, `unexpected "1" expecting isVal: (null, not_null, true, false, unknown)`},
		{"id=fts().x", `"failed to parse filter (fts().x)" (line 1, column 5)`, `unexpected ")" expecting operator (eq, gt, ...)`},
		{"order=id.asc.nullslasttt", `"failed to parse order (id.asc.nullslasttt)" (line 1, column 17)`, `unexpected 't' expecting "," or end of input`},
		{"order=id.descc", `"failed to parse order (id.descc)" (line 1, column 8)`, `unexpected 'c' expecting delimiter (.), "," or end of input`},
		{"order=id.ac", `"failed to parse order (id.ac)" (line 1, column 4)`, `unexpected "c" expecting "asc", "desc", "nullsfirst" or "nullslast"`},
		{"order=id.asc.smth34", `"failed to parse order (id.asc.smth34)" (line 1, column 8)`, `unexpected "s" expecting "nullsfirst" or "nullslast"`},
		{"or=()", `"failed to parse logic tree (())" (line 1, column 4)`, `unexpected ")" expecting field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)`},
		{"or=(id.in.1,2,id.eq.3)", `"failed to parse logic tree ((id.in.1,2,id.eq.3))" (line 1, column 10)`, `unexpected "1" expecting "("`},
		{"or=)(", `"failed to parse logic tree ()()" (line 1, column 3)`, `unexpected ")" expecting "("`},
		{"and=(ord(id.eq.1,id.eq.1),id.eq.2)", `"failed to parse logic tree ((ord(id.eq.1,id.eq.1),id.eq.2))" (line 1, column 7)`, `unexpected "d" expecting "("`},
		{"or=(id.eq.1,not.xor(id.eq.2,id.eq.3))", `"failed to parse logic tree ((id.eq.1,not.xor(id.eq.2,id.eq.3)))" (line 1, column 16)`, `unexpected "x" expecting logic operator (and, or)`},
		{"columns=", `"failed to parse columns parameter ()" (line 1, column 1)`, `unexpected end of input expecting field name (* or [a..z0..9_$])`},
		{"on_conflict=", `"failed to parse on_conflict parameter ()" (line 1, column 1)`, `unexpected end of input expecting field name (* or [a..z0..9_$])`},
		{"select=data->(a", `"failed to parse select parameter (data->(a)" (line 1, column 7)`, `unexpected "(" expecting "-", digit or any non reserved character different from: .,>()`},
		{"select=data->>--34", `"failed to parse select parameter (data->>--34)" (line 1, column 9)`, `unexpected "-" expecting digit`},
		{"select=name!hint", `"failed to parse select parameter (name!hint)" (line 1, column 5)`, `unexpected '!' expecting letter, digit, "-", "->>", "->", "::", ".", ")", "," or end of input`},
		{"select=id,clients(name[])", `"failed to parse select parameter (id,clients(name[]))" (line 1, column 16)`, `unexpected '[' expecting letter, digit, "-", "->>", "->", "::", ".", ")", "," or end of input`},
		{"select=name::", `"failed to parse select parameter (name::)" (line 1, column 7)`, `unexpected end of input expecting letter or digit`},
	} {
		_, err := ParseQuery(c.query, false)
		if err == nil {
			t.Errorf("%s: accepted", c.query)
			continue
		}
		if err.Code != "PGRST100" || err.Status != 400 || err.Message != c.message {
			t.Errorf("%s: %s %d\n got %s\nwant %s", c.query, err.Code, err.Status, err.Message, c.message)
		}
		if err.Details != c.details {
			t.Errorf("%s: details\n got %s\nwant %s", c.query, err.Details, c.details)
		}
	}
}

func TestLimitsAreEnforced(t *testing.T) {
	deep := strings.Repeat("and(", MaxLogicDepth+1) + "a.eq.1" + strings.Repeat(")", MaxLogicDepth+1)
	for name, query := range map[string]string{
		"parameters":   strings.Repeat("a=eq.1&", MaxParameters+1),
		"logic depth":  "or=(" + deep + ")",
		"logic leaves": "or=(" + strings.Repeat("a.eq.1,", MaxLogicLeaves) + "a.eq.1)",
		"embed depth":  "select=" + strings.Repeat("a(", MaxEmbedDepth+1) + strings.Repeat(")", MaxEmbedDepth+1),
		"embeds":       "select=" + strings.Repeat("a(),", MaxEmbeds) + "a()",
		"items":        "select=" + strings.Repeat("a,", MaxSelectItems) + "a",
		"columns":      "columns=" + strings.Repeat("a,", MaxSelectItems) + "a",
		"json path":    "select=a" + strings.Repeat("->b", MaxJSONPath+1),
		"list":         "a=in.(" + strings.Repeat("1,", MaxListElements) + "1)",
	} {
		if _, err := ParseQuery(query, false); err == nil || err.Code != "PGRST100" || err.Status != 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Parse("GET", "/"+strings.Repeat("a", MaxTargetBytes), "", nil, Options{Schemas: []string{"public"}}); err == nil || err.Status != 414 {
		t.Errorf("long target: %v", err)
	}
	fine := "or=(" + strings.Repeat("and(", MaxLogicDepth-2) + "a.eq.1" + strings.Repeat(")", MaxLogicDepth-2) + ")"
	if _, err := ParseQuery(fine, false); err != nil {
		t.Errorf("%d levels: %v", MaxLogicDepth-1, err)
	}
}
