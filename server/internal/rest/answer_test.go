package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const answerSchema = `
create table rows(id int primary key, name text, note text, tags text[]);
insert into rows values (1, 'one', null, '{a,b}'), (2, 'two, "2"', 'x', '{}'), (3, null, '', null);
create table parts(id int primary key, row_id int references rows(id), label text);
insert into parts values (1, 1, null);
create table unkeyed(a int);
create function number() returns int immutable language sql as 'select 7';
create function all_rows() returns setof rows stable language sql as 'select * from rows order by id';
create function one_row() returns rows stable language sql as 'select * from rows where id = 1';
create function labels() returns setof text immutable language sql as $$ values ('a'), ('b') $$;
create function no_row() returns void language sql as '';
`

const (
	asJSON   = "application/json; charset=utf-8"
	asCSV    = "text/csv; charset=utf-8"
	asObject = "application/vnd.pgrst.object+json; charset=utf-8"
)

//covers:rest 178 182 183 184 188 189
func TestMediaTypes(t *testing.T) {
	t.Parallel()
	c := start(t, answerSchema).anonymous()
	const strippedObject = "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8"
	const strippedArray = "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8"
	// bodies that begin with a bracket, a brace or a digit are compared as JSON
	for _, q := range []struct{ path, accept, contentType, body string }{
		{"/rows?select=id&id=eq.1", "", asJSON, `[{"id":1}]`},
		{"/rows?select=id&id=eq.1", "*/*", asJSON, `[{"id":1}]`},
		{"/rows?select=id&id=eq.1", "application/json", asJSON, `[{"id":1}]`},
		{"/rows?select=id&id=eq.1", "Application/JSON; charset=utf-8", asJSON, `[{"id":1}]`},
		{"/rows?select=id&id=eq.1", "application/vnd.pgrst.array+json", asJSON, `[{"id":1}]`},
		{"/rows?select=id&id=eq.1", "application/vnd.pgrst.array", asJSON, `[{"id":1}]`},
		{"/rpc/number", "application/json", asJSON, `7`},
		{"/rpc/one_row?select=id", "*/*", asJSON, `{"id":1}`},
		{"/rpc/labels", "*/*", asJSON, `["a","b"]`},

		{"/rows?id=eq.1&select=id,note", "application/vnd.pgrst.object+json", asObject, `{"id":1,"note":null}`},
		{"/rows?id=eq.1&select=id,note", "application/vnd.pgrst.object+json;nulls=stripped", strippedObject, `{"id":1}`},
		{"/rows?id=eq.1&select=id,note,parts(id,label)", "application/vnd.pgrst.object;nulls=stripped", strippedObject, `{"id":1,"parts":[{"id":1}]}`},
		{"/rows?select=id,name,note&order=id", "application/vnd.pgrst.array+json;nulls=stripped", strippedArray,
			`[{"id":1,"name":"one"},{"id":2,"name":"two, \"2\"","note":"x"},{"id":3,"note":""}]`},
		{"/rows?id=eq.9", "application/vnd.pgrst.array+json; nulls=stripped", strippedArray, `[]`},
		{"/rpc/all_rows?select=id,note&limit=1", "application/vnd.pgrst.array+json;nulls=stripped", strippedArray, `[{"id":1}]`},

		{"/rows?select=id,name,note,tags&order=id", "text/csv", asCSV,
			"id,name,note,tags\n1,one,,\"{a,b}\"\n2,\"two, \"\"2\"\"\",x,{}\n3,,\"\","},
		{"/rows?id=eq.9", "text/csv", asCSV, "\n"},
		{"/rows?select=number:id&id=eq.1", "text/csv; version=1", asCSV, "number\n1"},
		{"/rows?select=id,parts(label)&id=eq.1", "text/csv", asCSV, "id,parts\n1,\"[{\"\"label\"\": null}]\""},
		{"/parts?select=id,rows(note,id)", "text/csv", asCSV, "id,rows\n1,\"{\"\"id\"\": 1, \"\"note\"\": null}\""},
		{"/rows?select=id,...parts(label,part:id)&id=eq.1", "text/csv", asCSV, "id,label,part\n1,[null],[1]"},
		{"/rpc/all_rows?select=id", "text/csv", asCSV, "id\n1\n2\n3"},
		{"/rpc/number", "text/csv", asCSV, "pgrst_scalar\n7"},

		{"/rows?select=id&id=eq.1", "text/csv, */*", asCSV, "id\n1"},
		{"/rows?select=id&id=eq.1", "un/known, text/csv", asCSV, "id\n1"},
		{"/rows?select=id&id=eq.1", "text/csv;q=0.5, application/json", asJSON, `[{"id":1}]`},
		{"/rows?select=id&id=eq.1", "*/*, text/csv", asCSV, "id\n1"},
		{"/rows?select=id&id=eq.1", "text/csv;q=0.2, application/json;q=0.1, image/png;q=0.9", asCSV, "id\n1"},
		{"/rows?select=id&id=eq.1", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", asJSON, `[{"id":1}]`},
		{"/rpc/all_rows?select=id&id=eq.1", "text/html, */*;q=0.1", asJSON, `[{"id":1}]`},
	} {
		t.Run(q.path+" "+q.accept, func(t *testing.T) {
			var header []string
			if q.accept != "" {
				header = []string{"Accept: " + q.accept}
			}
			r := c.get(t, q.path, header...)
			r.wantHeader(t, "Content-Type: "+q.contentType)
			if strings.HasPrefix(q.contentType, "text/csv") {
				r.wantText(t, 200, q.body)
			} else {
				r.want(t, 200, q.body)
			}
		})
	}
	for accept, named := range map[string]string{
		"application/xml": "application/xml", "image/png, text/unknown;q=0.5": "image/png, text/unknown", "text/xml;q=0.9": "text/xml", "undefined": "undefined",
		"application/octet-stream": "application/octet-stream", "Text/Plain": "text/plain",
	} {
		r := c.get(t, "/rows", "Accept: "+accept)
		r.wantHeader(t, "Content-Type: "+asJSON)
		r.want(t, 406, fmt.Sprintf(`{"code":"PGRST107","details":null,"hint":null,"message":"None of these media types are available: %s"}`, named))
	}
}

//covers:rest 179 180 181
func TestSingleObjects(t *testing.T) {
	t.Parallel()
	f := start(t, answerSchema)
	c := f.anonymous()
	const accept = "Accept: application/vnd.pgrst.object+json"
	const full = "Prefer: return=representation"
	refused := func(r *result, rows int) {
		t.Helper()
		r.want(t, 406, fmt.Sprintf(`{"code":"PGRST116","details":"The result contains %d rows","hint":null,"message":"Cannot coerce the result to a single JSON object"}`, rows))
		r.wantHeader(t, "Content-Type: "+asJSON)
		r.wantHeader(t, "Proxy-Status: PostgREST; error=PGRST116")
	}
	r := c.get(t, "/rows?select=id&id=eq.1", accept)
	r.want(t, 200, `{"id":1}`)
	r.wantHeader(t, "Content-Type: "+asObject)
	refused(c.get(t, "/rows?id=eq.9", accept), 0)
	refused(c.get(t, "/rows?id=lt.3", accept), 2)
	c.get(t, "/rows?id=lt.3&limit=1&order=id&select=id", accept).want(t, 200, `{"id":1}`)
	refused(c.get(t, "/rpc/all_rows", accept), 3)
	c.get(t, "/rpc/all_rows?id=eq.2&select=id", accept).want(t, 200, `{"id":2}`)
	c.get(t, "/rpc/one_row?select=id", accept).want(t, 200, `{"id":1}`)
	c.get(t, "/rpc/number", accept).want(t, 200, `7`)

	// a write that does not end in one row has not happened
	refused(c.post(t, "/rows", `[{"id":11},{"id":12}]`, full, accept), 2)
	refused(c.post(t, "/rows", `[{"id":11},{"id":12}]`, accept), 2)
	refused(c.send(t, http.MethodPatch, "/rows?id=lt.3", `{"note":"changed"}`, full, accept), 2)
	refused(c.send(t, http.MethodPatch, "/rows?id=eq.99", `{"note":"changed"}`, full, accept), 0)
	refused(c.send(t, http.MethodDelete, "/rows?id=gt.1", "", full, accept), 2)
	if n := f.count(t, "select from rows where id > 3 or note = 'changed'"); n != 0 || f.count(t, "select from rows") != 3 {
		t.Errorf("%d rows were written", n)
	}
	c.post(t, "/rows?select=id", `{"id":11}`, full, accept).want(t, 201, `{"id":11}`)
	c.send(t, http.MethodPatch, "/rows?id=eq.11&select=note", `{"note":"y"}`, full, accept).want(t, 200, `{"note":"y"}`)
	c.send(t, http.MethodDelete, "/rows?id=eq.11&select=id", "", full, accept).want(t, 200, `{"id":11}`)

	// maybeSingle asks for an array and counts itself
	c.get(t, "/rows?select=id&id=eq.9").want(t, 200, `[]`)
	c.get(t, "/rows?select=id&id=eq.1").want(t, 200, `[{"id":1}]`)
}

//covers:rest 191 192 195 196 197
func TestAnswerHeaders(t *testing.T) {
	t.Parallel()
	f := start(t, answerSchema)
	f.configure(t, "db_tx_end", "commit-allow-override")
	c := f.anonymous()
	const full, minimal = "return=representation", "return=minimal"
	for _, q := range []struct {
		method, path, body, prefer, accept string
		status                             int
		contentType, window, applied       string
		length                             string // of the body, "" when it is not told
	}{
		{"GET", "/rows?select=id", "", "", "", 200, asJSON, "0-2/*", "", "34"},
		{"GET", "/rows?select=id&limit=0", "", "", "", 200, asJSON, "*/*", "", "2"},
		{"GET", "/rows?select=id&limit=0", "", "count=exact", "", 206, asJSON, "*/3", "count=exact", "2"},
		{"GET", "/rows?select=id&offset=1&order=id&limit=1", "", "count=exact", "", 206, asJSON, "1-1/3", "count=exact", "10"},
		{"GET", "/rows?select=id&id=eq.9", "", "count=exact", "", 200, asJSON, "*/0", "count=exact", "2"},
		{"HEAD", "/rows?select=id", "", "", "", 200, asJSON, "0-2/*", "", ""},
		{"HEAD", "/rows?select=id&limit=1", "", "count=exact", "", 206, asJSON, "0-0/3", "count=exact", ""},
		{"HEAD", "/rows?id=eq.1", "", "", "text/csv", 200, asCSV, "0-0/*", "", ""},
		{"HEAD", "/rpc/all_rows", "", "count=exact", "", 200, asJSON, "0-2/3", "count=exact", ""},
		{"GET", "/rpc/all_rows?select=id", "", "count=exact", "", 200, asJSON, "0-2/3", "count=exact", "34"},
		{"GET", "/rpc/number", "", "", "", 200, asJSON, "0-0/*", "", "1"},
		{"POST", "/rpc/no_row", "{}", "", "", 204, "", "0-0/*", "", ""},

		{"POST", "/rows", `{"id":21}`, "", "", 201, "", "*/*", "", "0"},
		{"POST", "/rows", `{"id":22}`, minimal, "", 201, "", "*/*", minimal, "0"},
		{"POST", "/rows", `{"id":23}`, "return=headers-only", "", 201, "", "*/*", "return=headers-only", "0"},
		{"POST", "/rows?select=id", `[{"id":24},{"id":25}]`, full + ",count=exact", "", 201, asJSON, "*/2", full + ", count=exact", "24"},
		{"POST", "/rows", `{"id":21}`, "count=exact, return=minimal, resolution=ignore-duplicates, missing=default", "", 201, "", "*/0",
			"resolution=ignore-duplicates, missing=default, return=minimal, count=exact", "0"},
		{"POST", "/unkeyed", `{"a":1}`, "resolution=merge-duplicates", "", 201, "", "*/*", "", "0"},
		{"POST", "/rows?select=id", `{"id":26}`, "timezone=UTC, tx=rollback, handling=lenient, " + full, "", 201, asJSON, "*/*",
			full + ", tx=rollback, handling=lenient, timezone=UTC", "11"},
		{"PATCH", "/rows?id=gt.20", `{"note":"n"}`, "", "", 204, "", "0-4/*", "", ""},
		{"PATCH", "/rows?id=gt.20", `{"note":"n"}`, "count=exact", "", 204, "", "0-4/5", "count=exact", ""},
		{"PATCH", "/rows?id=eq.99", `{"note":"n"}`, "count=exact", "", 204, "", "*/0", "count=exact", ""},
		{"PATCH", "/rows?id=eq.21&select=id", `{"note":"n"}`, full + ", handling=strict, max-affected=5", "", 200, asJSON, "0-0/*",
			full + ", handling=strict, max-affected=5", "11"},
		{"PUT", "/rows?id=eq.21", `{"id":21}`, "", "", 204, "", "", "", ""},
		{"PUT", "/rows?id=eq.21&select=id", `{"id":21}`, full, "", 200, asJSON, "", full, "11"},
		{"DELETE", "/rows?id=eq.22", "", "", "", 204, "", "*/*", "", ""},
		{"DELETE", "/rows?id=in.(23,24)", "", "count=exact, missing=default", "", 204, "", "*/2", "count=exact", ""},
		{"DELETE", "/rows?id=eq.25&select=id", "", full, "text/csv", 200, asCSV, "*/*", full, "5"},
	} {
		t.Run(q.method+" "+q.path+" "+q.prefer, func(t *testing.T) {
			var header []string
			for name, value := range map[string]string{"Prefer": q.prefer, "Accept": q.accept} {
				if value != "" {
					header = append(header, name+": "+value)
				}
			}
			r := c.send(t, q.method, q.path, q.body, header...)
			r.wantStatus(t, q.status)
			for name, want := range map[string]string{
				"Content-Type": q.contentType, "Content-Range": q.window, "Preference-Applied": q.applied, "Content-Length": q.length} {
				r.wantHeader(t, name+": "+want)
			}
			if q.length == "" && len(r.body) > 0 {
				t.Errorf("body %q, want none", r.body)
			}
		})
	}
	// the canonical address: parameters by name, written as the server does
	for path, want := range map[string]string{
		"/rows":                              "/rows",
		"/rows?":                             "/rows",
		"/rows?select=id&id=eq.1":            "/rows?id=eq.1&select=id",
		"/rows?name=eq.two, %222%22&id=gt.1": "/rows?id=gt.1&name=eq.two%2C%20%222%22",
		"/rows?limit=1&order=id":             "/rows?limit=1&order=id",
	} {
		r := c.get(t, strings.ReplaceAll(path, " ", "+"))
		r.wantHeader(t, "Content-Location: "+want)
	}
	for _, q := range [][2]string{{"POST", "/rows"}, {"GET", "/rpc/number"}} {
		if got := c.send(t, q[0], q[1], ""); got.header.Get("Content-Location") != "" {
			t.Errorf("%s %s has a Content-Location", q[0], q[1])
		}
	}
}

// The text of a body is PostgreSQL's.
//
//covers:rest 198
func TestBodiesAreWhatPostgreSQLWrites(t *testing.T) {
	t.Parallel()
	f := start(t, `create table t(id int primary key, j json, jb jsonb, n numeric, f float8, s text);
		insert into t values (1, '{"b" : 1,  "a":[1, 2.50], "b":2}', '{"b" : 1,  "a":[1, 2.50], "b":2}', 12345678901234567890.10, 1e300, E'\u2028<&>/ü\t'), (2, null, null, null, null, null)`)
	c := f.anonymous()
	for path, query := range map[string]string{
		"/t?order=id":                     `select json_agg(r) from (select * from t order by id) r`,
		"/t?select=j,n,f&id=eq.1":         `select json_agg(r) from (select j, n, f from t where id = 1) r`,
		"/t?select=s,jb->a&order=id.desc": `select json_agg(r) from (select s, jb->'a' as a from t order by id desc) r`,
	} {
		c.get(t, path).wantText(t, 200, f.value(t, query))
	}
}
