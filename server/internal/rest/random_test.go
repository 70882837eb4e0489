package rest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// generator writes requests that follow the grammar, over the schema of the
// embedding tests: mostly with names that exist, with values that are partly
// hostile.
type generator struct {
	*rand.Rand
	embeds []string // paths of the embeds in the select list
}

type node struct {
	columns []string
	embeds  map[string]string // how another relation may be named → which one it is
}

var nodes = map[string]node{
	"users": {[]string{"id", "name"}, map[string]string{"rooms": "rooms", "messages!sender": "messages", "messages!messages_receiver_fk": "messages",
		"badges": "badges", "best_friend": "users", "events": "events", "cards": "cards"}},
	"rooms":        {[]string{"id", "slug", "owner_id"}, map[string]string{"messages": "messages", "users": "users", "owner_id": "users", "message_view": "message_view"}},
	"messages":     {[]string{"id", "body", "sender", "receiver", "room_id"}, map[string]string{"sender": "users", "users!receiver": "users", "rooms": "rooms", "tags": "tags", "message_tags": "message_tags"}},
	"tags":         {[]string{"id", "label"}, map[string]string{"messages": "messages", "message_tags": "message_tags"}},
	"message_tags": {[]string{"message_id", "tag_id"}, map[string]string{"tags": "tags", "messages": "messages"}},
	"message_view": {[]string{"mid", "text", "room", "loud"}, map[string]string{"rooms": "rooms", "message_tags": "message_tags"}},
	"badges":       {[]string{"user_id", "kind"}, map[string]string{"users": "users"}},
	"events":       {[]string{"id", "day", "user_id"}, map[string]string{"users": "users"}},
	"orgs":         {[]string{"a", "b", "title"}, map[string]string{"staff": "staff"}},
	"staff":        {[]string{"id", "org_a", "name"}, map[string]string{"orgs": "orgs"}},
	"cards":        {[]string{"shade", "id", "user_id"}, map[string]string{"users": "users"}}, // shades are represented
}

func (g *generator) pick(list ...string) string { return list[g.IntN(len(list))] }

func (g *generator) column(rel string) string {
	if g.IntN(25) == 0 {
		return g.pick("nope", `"x,y"`, `"a\"b"`, `"*"`, "count")
	}
	return g.pick(nodes[rel].columns...)
}

func (g *generator) field(rel string) string {
	f := g.column(rel)
	for g.IntN(12) == 0 {
		f += g.pick("->", "->>") + g.pick("a", "0", "-1", "b-c", `"q.r"`)
	}
	return f
}

func (g *generator) items(rel, path string, depth int) string {
	var out []string
	for range 1 + g.IntN(3) {
		switch n := g.IntN(10); {
		case n < 5:
			s := g.field(rel)
			if g.IntN(3) == 0 {
				s = g.pick("k", "K", `"o d"`) + ":" + s
			}
			if g.IntN(6) == 0 {
				s += "::" + g.pick("text", "text", "nosuch", "$x", "varchar")
			}
			if g.IntN(12) == 0 {
				s += "." + g.pick("max", "count") + "()"
			}
			out = append(out, s)
		case n < 6:
			out = append(out, "*")
		case n == 6 && g.IntN(4) == 0:
			out = append(out, "count()")
		case depth > 0:
			names := slices.Sorted(maps.Keys(nodes[rel].embeds))
			name := g.pick(names...)
			key, _, _ := strings.Cut(name, "!")
			s := name + g.pick("", "", "!inner", "!left")
			prefix := ""
			switch g.IntN(6) {
			case 0:
				prefix = "..."
			case 1:
				key = fmt.Sprint("al", len(g.embeds))
				prefix = key + ":"
			}
			g.embeds = append(g.embeds, path+key+".")
			out = append(out, prefix+s+"("+g.items(nodes[rel].embeds[name], path+key+".", depth-1)+")")
		}
	}
	if g.IntN(10) == 0 {
		return ""
	}
	return strings.Join(out, ",")
}

func (g *generator) operation(inTree bool) string {
	value := g.pick("1", "x", "", "'", `\`, "%", "*a*", "{1,2}", "[1,5)", "null", "true", "2024-01-01", `"q"`, "$1", "--", "a b")
	if inTree {
		value = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
	}
	op := g.pick("eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj", "isdistinct",
		"fts", "plfts", "phfts(english)", "wfts(nosuch)", "eq(any)", "like(all)", "is", "in")
	not := g.pick("", "", "not.")
	switch op {
	case "is":
		return not + "is." + g.pick("null", "not_null", "true", "false", "unknown")
	case "in":
		return not + "in.(" + g.pick("", "1,2", `"a,b",c`, "x") + ")"
	}
	return not + op + "." + value
}

func (g *generator) tree(rel string, depth int) string {
	var parts []string
	for range 1 + g.IntN(3) {
		if depth > 0 && g.IntN(3) == 0 {
			parts = append(parts, g.pick("", "not.")+g.pick("and", "or")+"("+g.tree(rel, depth-1)+")")
		} else {
			parts = append(parts, g.field(rel)+"."+g.operation(true))
		}
	}
	return strings.Join(parts, ",")
}

func (g *generator) request() (method, target, body string, header []string) {
	method = g.pick("GET", "GET", "GET", "GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "GET")
	rel := g.pick(slices.Sorted(maps.Keys(nodes))...)
	var q []string
	add := func(k, v string) { q = append(q, url.QueryEscape(k)+"="+url.QueryEscape(v)) }
	if g.IntN(6) > 0 {
		add("select", g.items(rel, "", 2))
	}
	path := func() string {
		if len(g.embeds) > 0 && g.IntN(2) == 0 {
			return g.pick(g.embeds...)
		}
		return ""
	}
	for range g.IntN(3) {
		add(path()+g.field(rel), g.operation(false))
	}
	if len(g.embeds) > 0 && g.IntN(3) == 0 {
		add(strings.TrimSuffix(g.embeds[0], "."), g.pick("is.null", "not.is.null"))
	}
	if g.IntN(4) == 0 {
		add(path()+g.pick("or", "and", "not.or"), "("+g.tree(rel, 2)+")")
	}
	if g.IntN(2) == 0 {
		add(path()+"order", g.field(rel)+g.pick("", ".desc", ".asc.nullsfirst"))
	}
	if method != http.MethodPut && g.IntN(3) == 0 {
		add(path()+"limit", g.pick("0", "1", "5"))
		add("offset", g.pick("0", "0", "1"))
	}
	target = "/" + rel
	first := nodes[rel].columns[0]
	switch method {
	case http.MethodPut:
		q = append(q, first+"=eq.77")
		body = `{"` + first + `":77}`
	case http.MethodPost, http.MethodPatch:
		body = g.pick(`{}`, `[]`, `{"`+first+`":77}`, `[{"`+first+`":78},{"`+first+`":79}]`, `{"`+first+`":"x"}`, `{"`+first+`":null}`)
		if g.IntN(4) == 0 {
			add("columns", g.pick(first, "nope"))
		}
		if g.IntN(4) == 0 {
			add("on_conflict", g.pick(first, "nope"))
		}
	case http.MethodGet:
		if rel == "messages" && g.IntN(2) == 0 {
			target = "/rpc/" + g.pick("whole_messages", "one_message")
		}
	}
	header = []string{"Accept: " + g.pick("*/*", "*/*", "*/*", "text/csv", "text/x-list", "application/vnd.pgrst.object+json", "application/vnd.pgrst.array+json;nulls=stripped"),
		"Prefer: tx=rollback, " + g.pick("return=representation", "return=representation", "return=minimal", "return=headers-only", "") + ", " +
			g.pick("", "count=exact", "count=planned", "count=estimated") + ", " +
			g.pick("", "resolution=merge-duplicates", "resolution=ignore-duplicates", "missing=default")}
	return method, target + "?" + strings.Join(q, "&"), body, header
}

// Whatever the grammar allows becomes SQL that PostgreSQL can read: it may
// refuse a name or a value, but never the form of the statement.
func TestRandomRequestsMakeGoodSQL(t *testing.T) {
	t.Parallel()
	f := start(t, embedSchema+`
		create function whole_messages() returns setof messages stable language sql as 'select * from messages';
		create function one_message() returns messages stable language sql as 'select * from messages limit 1';
		create domain shade as text;
		create function shade_out(shade) returns json immutable language sql as $$ select to_json('#' || $1) $$;
		create function shade_in(text) returns shade immutable language sql as $$ select ltrim($1, '#')::shade $$;
		create function shade_in(json) returns shade immutable language sql as $$ select shade_in($1 #>> '{}') $$;
		create cast (shade as json) with function shade_out(shade) as implicit;
		create cast (text as shade) with function shade_in(text) as implicit;
		create cast (json as shade) with function shade_in(json) as implicit;
		create table cards(shade shade primary key default 'dark', id int default 5, user_id int references users(id));
		insert into cards values ('light', 1, 1), ('x', 2, null);
		create domain "text/x-list" as text;
		create function item(state text, next anyelement) returns "text/x-list" immutable language sql as $$ select (state || next::text)::"text/x-list" $$;
		create aggregate list(anyelement) (sfunc = item, stype = "text/x-list", initcond = '');
		create function user_item(state text, next users) returns "text/x-list" immutable language sql as $$ select (state || next.name)::"text/x-list" $$;
		create aggregate user_list(users) (sfunc = user_item, stype = "text/x-list", initcond = 'users: ')`)
	f.configure(t, "db_aggregates_enabled", "true")
	f.configure(t, "db_tx_end", "rollback-allow-override")
	c := f.as(t, "service_role", nil)
	bad := map[string]bool{"42P02": true, "42P18": true, "08P01": true, "XX000": true, "PGRSTX00": true, "PGRST001": true, "42P20": true}
	seen := map[string]int{}
	for seed := range uint64(1500) {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 7))}
		method, target, body, header := g.request()
		r := c.send(t, method, target, body, header...)
		code := fmt.Sprint(r.status)
		if r.status >= 400 && method != http.MethodHead {
			var e struct{ Code string }
			if err := json.Unmarshal(r.body, &e); err != nil || e.Code == "" {
				t.Errorf("seed %d: %s %s: %d %s", seed, method, target, r.status, r.body)
			}
			code = e.Code
		}
		if method == http.MethodHead && r.status >= 400 {
			code = strings.TrimPrefix(r.header.Get("Proxy-Status"), "PostgREST; error=")
		}
		seen[code]++
		if bad[code] || strings.Contains(string(r.body), "syntax error at") {
			decoded, _ := url.QueryUnescape(target)
			t.Errorf("seed %d: %s %s\n%s\n%v: %s", seed, method, decoded, body, header, r.body)
		}
	}
	if seen["200"] < 100 || seen["206"] == 0 || seen["201"] == 0 {
		t.Errorf("the requests are too wild to tell much: %v", seen)
	}
	t.Log(seen)
}
