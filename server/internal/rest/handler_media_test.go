package rest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Pages of HTML, plain text, lines of JSON and pictures; the second schema is
// exposed too, the third is not.
const handlerSchema = `
create domain "text/html" as text;
create domain "text/plain" as text;
create domain "text/xml" as xml;
create domain "text/csv" as text;
create domain "application/json" as json;
create domain "application/x-ndjson" as text;
create domain "application/octet-stream" as bytea;
create domain "application/vnd.jsonb+json" as jsonb;
create domain "Image/PNG" as bytea;
create domain "application/vnd.pgrst.object+json" as json;
create domain "*/*" as bytea;
create domain "not a type" as text;

create table pets(id int primary key, name text);
insert into pets values (1, 'Rex'), (2, 'Ida');
create table birds(id int primary key, name text);
insert into birds values (1, 'Tit');
create view "birds.any" as select * from birds;

create function page_of_pet(state text, next pets) returns text immutable language sql as $$ select state || '<p>' || next.name || '</p>' $$;
create function page_end(state text) returns "text/html" immutable language sql as $$ select ('<html>' || state || '</html>')::"text/html" $$;
create aggregate pet_page(pets) (sfunc = page_of_pet, stype = text, initcond = '', finalfunc = page_end);

create function line_of(state text, next anyelement) returns "application/x-ndjson" immutable language sql as $$ select (state || to_json(next) || E'\n')::"application/x-ndjson" $$;
create aggregate lines(anyelement) (sfunc = line_of, stype = "application/x-ndjson", initcond = '');

create function html_of(state text, next anyelement) returns "text/html" immutable language sql as $$ select (state || next::text)::"text/html" $$;
create aggregate any_html(anyelement) (sfunc = html_of, stype = "text/html", initcond = 'any:');

create function bird_json(state json, next birds) returns "application/json" immutable language sql as $$ select '{"bird":true}'::"application/json" $$;
create aggregate bird_agg(birds) (sfunc = bird_json, stype = "application/json");
create function bird_csv(state text, next birds) returns "text/csv" immutable language sql as $$ select (state || next.name || ';')::"text/csv" $$;
create function bird_csv_end(state "text/csv") returns "text/csv" language plpgsql as $$ begin
  perform set_config('response.headers', '[{"Content-Disposition": "attachment; filename=\"birds.csv\""}]', true); return state; end $$;
create aggregate bird_csv_agg(birds) (sfunc = bird_csv, stype = "text/csv", initcond = 'birds:', finalfunc = bird_csv_end);
create function bird_object(state json, next birds) returns "application/vnd.pgrst.object+json" immutable language sql as $$ select '{}'::json $$;
create aggregate bird_object_agg(birds) (sfunc = bird_object, stype = "application/vnd.pgrst.object+json");

create function any_of(state "*/*", next "birds.any") returns "*/*" immutable language sql as $$ select (state || convert_to(next.name, 'UTF8'))::"*/*" $$;
create function any_end(state "*/*") returns "*/*" language plpgsql as $$
declare accept text := current_setting('request.headers')::json->>'accept';
begin
  if accept = 'app/ours' then
    perform set_config('response.headers', '[{"Content-Type": "app/ours"}]', true);
  elsif accept = 'app/theirs' then
    raise sqlstate 'PT415' using message = 'not theirs';
  end if;
  return state;
end $$;
create aggregate bird_any("birds.any") (sfunc = any_of, stype = "*/*", initcond = 'any:', finalfunc = any_end);

create function hello() returns "text/plain" immutable language sql as $$ select 'hello'::"text/plain" $$;
create function hellos() returns setof "text/plain" immutable language sql as $$ select 'hello'::"text/plain" $$;
create function untyped() returns text immutable language sql as $$ select 'hello' $$;
create function web(name text default 'x') returns "text/html" stable language sql as $$ select ('<b>' || $1 || '</b>')::"text/html" $$;
create function tag() returns "text/xml" immutable language sql as $$ select '<tag/>'::"text/xml" $$;
create function dot() returns "Image/PNG" immutable language sql as $$ select '\x89504e470d0a00ff'::"Image/PNG" $$;
create function raw() returns "application/octet-stream" immutable language sql as $$ select '\x00ff'::"application/octet-stream" $$;
create function nothing(id int) returns "text/plain" stable language sql as $$ select name::"text/plain" from pets where pets.id = $1 $$;
create function versioned() returns "application/vnd.jsonb+json" immutable language sql as $$ select '{"a": 1}'::"application/vnd.jsonb+json" $$;
create function anything() returns "*/*" immutable language sql as $$ select 'anything'::bytea::"*/*" $$;
create function own_json() returns "application/json" immutable language sql as $$ select '{"own" :  1}'::"application/json" $$;
create function echo_text(text) returns "text/plain" immutable language sql as $$ select $1::"text/plain" $$;
create function echo_xml(xml) returns "text/xml" immutable language sql as $$ select $1::"text/xml" $$;
create function echo_bytes(bytea) returns "application/octet-stream" immutable language sql as $$ select $1::"application/octet-stream" $$;
create function some_pets() returns setof pets stable language sql as $$ select * from pets where id = 2 $$;
create function one_pet() returns pets stable language sql as $$ select * from pets where id = 2 $$;

create schema annex; create schema hidden;
grant usage on schema annex, hidden to anon, authenticated, service_role;
create domain hidden."text/odd" as text;
create table annex.notes(id int primary key);
insert into annex.notes values (7);
grant all on all tables in schema annex to anon;
create function annex.odd(state text, next annex.notes) returns hidden."text/odd" immutable language sql as $$ select (state || next.id)::hidden."text/odd" $$;
create aggregate annex.odd_agg(annex.notes) (sfunc = annex.odd, stype = hidden."text/odd", initcond = 'odd:');
create function hidden.pets_odd(state text, next pets) returns hidden."text/odd" immutable language sql as $$ select (state || next.id)::hidden."text/odd" $$;
create aggregate hidden.pets_agg(pets) (sfunc = hidden.pets_odd, stype = hidden."text/odd", initcond = '');
create function annex.strange() returns hidden."text/odd" immutable language sql as $$ select 'strange'::hidden."text/odd" $$;
create function annex.html_of(state text, next anyelement) returns "text/html" immutable language sql as $$ select (state || next::text)::"text/html" $$;
create aggregate annex.any_html(anyelement) (sfunc = annex.html_of, stype = "text/html", initcond = 'annex:');
`

//covers:rest 190
func TestHandlers(t *testing.T) {
	t.Parallel()
	f := start(t, handlerSchema)
	f.configure(t, "db_schemas", "public, annex")
	c := f.anonymous()
	const octets, html = "application/octet-stream", "text/html"
	for _, q := range []struct {
		path, accept string
		contentType  string
		body         string
		header       []string
	}{
		// aggregates over the rows of one relation
		{path: "/pets?order=id", accept: "text/html", contentType: html, body: "<html><p>Rex</p><p>Ida</p></html>"},
		{path: "/pets?id=eq.2", accept: "Text/HTML", contentType: html, body: "<html><p>Ida</p></html>"},
		{path: "/pets?id=eq.9", accept: "text/html", contentType: html, body: "<html></html>"},
		{path: "/rpc/some_pets", accept: "text/html", contentType: html, body: "<html><p>Ida</p></html>"},
		{path: "/rpc/one_pet", accept: "text/html", contentType: html, body: "<html><p>Ida</p></html>"},
		// over other columns than those of the relation the one for any row works
		{path: "/pets?select=name,id&id=eq.1", accept: "text/html", contentType: html, body: "any:(Rex,1)"},
		{path: "/pets?select=id&id=eq.1", accept: "text/html", contentType: html, body: "any:(1)"},
		{path: "/birds", accept: "text/html", contentType: html, body: "any:(1,Tit)"},
		{path: "/rpc/untyped", accept: "text/html", contentType: html, body: "any:hello"},
		{path: "/pets?order=id", accept: "application/x-ndjson", contentType: "application/x-ndjson",
			body: "{\"id\":1,\"name\":\"Rex\"}\n{\"id\":2,\"name\":\"Ida\"}\n"},
		// what is built in can be replaced, but not for */* by one type, and not the dialect's own types
		{path: "/birds", accept: "application/json", contentType: "application/json; charset=utf-8", body: `{"bird":true}`},
		{path: "/birds", accept: "*/*", contentType: "application/json; charset=utf-8", body: `[{"id":1,"name":"Tit"}]`},
		{path: "/birds?select=name", accept: "application/json", contentType: "application/json; charset=utf-8", body: `[{"name":"Tit"}]`},
		{path: "/birds", accept: "text/csv", contentType: "text/csv; charset=utf-8", body: "birds:Tit;",
			header: []string{`Content-Disposition: attachment; filename="birds.csv"`}},
		{path: "/birds", accept: "application/vnd.pgrst.object+json", contentType: "application/vnd.pgrst.object+json; charset=utf-8", body: `{"id":1,"name":"Tit"}`},
		// a handler for everything
		{path: "/birds.any", accept: "*/*", contentType: octets, body: "any:Tit"},
		{path: "/birds.any", accept: "text/csv", contentType: octets, body: "any:Tit"},
		{path: "/birds.any", accept: "un/known", contentType: octets, body: "any:Tit"},
		{path: "/birds.any", accept: "app/ours", contentType: "app/ours", body: "any:Tit"},
		{path: "/birds.any?select=name", accept: "application/json", contentType: "application/json; charset=utf-8", body: `[{"name":"Tit"}]`},
		{path: "/birds.any", accept: "application/vnd.pgrst.object", contentType: "application/vnd.pgrst.object+json; charset=utf-8", body: `{"id":1,"name":"Tit"}`},
		{path: "/rpc/anything", accept: "", contentType: octets, body: "anything"},
		{path: "/rpc/anything", accept: "app/bingo", contentType: octets, body: "anything"},
		// functions that return a body
		{path: "/rpc/hello", accept: "text/plain", contentType: "text/plain; charset=utf-8", body: "hello"},
		{path: "/rpc/hello", accept: "*/*", contentType: "application/json; charset=utf-8", body: `"hello"`},
		{path: "/rpc/web?name=y", accept: "text/html", contentType: html, body: "<b>y</b>"},
		{path: "/rpc/tag", accept: "text/xml", contentType: "text/xml; charset=utf-8", body: "<tag/>"},
		{path: "/rpc/dot", accept: "image/png", contentType: "Image/PNG", body: "\x89PNG\r\n\x00\xff"},
		{path: "/rpc/raw", accept: "application/octet-stream", contentType: octets, body: "\x00\xff"},
		{path: "/rpc/nothing?id=1", accept: "text/plain", contentType: "text/plain; charset=utf-8", body: "Rex"},
		{path: "/rpc/nothing?id=9", accept: "text/plain", contentType: "text/plain; charset=utf-8", body: ""},
		{path: "/rpc/own_json", accept: "application/json", contentType: "application/json; charset=utf-8", body: `{"own" :  1}`},
		// the body is PostgreSQL's binary form, and that of jsonb begins with its version
		{path: "/rpc/versioned", accept: "application/vnd.jsonb+json", contentType: "application/vnd.jsonb+json", body: "\x01{\"a\": 1}"},
		// the first type that there is, by quality and by order
		{path: "/rpc/dot", accept: "text/plain, image/png;q=0.9, */*;q=0.8", contentType: "Image/PNG", body: "\x89PNG\r\n\x00\xff"},
		{path: "/pets?id=eq.1", accept: "application/json;q=0.5, text/html;q=0.6", contentType: html, body: "<html><p>Rex</p></html>"},
		{path: "/pets?id=eq.1", accept: "text/plain, application/json", contentType: "application/json; charset=utf-8", body: `[{"id":1,"name":"Rex"}]`},
	} {
		t.Run(q.path+" "+q.accept, func(t *testing.T) {
			header := []string{"Accept: " + q.accept}
			if q.accept == "" {
				header = nil
			}
			r := c.get(t, q.path, header...)
			r.wantStatus(t, 200)
			if got := r.header.Get("Content-Type"); got != q.contentType || string(r.body) != q.body {
				t.Errorf("%s %q, want %s %q", got, r.body, q.contentType, q.body)
			}
			for _, h := range append(q.header, fmt.Sprintf("Content-Length: %d", len(q.body))) {
				r.wantHeader(t, h)
			}
			head := c.send(t, "HEAD", q.path, "", header...)
			if head.status != 200 || len(head.body) != 0 || head.header.Get("Content-Length") != "" {
				t.Errorf("HEAD %d %q %v", head.status, head.body, head.header)
			}
		})
	}
	for path, accept := range map[string]string{
		"/rpc/hellos": "text/plain", "/rpc/untyped": "text/plain", "/rpc/hello": "text/xml", "/pets": "text/odd",
		"/birds": "application/octet-stream", "/rpc/hello?select=x": "text/plain", "/rpc/some_pets?select=id": "text/plain",
	} {
		c.get(t, path, "Accept: "+accept).wantCode(t, 406, "PGRST107")
	}
	c.get(t, "/birds.any", "Accept: app/theirs").wantCode(t, 415, "PT415")

	// domains may be anywhere; the aggregates and functions that count are
	// those of exposed schemas, and that of the request's own schema is first
	for path, want := range map[string]string{"/notes": "odd:7", "/rpc/strange": "strange"} {
		r := c.get(t, path, "Accept: text/odd", "Accept-Profile: annex")
		if r.status != 200 || string(r.body) != want || r.header.Get("Content-Type") != "text/odd" || r.header.Get("Content-Profile") != "annex" {
			t.Errorf("%s: %d %q %v", path, r.status, r.body, r.header)
		}
	}
	if got := c.get(t, "/notes", "Accept: text/html", "Accept-Profile: annex"); string(got.body) != "annex:(7)" {
		t.Errorf("the page of the annex is %q", got.body)
	}

	// writes
	full := "Prefer: return=representation"
	r := c.post(t, "/pets", `{"id":3,"name":"Uwe"}`, full, "Accept: text/html")
	if r.status != 201 || string(r.body) != "<html><p>Uwe</p></html>" || r.header.Get("Content-Type") != html {
		t.Errorf("%d %q %v", r.status, r.body, r.header)
	}
	r = c.send(t, "PATCH", "/pets?id=eq.3", `{"name":"Ute"}`, full, "Accept: application/x-ndjson")
	if r.status != 200 || string(r.body) != "{\"id\":3,\"name\":\"Ute\"}\n" {
		t.Errorf("%d %q %v", r.status, r.body, r.header)
	}
	c.post(t, "/pets", `{"id":4}`, full, "Accept: text/plain").wantCode(t, 406, "PGRST107")
	if f.count(t, "select from pets where id = 4") != 0 {
		t.Error("what cannot be answered was written")
	}
	r = c.send(t, "DELETE", "/pets?id=eq.3", "", full, "Accept: text/html")
	if r.status != 200 || string(r.body) != "<html><p>Ute</p></html>" {
		t.Errorf("%d %q", r.status, r.body)
	}
}

//covers:rest 161
func TestWholeBodies(t *testing.T) {
	t.Parallel()
	f := start(t, handlerSchema)
	c := f.anonymous()
	for _, q := range []struct{ fn, media, body string }{
		{"echo_text", "text/plain", "a\nb\t\"c\" ü"},
		{"echo_xml", "text/xml", "<a><b>c</b></a>"},
		{"echo_bytes", "application/octet-stream", "\x00\x01\xff\\x"},
	} {
		r := c.post(t, "/rpc/"+q.fn, q.body, "Content-Type: "+q.media, "Accept: "+q.media)
		if r.status != 200 || string(r.body) != q.body {
			t.Errorf("%s: %d %q", q.fn, r.status, r.body)
		}
		c.post(t, "/rpc/hello", q.body, "Content-Type: "+q.media).wantCode(t, 404, "PGRST202")
	}
}

//covers:rest 186 187 190
func TestPlansOfHandlers(t *testing.T) {
	t.Parallel()
	f := start(t, handlerSchema)
	c := f.anonymous()
	c.get(t, "/pets", `Accept: application/vnd.pgrst.plan+json; for="text/html"`).wantCode(t, 406, "PGRST107")
	f.configure(t, "db_plan_enabled", "true")
	for _, q := range []struct{ path, accept, contentType, body string }{
		{"/pets", `application/vnd.pgrst.plan+json; for="text/html"; options=verbose;`, `application/vnd.pgrst.plan+json; for="text/html"; options=verbose; charset=utf-8`, "pet_page(ROW(pets.id, pets.name)::pets)"},
		{"/rpc/tag", `application/vnd.pgrst.plan+json; for="text/xml"; options=verbose`, `application/vnd.pgrst.plan+json; for="text/xml"; options=verbose; charset=utf-8`, "tag.pgrst_scalar"},
		{"/pets", `application/vnd.pgrst.plan+json; options=verbose`, `application/vnd.pgrst.plan+json; for="application/json"; options=verbose; charset=utf-8`,
			"COALESCE(json_agg(ROW(pets.id, pets.name)), '[]'::json)"},
		{"/birds.any", `application/vnd.pgrst.plan+json; for="un/known"`, `application/vnd.pgrst.plan+json; for="un/known"; charset=utf-8`, ""},
	} {
		r := c.get(t, q.path, "Accept: "+q.accept)
		r.wantStatus(t, 200)
		r.wantHeader(t, "Content-Type: "+q.contentType)
		var plans []struct{ Plan struct{ Output []string } }
		if err := json.Unmarshal(r.body, &plans); err != nil || len(plans) != 1 {
			t.Errorf("%s: the plan is %q", q.path, r.body)
		} else if out := plans[0].Plan.Output; q.body != "" && (len(out) < 3 || out[2] != q.body) {
			t.Errorf("%s: the body is made by %v, want %s", q.path, out, q.body)
		}
	}
	c.get(t, "/pets", `Accept: application/vnd.pgrst.plan; for="image/gif"`).wantCode(t, 406, "PGRST107")
	c.get(t, "/rpc/hello", `Accept: application/vnd.pgrst.plan; for="text/xml"`).wantCode(t, 406, "PGRST107")
}

// Handlers count from the request after they were made.
func TestHandlersFollowTheSchema(t *testing.T) {
	t.Parallel()
	f := start(t, `create table t(id int primary key); insert into t values (1)`)
	c := f.anonymous()
	accept := "Accept: text/x-list"
	c.get(t, "/t", accept).wantCode(t, 406, "PGRST107")
	f.exec(t, `create domain "text/x-list" as text;
		create function item(state text, next t) returns "text/x-list" immutable language sql as $$ select (state || next.id)::"text/x-list" $$;
		create aggregate list(t) (sfunc = item, stype = "text/x-list", initcond = '* ')`)
	c.get(t, "/t", accept).wantText(t, 200, "* 1")
	f.exec(t, `drop aggregate list(t)`)
	c.get(t, "/t", accept).wantCode(t, 406, "PGRST107")
}

// What the page says works as it is written there.
func TestMediaTypesPage(t *testing.T) {
	t.Parallel()
	sql := "create table pets(id int, name text, age int); insert into pets values (1, 'Rex', 5), (2, 'Ida', 1);"
	for i, part := range strings.Split(readFile(t, "../../../docs/media-types.md"), "```") {
		if block, ok := strings.CutPrefix(part, "sql\n"); ok && i%2 == 1 {
			sql += block
		}
	}
	c := start(t, sql+"create table walls(id int, paint colour); insert into walls values (1, 255)").anonymous()
	c.get(t, "/pets?age=gt.3", "Accept: text/html").wantText(t, 200, "<li>Rex</li>")
	c.get(t, "/rpc/page", "Accept: text/html").wantText(t, 200, "<h1>Hello</h1>")
	c.get(t, "/walls?paint=eq.0000ff").want(t, 200, `[{"id":1,"paint":"#0000ff"}]`)
	c.post(t, "/walls", `{"id":2,"paint":"#010203"}`, "Prefer: return=representation").want(t, 201, `[{"id":2,"paint":"#010203"}]`)
}
