package rest_test

import "testing"

const selectSchema = `
create table items(id int primary key, name text, price numeric, data jsonb, "a,b" text, pair point, rank int, "count" text);
alter table items drop column "count";
insert into items values (1, 'one', 1.5, '{"a":{"b":[10,20]},"n":1,"x y":"z"}', 'q', '(1,2)', null),
  (2, 'two', 2.5, '{"a":{"b":[30]},"n":3}', 'r', '(3,4)', 5), (3, 'three', null, null, null, null, 4);
create function loud(items) returns text stable language sql as 'select upper($1.name)';
create table lines(id int primary key, item_id int references items(id), n int);
insert into lines values (1, 1, 7), (2, 1, 8), (3, 2, 9);
`

//covers:rest 63 64 65 66 67 68 74 75
func TestSelect(t *testing.T) {
	t.Parallel()
	f := start(t, selectSchema)
	f.vectors(t, `
GET /items?id=eq.1
200
body [{"id":1,"name":"one","price":1.5,"data":{"a":{"b":[10,20]},"n":1,"x y":"z"},"a,b":"q","pair":"(1,2)","rank":null}]

GET /items?select=*&id=eq.3
200
text [{"id":3,"name":"three","price":null,"data":null,"a,b":null,"pair":null,"rank":4}]

GET /items?select=&id=eq.3
200
text [{"id":3,"name":"three","price":null,"data":null,"a,b":null,"pair":null,"rank":4}]

GET /items?select=name,id&id=lt.3&order=id
200
text [{"name":"one","id":1}, \n {"name":"two","id":2}]

# aliases, casts and both
GET /items?select=n:name,%22odd%20key%22:id,price::text,p:price::int,id::text&id=eq.2
200
text [{"n":"two","odd key":2,"price":"2.5","p":3,"id":"2"}]

GET /items?select=price::double%20precision,data->n::int&id=eq.1
200
text [{"price":1.5,"n":1}]

# an alias may be any text
GET /items?select=%22a%22%22b%22:id&id=eq.1
400
code PGRST100

GET /items?select=%22a%5C%22b%22:id&id=eq.1
200
body [{"a\"b":1}]

# JSON paths have the name of their last key
GET /items?select=data->a,data->a->b,data->a->b->0,data->>n,data->%22x%20y%22,d:data->a->b->-1&id=eq.1
200
text [{"a":{"b": [10, 20]},"b":[10, 20],"b":10,"n":"1","x y":"z","d":20}]

GET /items?select=data->0&id=eq.1
200
text [{"data":null}]

# names that hold what the grammar uses
GET /items?select=%22a,b%22&id=eq.1
200
body [{"a,b":"q"}]

GET /items?select=%22a,b%22::varchar,x:%22a,b%22&%22a,b%22=eq.q&order=%22a,b%22.desc
200
body [{"a,b":"q","x":"q"}]

# computed fields
GET /items?select=id,loud,l:loud::varchar&id=eq.1
200
text [{"id":1,"loud":"ONE","l":"ONE"}]

GET /items?select=*,loud&id=eq.3
200
has "rank":4,"loud":"THREE"

# counts without parentheses
GET /items?select=count
200
text [{"count":3}]

GET /items?select=count&id=gt.1
200
text [{"count":2}]

GET /items?select=name,lines(count)&order=id
200
body [{"name":"one","lines":[{"count":2}]},{"name":"two","lines":[{"count":1}]},{"name":"three","lines":[{"count":0}]}]

GET /items?select=name,n:lines(count)&lines.n=gt.7&id=lt.3&order=id
200
body [{"name":"one","n":[{"count":1}]},{"name":"two","n":[{"count":1}]}]

# what PostgreSQL does not know
GET /items?select=unknown
400
body {"code":"42703","details":null,"hint":null,"message":"column items.unknown does not exist"}

GET /items?select=nam
400
body {"code":"42703","details":null,"hint":"Perhaps you meant to reference the column \"items.name\".","message":"column items.nam does not exist"}

GET /items?select=id::nope
400
body {"code":"42704","details":null,"hint":null,"message":"type \"nope\" does not exist"}

GET /items?select=id::int[]
400
code PGRST100

GET /items?select=id::numeric(10,2)
400
code PGRST100

GET /items?select=id::text;drop%20table%20items
400
code PGRST100

GET /items?select=id::%22text%22
400
code PGRST100

GET /items?select=name::int
400
code 22P02
`, "")
}

//covers:rest 69
func TestOrder(t *testing.T) {
	t.Parallel()
	f := start(t, selectSchema)
	f.vectors(t, `
GET /items?select=id&order=id.desc
200
body [{"id":3},{"id":2},{"id":1}]

GET /items?select=id&order=name.asc
200
body [{"id":1},{"id":3},{"id":2}]

GET /items?select=id&order=rank
200
body [{"id":3},{"id":2},{"id":1}]

GET /items?select=id&order=rank.desc
200
body [{"id":1},{"id":2},{"id":3}]

GET /items?select=id&order=rank.nullsfirst
200
body [{"id":1},{"id":3},{"id":2}]

GET /items?select=id&order=rank.desc.nullslast
200
body [{"id":2},{"id":3},{"id":1}]

GET /items?select=id&order=rank.asc.nullsfirst,id.desc
200
body [{"id":1},{"id":3},{"id":2}]

GET /items?select=id&order=data->a->b->0.desc.nullslast
200
body [{"id":2},{"id":1},{"id":3}]

GET /items?select=id&order=data->>n.nullsfirst
200
body [{"id":3},{"id":1},{"id":2}]

GET /items?select=id&order=loud
200
body [{"id":1},{"id":3},{"id":2}]

GET /items?select=x:name&order=loud.desc,%22a,b%22
200
body [{"x":"two"},{"x":"three"},{"x":"one"}]

GET /items?order=unknown
400
body {"code":"42703","details":null,"hint":null,"message":"column items.unknown does not exist"}
`, "")
}

//covers:rest 70
func TestAggregatesAreOffByDefault(t *testing.T) {
	t.Parallel()
	f := start(t, selectSchema)
	const off = `{"code":"PGRST123","details":null,"hint":null,"message":"Use of aggregate functions is not allowed"}`
	c := f.as(t, "service_role", nil)
	for _, path := range []string{
		"/items?select=price.sum()", "/items?select=count()", "/items?select=n:count()", "/items?select=name,lines(n.max())",
		"/lines?select=n,items(price.avg())", "/lines?select=...items(id.min())", "/items?select=lines(items(id.count()))",
	} {
		c.get(t, path).want(t, 400, off)
	}
	c.send(t, "PATCH", "/items?id=eq.1&select=price.sum()", `{"rank":1}`, "Prefer: return=representation").want(t, 400, off)
	if n := f.count(t, "select 1 from items where rank = 1"); n != 0 {
		t.Error("the refused update was made")
	}
}
