package rest_test

import (
	"net/http"
	"testing"
)

const callSchema = `
create table items(id int primary key, name text, parent int references items(id));
insert into items values (1, 'one', null), (2, 'two', 1), (3, 'three', 1);
create table calls(n int); insert into calls values (0);
create function ret_void() returns void language sql as 'update calls set n = n + 1';
create function ret_null() returns int immutable language sql as 'select null::int';
create function ret_array() returns int[] immutable language sql as 'select array[1,2]';
create function ret_json() returns json immutable language sql as $$ select '{"b":1,"a":[2]}'::json $$;
create function ret_range(low int, high int) returns int4range immutable language sql as 'select int4range(low, high)';
create function ret_row() returns items stable language sql as 'select * from items where id = 1';
create function ret_record(out a int, out b text) immutable language sql as $$ select 1, 'x' $$;
create function ret_one_out(out a int) immutable language sql as 'select 1';
create function ret_inout(inout a int) immutable language sql as 'select a + 1';
create function ret_ints() returns setof int immutable language sql as 'select generate_series(1, 3)';
create function ret_table(low int default 0) returns table(id int, name text) stable language sql as 'select id, name from items where id > low';
create function ret_items() returns setof items stable language sql as 'select * from items';
create function over(a int) returns text immutable language sql as $$ select 'a' $$;
create function over(a int, b int) returns text immutable language sql as $$ select 'ab' $$;
create function twin(x int) returns text immutable language sql as $$ select 'int' $$;
create function twin(x text) returns text immutable language sql as $$ select 'text' $$;
create function arr(v int[]) returns int immutable language sql as 'select sum(x)::int from unnest(v) x';
create function big(v bigint) returns bigint immutable language sql as 'select v';
create function jarg(v json) returns text immutable language sql as $$ select v->>'k' $$;
create function wide(v bit, c char) returns text immutable language sql as $$ select v::text || c $$;
create function body_text(text) returns text immutable language sql as 'select upper($1)';
create function body_bytes(bytea) returns int immutable language sql as 'select length($1)';
create function body_json(jsonb) returns text immutable language sql as $$ select $1->>'k' $$;
create function once() returns int volatile language sql as 'update calls set n = n + 1 returning n';
create function stable_once() returns int stable language plpgsql as $$ begin perform pg_sleep(0); return 1; end $$;
create function insert_item(id int) returns setof items volatile language sql as 'insert into items values (id, null, null) returning *';
create function fails() returns int language plpgsql as $$ begin raise exception 'no %', 'way' using detail = 'D', hint = 'H'; end $$;
create function teapot() returns int language plpgsql as $$ begin raise sqlstate 'PT418' using message = 'short', detail = 'D', hint = 'H'; end $$;
create function headers_bad() returns int language plpgsql as $$ begin perform set_config('response.headers', '{"a":"b"}', true); return 1; end $$;
create function status_bad() returns int language plpgsql as $$ begin perform set_config('response.status', 'x', true); return 1; end $$;
create function two_cookies() returns int language plpgsql as $$ begin perform set_config('response.headers', '[{"Set-Cookie":"a=1"},{"Set-Cookie":"b=2"}]', true); return 1; end $$;
create procedure proc() language sql as 'select 1';
create function trig() returns trigger language plpgsql as $$ begin return new; end $$;
`

//covers:rest 152 153 154 156 159 163 164 174 176
func TestCalls(t *testing.T) {
	t.Parallel()
	f := start(t, callSchema)
	c := f.as(t, "service_role", nil)
	for _, q := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/rpc/ret_null", "{}", 200, `null`},
		{"POST", "/rpc/ret_array", "", 200, `[1,2]`},
		{"POST", "/rpc/ret_json", "{}", 200, `{"b":1,"a":[2]}`},
		{"POST", "/rpc/ret_range", `{"low":1,"high":5}`, 200, `"[1,5)"`},
		{"POST", "/rpc/ret_row", "{}", 200, `{"id":1,"name":"one","parent":null}`},
		{"GET", "/rpc/ret_row?select=name,items(id)&items.order=id", "", 200, `{"name":"one","items":[{"id":2},{"id":3}]}`},
		{"POST", "/rpc/ret_record", "{}", 200, `{"a":1,"b":"x"}`},
		{"POST", "/rpc/ret_one_out", "{}", 200, `{"a":1}`},
		{"POST", "/rpc/ret_inout", `{"a":4}`, 200, `{"a":5}`},
		{"POST", "/rpc/ret_ints", "{}", 200, `[1,2,3]`},
		{"GET", "/rpc/ret_table?low=1&id=lt.3", "", 200, `[{"id":2,"name":"two"}]`},
		{"POST", "/rpc/ret_table?select=name&order=id.desc&limit=2", "{}", 200, `[{"name":"three"},{"name":"two"}]`},
		{"GET", "/rpc/ret_items?select=id,parent(name)&id=gt.1&order=id", "", 200, `[{"id":2,"parent":{"name":"one"}},{"id":3,"parent":{"name":"one"}}]`},
		{"POST", "/rpc/over", `{"a":1}`, 200, `"a"`},
		{"POST", "/rpc/over", `{"a":1,"b":2}`, 200, `"ab"`},
		{"GET", "/rpc/arr?v={1,2,3}", "", 200, `6`},
		{"POST", "/rpc/arr", `{"v":[1,2]}`, 200, `3`},
		{"POST", "/rpc/big", `{"v":"9007199254740993"}`, 200, `9007199254740993`},
		{"POST", "/rpc/jarg", `{"v":{"k":"x"}}`, 200, `"x"`},
		{"GET", "/rpc/jarg?v={%22k%22:%22y%22}", "", 200, `"y"`},
		{"POST", "/rpc/wide", `{"v":"1","c":"abc"}`, 200, `"1abc"`},
		{"POST", "/rpc/body_json", `{"k":"whole"}`, 200, `"whole"`},
		{"POST", "/rpc/ret_range?columns=low,high", `{"low":1,"high":3,"more":9}`, 200, `"[1,3)"`},
	} {
		t.Run(q.method+q.path, func(t *testing.T) { c.send(t, q.method, q.path, q.body).want(t, q.status, q.want) })
	}
	if r := c.get(t, "/rpc/big?v=9007199254740993"); string(r.body) != "9007199254740993" {
		t.Errorf("a number lost its precision: %s", r.body)
	}
	c.send(t, "POST", "/rpc/body_text", "hello", "Content-Type: text/plain").want(t, 200, `"HELLO"`)
	c.send(t, "POST", "/rpc/body_bytes", "\x00\xff\x01", "Content-Type: application/octet-stream").want(t, 200, `3`)
	c.send(t, "POST", "/rpc/over", "a=1&b=2", "Content-Type: application/x-www-form-urlencoded").want(t, 200, `"ab"`)
	if r := c.send(t, "HEAD", "/rpc/ret_items", "", "Prefer: count=exact"); r.status != 200 || r.header.Get("Content-Range") != "0-2/3" || len(r.body) > 0 {
		t.Errorf("HEAD: %d %v", r.status, r.header)
	}
	if r := c.post(t, "/rpc/ret_null", "{}", "Prefer: count=exact"); r.header.Get("Content-Range") != "0-0/1" {
		t.Errorf("a single value counts as %s", r.header.Get("Content-Range"))
	}
	c.send(t, "GET", "/rpc/ret_items?id=eq.2&select=name", "", "Accept: application/vnd.pgrst.object+json").want(t, 200, `{"name":"two"}`)
	c.send(t, "GET", "/rpc/ret_items", "", "Accept: application/vnd.pgrst.object+json").wantCode(t, 406, "PGRST116")
	if r := c.send(t, "GET", "/rpc/ret_table?order=id&limit=1", "", "Accept: text/csv"); string(r.body) != "id,name\n1,one" {
		t.Errorf("CSV %q", r.body)
	}
}

//covers:rest 166 167 173
func TestCallsRunOnce(t *testing.T) {
	t.Parallel()
	f := start(t, callSchema)
	c := f.as(t, "service_role", nil)
	c.post(t, "/rpc/once", "{}").want(t, 200, `1`)
	c.post(t, "/rpc/once", "{}", "Prefer: count=exact").want(t, 200, `2`)
	c.post(t, "/rpc/ret_void", "{}").want(t, 204, ``)
	if n := f.value(t, "select n::text from calls"); n != "3" {
		t.Errorf("three calls ran %s times", n)
	}
	c.get(t, "/rpc/once").wantCode(t, 405, "25006")
	c.post(t, "/rpc/insert_item", `{"id":7}`, "Prefer: count=exact").want(t, 200, `[{"id":7,"name":null,"parent":null}]`)
	if n := f.count(t, "select 1 from items where id = 7"); n != 1 {
		t.Errorf("%d rows were inserted", n)
	}
	c.post(t, "/rpc/insert_item?id=eq.0", `{"id":8}`, "Accept: application/vnd.pgrst.object+json").wantCode(t, 406, "PGRST116")
	c.post(t, "/rpc/insert_item", `{"id":9}`, "Prefer: handling=strict, max-affected=0").wantCode(t, 400, "PGRST124")
	if n := f.count(t, "select 1 from items where id in (8, 9)"); n != 0 {
		t.Errorf("%d refused rows were kept", n)
	}
	c.post(t, "/rpc/over", `{"a":1}`, "Prefer: handling=strict, max-affected=1").wantCode(t, 400, "PGRST128")
}

//covers:rest 157 158 159 168 171
func TestCallErrors(t *testing.T) {
	t.Parallel()
	f := start(t, callSchema)
	c := f.as(t, "service_role", nil)
	c.post(t, "/rpc/nope", `{}`).want(t, 404, `{"code":"PGRST202","hint":null,"message":"Could not find the function public.nope without parameters in the schema cache",
		"details":"Searched for the function public.nope without parameters or with a single unnamed json/jsonb parameter, but no matches were found in the schema cache."}`)
	c.post(t, "/rpc/ret_aray", `{"x":1,"y":2}`).want(t, 404, `{"code":"PGRST202","hint":"Perhaps you meant to call the function public.ret_array","message":"Could not find the function public.ret_aray(x, y) in the schema cache",
		"details":"Searched for the function public.ret_aray with parameters x, y or with a single unnamed json/jsonb parameter, but no matches were found in the schema cache."}`)
	c.post(t, "/rpc/ret_null", `{"":1}`).want(t, 404, `{"code":"PGRST202","hint":"Perhaps you meant to call the function public.ret_null()","message":"Could not find the function public.ret_null() in the schema cache",
		"details":"Searched for the function public.ret_null with parameter  or with a single unnamed json/jsonb parameter, but no matches were found in the schema cache."}`)
	c.post(t, "/rpc/twin", `{"x":1}`).want(t, 300, `{"code":"PGRST203","details":null,"hint":"Try renaming the parameters or the function itself in the database so function overloading can be resolved",
		"message":"Could not choose the best candidate function between: public.twin(x => integer), public.twin(x => text)"}`)
	c.get(t, "/rpc/nope?a=1").wantCode(t, 404, "PGRST202")
	c.get(t, "/rpc/proc").wantCode(t, 404, "PGRST202")
	c.get(t, "/rpc/trig").wantCode(t, 404, "PGRST202")
	c.post(t, "/rpc/fails", `{}`).want(t, 400, `{"code":"P0001","details":"D","hint":"H","message":"no way"}`)
	c.post(t, "/rpc/teapot", `{}`).want(t, http.StatusTeapot, `{"code":"PT418","details":"D","hint":"H","message":"short"}`)
	c.post(t, "/rpc/headers_bad", `{}`).wantCode(t, 500, "PGRST111")
	c.post(t, "/rpc/status_bad", `{}`).wantCode(t, 500, "PGRST112")
	if r := c.post(t, "/rpc/two_cookies", `{}`); r.status != 200 || len(r.header.Values("Set-Cookie")) != 2 {
		t.Errorf("%d %v", r.status, r.header)
	}
	c.post(t, "/rpc/over", `{"a":"x"}`).wantCode(t, 400, "22P02")
	c.post(t, "/rpc/over", `{"a":`).wantCode(t, 400, "PGRST102")
	c.post(t, "/rpc/over", `x`, "Content-Type: image/png").wantCode(t, 400, "PGRST102")
	c.get(t, "/rpc/over?a=in.x").wantCode(t, 400, "PGRST100")
	f.exec(t, "revoke execute on function ret_null() from public, anon, authenticated, service_role")
	f.as(t, "authenticated", nil).post(t, "/rpc/ret_null", `{}`).wantCode(t, 403, "42501")
	f.as(t, "anon", nil).post(t, "/rpc/ret_null", `{}`).wantCode(t, 401, "42501")
}

//covers:rest 54 67 69
func TestComputedColumns(t *testing.T) {
	t.Parallel()
	f := start(t, callSchema+`create function shout(items) returns text stable language sql as 'select upper($1.name)';
		create function shout2(items) returns text stable language sql as 'select upper($1.name)'`)
	c := f.as(t, "service_role", nil)
	c.get(t, "/items?select=shout&shout=eq.ONE").want(t, 200, `[{"shout":"ONE"}]`)
	c.get(t, "/items?select=*,s:shout&order=shout.desc&limit=1").want(t, 200, `[{"id":2,"name":"two","parent":1,"s":"TWO"}]`)
	c.get(t, "/rpc/ret_items?select=id,shout&shout2=like.T*&order=shout").want(t, 200, `[{"id":3,"shout":"THREE"},{"id":2,"shout":"TWO"}]`)
	c.get(t, "/rpc/ret_items?select=shout,items(id)&id=eq.1&items.order=id").want(t, 200, `[{"shout":"ONE","items":[{"id":2},{"id":3}]}]`)
	c.get(t, "/rpc/ret_items?select=shout,items()&items=is.null&order=id").want(t, 200, `[{"shout":"TWO"},{"shout":"THREE"}]`)
	c.send(t, "PATCH", "/items?shout=eq.TWO&select=shout", `{"name":"deux"}`, "Prefer: return=representation").want(t, 200, `[{"shout":"DEUX"}]`)
	c.get(t, "/items?select=count").want(t, 200, `[{"count":3}]`)
}

//covers:rest 159 160 161
func TestUnnamedParameters(t *testing.T) {
	t.Parallel()
	f := start(t, `create function echo(text) returns text immutable language sql as 'select $1';
		create function choose() returns int immutable language sql as 'select 1';
		create function choose(text default 'd') returns text immutable language sql as 'select $1';
		create function choose(int default 2) returns int immutable language sql as 'select 2';
		create function lone(text default 'd') returns text immutable language sql as 'select $1';
		create function twins(a text) returns int immutable language sql as 'select 1';
		create function twins(a int) returns int immutable language sql as 'select 2'`)
	c := f.as(t, "anon", nil)
	c.post(t, "/rpc/echo", `{"": "x"}`).want(t, 200, `"{\"\": \"x\"}"`)
	c.post(t, "/rpc/echo", `plain`, "Content-Type: text/plain").want(t, 200, `"plain"`)
	c.post(t, "/rpc/echo", `=x`, "Content-Type: application/x-www-form-urlencoded").want(t, 200, `"{\"\":\"x\"}"`)
	c.post(t, "/rpc/choose", `{"":"x"}`).want(t, 200, `"{\"\":\"x\"}"`)
	c.post(t, "/rpc/choose", `{}`).want(t, 300, `{"code":"PGRST203","details":null,"hint":"Try renaming the parameters or the function itself in the database so function overloading can be resolved",
		"message":"Could not choose the best candidate function between: public.choose(), public.choose( => text)"}`)
	c.post(t, "/rpc/lone", `{}`).want(t, 200, `"{}"`)
	c.post(t, "/rpc/twins", `{"a":1}`).want(t, 300, `{"code":"PGRST203","details":null,"hint":"Try renaming the parameters or the function itself in the database so function overloading can be resolved",
		"message":"Could not choose the best candidate function between: public.twins(a => integer), public.twins(a => text)"}`)
}

func TestRecordsAndDomains(t *testing.T) {
	t.Parallel()
	f := start(t, callSchema+`create domain item as items;
		create function ret_item() returns item stable language sql as 'select row(i.*)::item from items i where id = 2';
		create function ret_undeclared() returns record stable language sql as 'select id, name from items where id = 1';
		create function ret_undeclared_rows() returns setof record stable language sql as 'select id, name from items where id < 3 order by id';
		create function words(items) returns tsvector immutable language sql as $$ select to_tsvector('simple', $1.name) $$`)
	c := f.as(t, "service_role", nil)
	c.post(t, "/rpc/ret_item?select=id,up:parent(name)", `{}`).want(t, 200, `{"id":2,"up":{"name":"one"}}`)
	c.post(t, "/rpc/ret_undeclared", `{}`).want(t, 200, `{"id":1,"name":"one"}`)
	c.post(t, "/rpc/ret_undeclared_rows", `{}`).want(t, 200, `[{"id":1,"name":"one"},{"id":2,"name":"two"}]`)
	c.get(t, "/items?select=id,words&words=fts(simple).two").want(t, 200, `[{"id":2,"words":"'two':1"}]`)
	c.get(t, "/items?select=id&name=fts(simple).two").want(t, 200, `[{"id":2}]`)
	c.post(t, "/rpc/ret_nul", `x`, "Content-Type: text/plain").want(t, 404, `{"code":"PGRST202","hint":null,"message":"Could not find the function public.ret_nul in the schema cache",
		"details":"Searched for the function public.ret_nul with a single unnamed text parameter, but no matches were found in the schema cache."}`)
}
