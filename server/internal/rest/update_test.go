package rest_test

import (
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

const updateSchema = `
create table people(id int primary key, name text default 'anon', age int default 30, data jsonb, active bool default true);
create view adults as select id, name from people where age >= 18;
create function refill() returns void language sql as $$ truncate people;
  insert into people values (1, 'ann', 20, '{"k":"a"}', true), (2, 'bob', 30, '{"k":"b"}', true), (3, 'cy', 40, null, false) $$;
select refill();
`

//covers:rest 139 140 141 142 144 145 146 147 148 149 150 151
func TestUpdateAndDelete(t *testing.T) {
	t.Parallel()
	f := start(t, updateSchema)
	f.vectors(t, `
PATCH /people?id=eq.1
< {"name":"ANN","age":21}
204
Content-Range: 0-0/*
Content-Type: -
Content-Length: -
text 
sql 1 select 1 from people where name = 'ANN' and age = 21 and data is not null

PATCH /people?id=lt.3
> Prefer: return=headers-only, count=exact
< {"active":false}
204
Content-Range: 0-1/2
Location: -
Preference-Applied: return=headers-only, count=exact

PATCH /people?id=eq.1&select=name,n:age
> Prefer: return=representation
< {"name":"ANN"}
200
Content-Range: 0-0/*
Content-Type: application/json; charset=utf-8
body [{"name":"ANN","n":20}]

PATCH /people?id=eq.1
> Prefer: return=representation
> Accept: application/vnd.pgrst.object+json
< [{"data":{"new":[1]}}]
200
body {"id":1,"name":"ann","age":20,"data":{"new":[1]},"active":true}

PATCH /people?id=gt.1
> Prefer: return=representation
> Accept: application/vnd.pgrst.object+json
< {"name":"x"}
406
code PGRST116
sql 0 select 1 from people where name = 'x'

# nobody is meant
PATCH /people?id=eq.99
< {"name":"x"}
204
Content-Range: */*

PATCH /people?id=eq.99
> Prefer: return=representation, count=exact
< {"name":"x"}
200
Content-Range: */0
body []

# nothing is to change
PATCH /people?id=eq.1
< {}
204
Content-Range: */*
sql 1 select 1 from people where name = 'ann'

PATCH /people?id=eq.1&select=name
> Prefer: return=representation
< {}
200
Content-Range: */*
body []

PATCH /people?id=eq.1
< []
204
Content-Range: */*

PATCH /people?id=eq.1
> Prefer: return=representation
< [{}]
200
body []

# filters of every kind
PATCH /people?or=(id.eq.1,name.like.c*)&select=id&order=id
> Prefer: return=representation
< {"age":5}
200
body [{"id":1},{"id":3}]

PATCH /people?data->>k=eq.b&select=id
> Prefer: return=representation
< {"age":5}
200
body [{"id":2}]

DELETE /people?and=(age.gte.30,active.is.true)&select=id
> Prefer: return=representation
200
body [{"id":2}]
sql 2 select 1 from people

DELETE /people?data->k=is.null
204
sql 2 select 1 from people

# the rows as they are now, though the filter no longer finds them
PATCH /people?name=eq.ann&age=eq.20&or=(id.eq.1,name.eq.ann)&select=name,age
> Prefer: return=representation
< {"name":"zoe","age":99}
200
body [{"name":"zoe","age":99}]

# no window, but an order
PATCH /people?id=gt.0&limit=1&offset=1&order=name.desc&select=id
> Prefer: return=representation
< {"age":1}
200
body [{"id":3},{"id":2},{"id":1}]

DELETE /people?id=gt.0&limit=1&order=id.desc&select=id
> Prefer: return=representation
200
Content-Range: */*
body [{"id":3},{"id":2},{"id":1}]

POST /people?limit=1&offset=1&select=id&order=id.desc
> Prefer: return=representation
< [{"id":7},{"id":8}]
201
body [{"id":8},{"id":7}]

# delete
DELETE /people?id=eq.1
204
Content-Range: */*
Content-Type: -
text 
sql 2 select 1 from people

DELETE /people?id=lt.3
> Prefer: count=exact
204
Content-Range: */2

DELETE /people?id=eq.2
> Prefer: return=representation, count=exact
200
Content-Range: */1
body [{"id":2,"name":"bob","age":30,"data":{"k":"b"},"active":true}]

DELETE /people?id=eq.99
> Prefer: return=representation
200
body []

# no more than so many
PATCH /people?id=gt.0
> Prefer: handling=strict, max-affected=2
< {"age":1}
400
body {"code":"PGRST124","details":"The query affects 3 rows","hint":null,"message":"Query result exceeds max-affected preference constraint"}
sql 0 select 1 from people where age = 1

DELETE /people?id=gt.1
> Prefer: handling=strict, max-affected=1
400
body {"code":"PGRST124","details":"The query affects 2 rows","hint":null,"message":"Query result exceeds max-affected preference constraint"}
sql 3 select 1 from people

DELETE /people?id=gt.1
> Prefer: handling=strict, max-affected=2
204
Preference-Applied: handling=strict, max-affected=2
sql 1 select 1 from people

DELETE /people?id=gt.1
> Prefer: max-affected=1
204
Preference-Applied: -
sql 1 select 1 from people

DELETE /people?id=gt.1
> Prefer: handling=lenient, max-affected=1
204
sql 1 select 1 from people

# as the hosted service does, what has no filter is refused
PATCH /people
< {"age":1}
400
body {"code":"21000","details":null,"hint":null,"message":"UPDATE requires a WHERE clause"}
sql 0 select 1 from people where age = 1

DELETE /people
400
body {"code":"21000","details":null,"hint":null,"message":"DELETE requires a WHERE clause"}
sql 3 select 1 from people

# defaults
PATCH /people?id=eq.1&columns=name,age,active&select=name,age,active
> Prefer: return=representation, missing=default
< {"active":false}
200
Preference-Applied: missing=default, return=representation
body [{"name":"anon","age":30,"active":false}]

PATCH /people?id=eq.1&columns=name,age&select=name,age
> Prefer: return=representation
< {"age":5}
200
body [{"name":null,"age":5}]

PATCH /people?id=eq.1&columns=age&select=name,age
> Prefer: return=representation
< {"age":5,"name":"ignored"}
200
body [{"name":"ann","age":5}]

# what cannot be
PATCH /people?id=eq.1
< {"nope":1}
400
body {"code":"PGRST204","details":null,"hint":null,"message":"Could not find the 'nope' column of 'people' in the schema cache"}

PATCH /people?nope=eq.1
< {"age":1}
400
code 42703

PATCH /people?id=eq.1
< {"id":2}
409
code 23505

PATCH /adults?id=eq.1
< {"name":"via view"}
204
sql 1 select 1 from people where name = 'via view'
`, "select refill()")
}

// A database without the guard does what PostgREST does: it takes everybody.
//
//covers:rest 143
func TestWritesWithoutFilter(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQL(updateSchema),
		suparusttest.WithConfig(func(c *server.Config) { c.REST.SafeUpdate = false }))
	f := &fixture{URL: srv.URL + "/rest/v1", srv: srv}
	f.vectors(t, `
PATCH /people?select=id&order=id
> Prefer: return=representation
< {"age":1}
200
Content-Range: 0-2/*
body [{"id":1},{"id":2},{"id":3}]

DELETE /people
> Prefer: count=exact
204
Content-Range: */3
sql 0 select 1 from people
`, "")
}
