package rest_test

import "testing"

const rpcSchema = `
create table items(id int primary key, name text, parent int references items(id), tags text[] default '{}');
insert into items values (1, 'one', null), (2, 'two', 1), (3, 'three', 1);
create table hits(n int); insert into hits values (0);
create type mood as enum ('ok', 'bad'); create type pair as (a int, b text); create domain even as int check (value % 2 = 0);
create function add_them(a int, b int default 10) returns int immutable language sql as 'select a + b';
create function mooded(m mood) returns mood immutable language sql as 'select m';
create function evened(e even) returns even immutable language sql as 'select e';
create function ret_pair() returns pair immutable language sql as $$ select 1, 'x' $$;
create function ret_pairs() returns setof pair immutable language sql as $$ values (1, 'x'), (2, 'y') $$;
create function ret_table1() returns table(only_one int) immutable language sql as 'values (1), (2)';
create function ret_texts() returns setof text immutable language sql as $$ values ('a'), (null), ('c') $$;
create function ret_ts() returns timestamptz immutable language sql as $$ select '2024-01-02T03:04:05Z'::timestamptz $$;
create function ret_jsonb() returns jsonb immutable language sql as $$ select '{"b": 1.50}'::jsonb $$;
create function ret_nothing() returns items stable language sql as 'select * from items where false';
create function ret_void() returns void volatile language sql as 'update hits set n = n + 1';
create function ret_items() returns setof items stable language sql as 'select * from items';
create function ret_item(n int) returns items stable language sql as 'select * from items where id = n';
create function count_hit() returns int volatile language sql as 'update hits set n = n + 1 returning n';
create function sneaky() returns int stable language sql as 'select count_hit()';
create function hit_rows() returns setof items volatile language sql as 'update hits set n = n + 1; select * from items order by id';
create function many(variadic v text[]) returns text immutable language sql as $$ select array_to_string(v, '|') $$;
create function many_ints(first int, variadic v int[] default '{}') returns int immutable language sql as 'select first + coalesce((select sum(x) from unnest(v) x), 0)::int';
create function ints(v int[]) returns int immutable language sql as 'select coalesce(sum(x), 0)::int from unnest(v) x';
create function texts(v text[]) returns text immutable language sql as $$ select array_to_string(v, '|') $$;
create function echo(v jsonb) returns jsonb immutable language sql as 'select v';
create function as_bits(v bit, w bit varying, c char, cs char[]) returns text immutable language sql as $$ select v::text || w::text || c || array_to_string(cs, '') $$;
create function whole(json) returns json immutable language sql as 'select $1';
create function wholeb(jsonb) returns text immutable language sql as $$ select jsonb_typeof($1) $$;
create function as_text(text) returns text immutable language sql as 'select upper($1)';
create function as_xml(xml) returns text immutable language sql as $$ select 'xml ' || $1::text $$;
create function as_bytes(bytea) returns int immutable language sql as 'select length($1)';
create function over(a int) returns text immutable language sql as $$ select 'a' $$;
create function over(a int, b int) returns text immutable language sql as $$ select 'ab' $$;
create function over() returns text immutable language sql as $$ select 'none' $$;
create function twin(x int) returns text immutable language sql as $$ select 'int' $$;
create function twin(x text) returns text immutable language sql as $$ select 'text' $$;
create function optional(a int default 1, b int default 2) returns text immutable language sql as $$ select a || '-' || b $$;
create function named(id int, name text default 'n') returns setof items stable language sql as 'select * from items i where i.id >= named.id';
`

//covers:rest 5 152 153 154 155 156 157 159 160 161 162 163 175 177
func TestCallForms(t *testing.T) {
	t.Parallel()
	f := start(t, rpcSchema)
	f.vectors(t, `
# arguments as JSON, and none
POST /rpc/add_them
< {"a":3,"b":4}
200
text 7

POST /rpc/add_them
< {"b":4,"a":3}
200
text 7

POST /rpc/add_them
< {"a":3}
200
text 13

POST /rpc/add_them
< {"a":null}
200
Content-Type: application/json; charset=utf-8
text null

POST /rpc/add_them
< [{"a":1},{"a":2}]
200
text 11

POST /rpc/optional
< {}
200
text "1-2"

POST /rpc/optional
200
text "1-2"

POST /rpc/optional
< {"b":9}
200
text "1-9"

POST /rpc/add_them?columns=a
< {"a":1,"b":100}
200
text 11

# arguments in the query
GET /rpc/add_them?a=3&b=4
200
text 7

GET /rpc/optional
200
text "1-2"

GET /rpc/ints?v={1,2,3}
200
text 6

GET /rpc/texts?v={%22a,b%22,c}
200
text "a,b|c"

GET /rpc/echo?v={%22k%22:[1]}
200
body {"k":[1]}

GET /rpc/add_them?a=1&a=2
200
text 12

GET /rpc/mooded?m=ok
200
text "ok"

GET /rpc/add_them?a=x
400
code 22P02

# head
HEAD /rpc/ret_items
> Prefer: count=exact
200
Content-Range: 0-2/3
Content-Type: application/json; charset=utf-8
text 

HEAD /rpc/add_them?a=1
200
Content-Range: 0-0/*
text 

POST /rpc/echo
> Prefer: return=minimal
< {"v":{"deep":{"x":1}}}
200
body {"deep":{"x":1}}

POST /rpc/ret_items
> Prefer: return=minimal, count=exact
< {}
200
Content-Range: 0-2/3

# other bodies
POST /rpc/add_them
> Content-Type: application/x-www-form-urlencoded
< a=5&b=6
200
text 11

POST /rpc/texts
> Content-Type: application/x-www-form-urlencoded
< v={x,y}
200
text "x|y"

POST /rpc/add_them
> Content-Type: text/csv
< a,b\n5,6
200
text 11

POST /rpc/as_text
> Content-Type: text/plain
< some text {"a":1}
200
text "SOME TEXT {\"A\":1}"

POST /rpc/as_xml
> Content-Type: text/xml
< <a>b</a>
200
text "xml <a>b</a>"

POST /rpc/as_bytes
> Content-Type: application/octet-stream
< 12345
200
text 5

POST /rpc/whole
< {"a": 1.50, "a": [ ]}
200
text {"a": 1.50, "a": [ ]}

POST /rpc/whole
< [1,"x"]
200
body [1,"x"]

POST /rpc/wholeb
< {}
200
text "object"

POST /rpc/as_text
< {"x":1}
404
code PGRST202

POST /rpc/whole
> Content-Type: text/plain
< x
404
body {"code":"PGRST202","details":"Searched for the function public.whole with a single unnamed text parameter, but no matches were found in the schema cache.","hint":null,"message":"Could not find the function public.whole in the schema cache"}

# variadic
GET /rpc/many?v=a&v=b
200
text "a|b"

GET /rpc/many?v=a
200
text "a"

POST /rpc/many
< {"v":["a","b"]}
200
text "a|b"

POST /rpc/many
> Content-Type: application/x-www-form-urlencoded
< v=a&v=b&v=c
200
text "a|b|c"

GET /rpc/many_ints?first=1&v=2&v=3
200
text 6

# what comes back
POST /rpc/mooded
< {"m":"bad"}
200
text "bad"

POST /rpc/evened
< {"e":4}
200
text 4

POST /rpc/evened
< {"e":5}
400
code 23514

POST /rpc/ret_pair
< {}
200
text {"a":1,"b":"x"}

GET /rpc/ret_pairs
200
Content-Range: 0-1/*
body [{"a":1,"b":"x"},{"a":2,"b":"y"}]

GET /rpc/ret_table1
200
body [{"only_one":1},{"only_one":2}]

GET /rpc/ret_texts
200
body ["a",null,"c"]

GET /rpc/ret_ts
200
text "2024-01-02T03:04:05+00:00"

GET /rpc/ret_jsonb
200
text {"b": 1.50}

POST /rpc/ret_void
< {}
204
Content-Type: -
Content-Length: -
text 

GET /rpc/ret_item?n=1
200
Content-Range: 0-0/*
text {"id":1,"name":"one","parent":null,"tags":[]}

# bits and letters keep their length
POST /rpc/as_bits
< {"v":"101","w":"11","c":"abc","cs":["xy","z"]}
200
text "10111abcxyz"

GET /rpc/as_bits?v=101&w=11&c=abc&cs={xy,z}
200
text "10111abcxyz"

# overloads
POST /rpc/over
< {"a":1}
200
text "a"

POST /rpc/over
< {"b":1,"a":1}
200
text "ab"

POST /rpc/over
< {}
200
text "none"

GET /rpc/over?a=1&b=2
200
text "ab"

POST /rpc/over
< {"a":1,"c":2}
404
body {"code":"PGRST202","details":"Searched for the function public.over with parameters a, c or with a single unnamed json/jsonb parameter, but no matches were found in the schema cache.","hint":"Perhaps you meant to call the function public.over(a, b)","message":"Could not find the function public.over(a, c) in the schema cache"}

POST /rpc/twin
< {"x":1}
300
body {"code":"PGRST203","details":null,"hint":"Try renaming the parameters or the function itself in the database so function overloading can be resolved","message":"Could not choose the best candidate function between: public.twin(x => integer), public.twin(x => text)"}

POST /rpc/add_them
< {"a":1,"b":2,"c":3}
404
code PGRST202

POST /rpc/add_them
< {"b":2}
404
code PGRST202

GET /rpc/add_them
404
has Could not find the function public.add_them without parameters in the schema cache

GET /rpc/ad_them?a=1
404
body {"code":"PGRST202","details":"Searched for the function public.ad_them with parameter a, but no matches were found in the schema cache.","hint":"Perhaps you meant to call the function public.add_them","message":"Could not find the function public.ad_them(a) in the schema cache"}
`, "")
}

//covers:rest 100 164 165 166 167 173 174 176 177
func TestCallsAsRelations(t *testing.T) {
	t.Parallel()
	f := start(t, rpcSchema)
	f.vectors(t, `
POST /rpc/ret_items?select=id,name&id=gt.1&order=name.desc&limit=1
< {}
200
Content-Range: 0-0/*
body [{"id":2,"name":"two"}]

GET /rpc/ret_items?select=id,up:parent(name),items(id)&items.order=id&order=id&limit=2
200
body [{"id":1,"up":null,"items":[{"id":2},{"id":3}]},{"id":2,"up":{"name":"one"},"items":[]}]

GET /rpc/ret_items?select=name,items!inner(id)&items.id=eq.3
> Prefer: count=exact
200
Content-Range: 0-0/1
body [{"name":"one","items":[{"id":3}]}]

GET /rpc/ret_items?or=(id.eq.1,name.like.thr*)&select=id&order=id
200
body [{"id":1},{"id":3}]

GET /rpc/ret_items?offset=1&limit=1&order=id&select=id
> Prefer: count=exact
206
Content-Range: 1-1/3
body [{"id":2}]

GET /rpc/ret_items?offset=9
> Prefer: count=exact
416
Content-Range: */3
code PGRST103

GET /rpc/ret_items?order=id&select=id
> Range: 0-1
200
Content-Range: 0-1/*
body [{"id":1},{"id":2}]

GET /rpc/ret_pairs?a=eq.2&select=b
200
body [{"b":"y"}]

GET /rpc/ret_items?select=id
> Accept: text/csv
200
text id\n1\n2\n3

# operators filter, other values are arguments
GET /rpc/named?id=2&id=eq.3&select=id
200
body [{"id":3}]

GET /rpc/named?id=1&name=neq.two&select=id&order=id
200
body [{"id":1},{"id":3}]

GET /rpc/named?id=eq.1
404
has public.named without parameters

GET /rpc/named?id=in.x
400
code PGRST100

GET /rpc/named?id=is.maybe
400
code PGRST100

GET /rpc/named?id=1&name=not.x
400
code PGRST100

GET /rpc/texts?v={eq.1}
200
text "eq.1"

# who only reads may not write
GET /rpc/count_hit
405
body {"code":"25006","details":null,"hint":null,"message":"cannot execute UPDATE in a read-only transaction"}

HEAD /rpc/count_hit
405
Proxy-Status: PostgREST; error=25006

POST /rpc/sneaky
< {}
405
code 25006
sql 1 select 1 from hits where n = 0

# each call runs once, with counts, filters and objects
POST /rpc/count_hit
> Prefer: count=exact
< {}
200
Content-Range: 0-0/1
text 1

POST /rpc/hit_rows?id=gt.1&select=id
> Prefer: count=exact
< {}
200
Content-Range: 0-1/2
body [{"id":2},{"id":3}]
sql 1 select 1 from hits where n = 2

POST /rpc/hit_rows?id=eq.1&select=name
> Accept: application/vnd.pgrst.object+json
> Prefer: count=exact
< {}
200
body {"name":"one"}
sql 1 select 1 from hits where n = 3

POST /rpc/ret_void
> Prefer: count=exact
< {}
204
Content-Range: 0-0/1
sql 1 select 1 from hits where n = 4

# objects
GET /rpc/ret_items?id=eq.2&select=name
> Accept: application/vnd.pgrst.object+json
200
Content-Type: application/vnd.pgrst.object+json; charset=utf-8
text {"name":"two"}

GET /rpc/ret_items
> Accept: application/vnd.pgrst.object+json
406
body {"code":"PGRST116","details":"The result contains 3 rows","hint":null,"message":"Cannot coerce the result to a single JSON object"}

GET /rpc/ret_items?id=eq.9
> Accept: application/vnd.pgrst.object+json
406
has The result contains 0 rows

GET /rpc/ret_item?n=1&select=name
> Accept: application/vnd.pgrst.object+json
200
body {"name":"one"}

POST /rpc/hit_rows
> Accept: application/vnd.pgrst.object+json
< {}
406
code PGRST116
sql 1 select 1 from hits where n = 4

# counts
GET /rpc/ret_items?limit=1
> Prefer: count=planned
200
Content-Range: 0-0/*

GET /rpc/ret_items?limit=1
> Prefer: count=estimated
206
Content-Range: 0-0/3

GET /rpc/add_them?a=1
> Prefer: count=exact
200
Content-Range: 0-0/1

GET /rpc/ret_item?n=1
> Prefer: count=exact
200
Content-Range: 0-0/1

# no more than so many
POST /rpc/hit_rows
> Prefer: handling=strict, max-affected=2
< {}
400
body {"code":"PGRST124","details":"The query affects 3 rows","hint":null,"message":"Query result exceeds max-affected preference constraint"}
sql 1 select 1 from hits where n = 4

POST /rpc/hit_rows
> Prefer: handling=strict, max-affected=3
< {}
200
Preference-Applied: handling=strict, max-affected=3
sql 1 select 1 from hits where n = 5

POST /rpc/count_hit
> Prefer: handling=strict, max-affected=3
< {}
400
body {"code":"PGRST128","details":null,"hint":null,"message":"Function must return SETOF or TABLE when max-affected preference is used with handling=strict"}

POST /rpc/count_hit
> Prefer: max-affected=3
< {}
200
text 6
`, "")
}

//covers:rest 168 169 170 171 229
func TestCallsThatRaise(t *testing.T) {
	t.Parallel()
	f := start(t, `create function plain() returns int language plpgsql as $$ begin raise exception 'no %', 'way' using detail = 'D', hint = 'H'; end $$;
		create function coded(c text) returns int language plpgsql as $$ begin raise exception 'coded' using errcode = c; end $$;
		create function pt(c text) returns int language plpgsql as $$ begin raise exception 'Pay' using errcode = 'PT' || c, detail = 'D', hint = 'H'; end $$;
		create function raised(m text, d text) returns int language plpgsql as $$ begin raise sqlstate 'PGRST' using message = m, detail = d; end $$;
		create function raised_bare() returns int language plpgsql as $$ begin raise sqlstate 'PGRST' using message = '{"code":"1","message":"m"}'; end $$;
		create function answer(h text, s text, e text default '') returns text volatile language plpgsql as $$ begin
		  perform set_config('response.headers', h, true); perform set_config('response.status', s, true);
		  if e <> '' then raise exception 'after all'; end if; return 'ok'; end $$;
		create function rows_with_status() returns setof int language plpgsql as $$ begin perform set_config('response.status', '203', true); return next 1; end $$;
		create table guarded(id int); create function guard() returns trigger language plpgsql as $$ begin
		  perform set_config('response.headers', '[{"X-Seen":"' || new.id || '"}]', true); perform set_config('response.status', '202', true); return new; end $$;
		create trigger guard before insert on guarded for each row execute function guard()`)
	f.vectors(t, `
POST /rpc/plain
< {}
400
Proxy-Status: PostgREST; error=P0001
text {"code":"P0001","details":"D","hint":"H","message":"no way"}

POST /rpc/coded
< {"c":"23505"}
409
code 23505

POST /rpc/coded
< {"c":"22012"}
400
code 22012

POST /rpc/pt
< {"c":"402"}
402
text {"code":"PT402","details":"D","hint":"H","message":"Pay"}

POST /rpc/pt
< {"c":"418"}
418
code PT418

POST /rpc/pt
< {"c":"A1B"}
500
code PTA1B

POST /rpc/raised
< {"m":"{\"code\":\"123\",\"message\":\"m\",\"details\":\"dd\",\"hint\":\"hh\"}","d":"{\"status\":402,\"status_text\":\"Payment\",\"headers\":{\"X-A\":\"b\",\"X-C\":\"d\"}}"}
402
X-A: b
X-C: d
text {"code":"123","details":"dd","hint":"hh","message":"m"}

POST /rpc/raised
< {"m":"{\"code\":\"123\",\"message\":\"m\"}","d":"{\"status\":200,\"headers\":{}}"}
200
text {"code":"123","details":null,"hint":null,"message":"m"}

POST /rpc/raised
< {"m":"INVALID","d":"{\"status\":332,\"headers\":{}}"}
500
body {"code":"PGRST121","details":"Invalid JSON value for MESSAGE: 'INVALID'","hint":"MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details', 'hint'.","message":"Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error"}

POST /rpc/raised
< {"m":"{\"code\":\"1\",\"message\":\"m\"}","d":"INVALID"}
500
body {"code":"PGRST121","details":"Invalid JSON value for DETAIL: 'INVALID'","hint":"DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'.","message":"Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error"}

POST /rpc/raised_bare
< {}
500
has DETAIL is missing in the RAISE statement

# what a function says of its answer
POST /rpc/answer
< {"h":"[{\"X-A\":\"b\"},{\"Set-Cookie\":\"a=1\"},{\"Set-Cookie\":\"b=2\"}]","s":"299"}
299
X-A: b
Set-Cookie: a=1, b=2
text "ok"

POST /rpc/answer
< {"h":"[{\"Content-Type\":\"text/funny\"},{\"content-range\":\"1-1/1\"}]","s":""}
200
Content-Type: text/funny
Content-Range: 1-1/1

POST /rpc/answer
< {"h":"{\"X-A\":\"b\"}","s":""}
500
body {"code":"PGRST111","details":null,"hint":null,"message":"response.headers guc must be a JSON array composed of objects with a single key and a string value"}

POST /rpc/answer
< {"h":"","s":"soon"}
500
body {"code":"PGRST112","details":null,"hint":null,"message":"response.status guc must be a valid status code"}

POST /rpc/answer
< {"h":"[{\"X-A\":\"b\"}]","s":"202","e":"x"}
400
X-A: -
code P0001

POST /rpc/rows_with_status
< {}
203
body [1]

POST /guarded
< {"id":5}
202
X-Seen: 5
text 
`, "")
}

//covers:rest 172
func TestFunctionSettings(t *testing.T) {
	t.Parallel()
	f := start(t, `create function level() returns text stable language sql set default_transaction_isolation = 'repeatable read' as $$ select current_setting('transaction_isolation') $$;
		create function patience() returns text stable language sql set statement_timeout = '61s' as $$ select current_setting('statement_timeout') $$;
		create function own_memory() returns text stable language sql set work_mem = '3MB' as $$ select current_setting('work_mem') $$;
		create function usual() returns text stable language sql as $$ select current_setting('transaction_isolation') || ' ' || current_setting('statement_timeout') $$;
		create function in_time() returns text volatile language sql set statement_timeout = '10s' as $$ select 'done' from pg_sleep(0.3) $$;
		create function too_long() returns text volatile language sql set statement_timeout = '50ms' as $$ select 'done' from pg_sleep(10) $$;
		alter role authenticated set statement_timeout = '200ms'`)
	f.vectors(t, `
GET /rpc/level
200
text "repeatable read"

POST /rpc/patience
as {"role":"authenticated"}
< {}
200
text "61s"

GET /rpc/usual
as {"role":"authenticated"}
200
text "read committed 200ms"

GET /rpc/own_memory
200
text "3MB"

POST /rpc/in_time
as {"role":"authenticated"}
< {}
200
text "done"

POST /rpc/too_long
as {"role":"service_role"}
< {}
500
Proxy-Status: PostgREST; error=57014
body {"code":"57014","details":null,"hint":null,"message":"canceling statement due to statement timeout"}
`, "")
}
