package rest_test

import (
	"net/http"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

const pathsSchema = `
create schema inner_life;
create table inner_life.customer_secrets(id int primary key);
create table customers(id int primary key, name text, n int default 0);
insert into customers values (1, 'ann', 0), (2, 'bob', 0);
create function double(n int default 4) returns int immutable language sql as 'select n * 2';
create function bump() returns int volatile language sql as 'update customers set n = n + 1 where id = 1 returning n';
create function path_seen() returns text stable language sql as $$ select current_setting('request.path') $$;
`

//covers:rest 1 2 3 5 6 7 8 15 17 18
func TestPathsAndMethods(t *testing.T) {
	t.Parallel()
	f := start(t, pathsSchema)
	f.vectors(t, `
# each method of a relation
GET /customers?id=eq.1
200
body [{"id":1,"name":"ann","n":0}]

HEAD /customers
200
Content-Range: 0-1/*
text 

POST /customers
< {"id":3,"name":"cy"}
201
sql 1 select 1 from customers where id = 3

PATCH /customers?id=eq.3
< {"name":"cyd"}
204
sql 1 select 1 from customers where name = 'cyd'

PUT /customers?id=eq.3
< {"id":3,"name":"put","n":9}
204
sql 1 select 1 from customers where name = 'put' and n = 9

DELETE /customers?id=eq.3
204
sql 0 select 1 from customers where id = 3

# each method of a function
GET /rpc/double?n=3
200
text 6

HEAD /rpc/double?n=3
200
Content-Range: 0-0/*
text 

POST /rpc/double
< {"n":5}
200
text 10

PUT /rpc/double
< {}
405
body {"code":"PGRST101","details":null,"hint":null,"message":"Cannot use the PUT method on RPC"}

PATCH /rpc/double
< {}
405
code PGRST101

DELETE /rpc/double
405
code PGRST101

TRACE /customers
405
body {"code":"PGRST117","details":null,"hint":null,"message":"Unsupported HTTP method: TRACE"}

FOO /customers
405
body {"code":"PGRST117","details":null,"hint":null,"message":"Unsupported HTTP method: FOO"}

POST /
< {}
405
code PGRST117

# what is not there, with hints only for what is near and in the schema
GET /unheard_of
404
body {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table 'public.unheard_of' in the schema cache"}

POST /custmers
< {"id":1}
404
body {"code":"PGRST205","details":null,"hint":"Perhaps you meant the table 'public.customers'","message":"Could not find the table 'public.custmers' in the schema cache"}

GET /cust
404
body {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table 'public.cust' in the schema cache"}

GET /customer_secret
404
body {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table 'public.customer_secret' in the schema cache"}

# names are exact
GET /Customers
404
code PGRST205

GET /rpc
404
body {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table 'public.rpc' in the schema cache"}

# deeper paths
GET /a/b
404
body {"code":"PGRST125","details":null,"hint":null,"message":"Invalid path specified in request URL"}

GET /rpc/a/b
404
code PGRST125

GET /customers/
404
code PGRST125

GET /rpc/double/
404
code PGRST125

# what a function says of its path
GET /rpc/path_seen
200
text "/rpc/path_seen"

GET /rpc/path%5Fseen?select=%2A
200
text "/rpc/path%5Fseen"

# OPTIONS on functions
OPTIONS /rpc/double
200
Allow: OPTIONS,GET,HEAD,POST

OPTIONS /rpc/bump
200
Allow: OPTIONS,POST

# of two faults the earlier check answers
GET /a/b
as {"role":"anon","exp":1}
401
code PGRST303

GET /nope
as {"role":"no one"}
404
code PGRST205

GET /a/b
> Accept-Profile: nope
404
code PGRST125

FOO /customers
> Accept-Profile: nope
> Content-Profile: nope
406
code PGRST106

GET /customers?id=x
> Accept-Profile: nope
406
code PGRST106

DELETE /rpc/nope?id=x.y
405
code PGRST101

GET /nope?id=x&limit=-1
400
code PGRST100

POST /nope
< {"id":
400
code PGRST102

GET /nope?limit=-1
416
code PGRST103

PUT /nope?limit=1
< {
400
code PGRST114

POST /nope
< {"nope":1}
404
code PGRST205

POST /customers?select=nope(id)
> Prefer: return=representation
< {"nope":1}
400
code PGRST200

GET /customers?nope.id=eq.1&select=id,away(id)
400
code PGRST108

GET /customers?select=id,away(id)
> Accept: application/xml
400
code PGRST200

GET /customers
> Accept: application/xml
> Prefer: handling=strict, x=y
406
code PGRST107

POST /customers
> Accept: application/xml
> Prefer: handling=strict, x=y
< {"id":5}
400
code PGRST122

POST /customers
> Accept: application/xml
< {"id":1}
406
code PGRST107
sql 2 select 1 from customers

GET /customers?id=eq.x
> Accept: application/vnd.pgrst.object+json
400
code 22P02
`, "")
}

//covers:rest 9 10 11
func TestProfiles(t *testing.T) {
	t.Parallel()
	const schema = `create schema shop; grant usage on schema shop to public;
		create table shop.things(id int primary key, name text); grant all on shop.things to service_role;
		insert into shop.things values (1, 'pen');
		create table things(id int primary key); insert into things values (7);
		create function shop.named() returns text stable language sql as $$ select current_setting('search_path') $$;
		create function named() returns text stable language sql as $$ select 'public' $$;`
	const shop = `
GET /things
> Accept-Profile: shop
200
Content-Profile: shop
body [{"id":1,"name":"pen"}]

HEAD /things?id=eq.1
> Accept-Profile: shop
200
Content-Range: 0-0/*

GET /things
> Content-Profile: shop
200
Content-Profile: public
body [{"id":7}]

POST /things
> Content-Profile: shop
> Prefer: return=representation
< {"id":2,"name":"ink"}
201
Content-Profile: shop
body [{"id":2,"name":"ink"}]

POST /things
> Accept-Profile: shop
< {"id":2,"name":"ink"}
400
code PGRST204

PATCH /things?id=eq.2
> Content-Profile: shop
< {"name":"cap"}
204
sql 1 select 1 from shop.things where name = 'cap'

PUT /things?id=eq.2
> Content-Profile: shop
< {"id":2,"name":"put"}
204
sql 1 select 1 from shop.things where name = 'put'

DELETE /things?id=eq.2
> Content-Profile: shop
204
sql 1 select 1 from shop.things

POST /rpc/named
> Content-Profile: shop
< {}
200
Content-Profile: shop
text "\"shop\", \"public\", \"extensions\""

GET /rpc/named
> Accept-Profile: shop
200
text "\"shop\", \"public\", \"extensions\""

GET /rpc/named
> Content-Profile: shop
200
text "public"

OPTIONS /things
> Accept-Profile: shop
200
Allow: OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE

GET /things
> Accept-Profile: nope
406
body {"code":"PGRST106","details":null,"hint":"Only the following schemas are exposed: public, shop","message":"Invalid schema: nope"}

POST /things
> Content-Profile: nope
< {"id":1}
406
code PGRST106

DELETE /things?id=eq.1
> Content-Profile: information_schema
406
code PGRST106
`
	with := func(schemas ...string) *fixture {
		srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQL(schema),
			suparusttest.WithConfig(func(c *server.Config) { c.REST.Schemas = schemas }))
		return &fixture{URL: srv.URL + "/rest/v1", srv: srv}
	}
	t.Run("two schemas", func(t *testing.T) { with("public", "shop").vectors(t, shop, "") })
	t.Run("one schema", func(t *testing.T) {
		with("shop").vectors(t, `
GET /things
200
Content-Profile: -
body [{"id":1,"name":"pen"}]

GET /things
> Accept-Profile: shop
200
Content-Profile: shop

GET /things
> Accept-Profile: public
406
has Only the following schemas are exposed: shop
`, "")
	})
}

//covers:rest 12 13 14 16
func TestKindsOfRelations(t *testing.T) {
	t.Parallel()
	f := start(t, `create table base(id int primary key, v text, hidden boolean default false);
		insert into base values (1, 'one', false), (2, 'two', true);
		create view shown as select id, v from base where not hidden;
		create view counted as select count(*) as n from base;
		create materialized view frozen as select id, upper(v) as v from base;
		create table days(day date, n int, primary key (day)) partition by range (day);
		create table days_2024 partition of days for values from ('2024-01-01') to ('2025-01-01');
		insert into days values ('2024-02-03', 4);
		create view wrapped as select id, 'v=' || v as v from base;
		create function wrapped_write() returns trigger language plpgsql as $$ begin
		  case tg_op
		    when 'INSERT' then insert into base(id, v) values (new.id, new.v);
		    when 'UPDATE' then update base set v = new.v where id = old.id;
		    else delete from base where id = old.id; return old;
		  end case;
		  return new; end $$;
		create trigger wrapped_write instead of insert or update or delete on wrapped for each row execute function wrapped_write();
		create table bare(x int);
		create view fixed as select id from base order by id limit 1`)
	owner := f.socket(t)
	for _, sql := range []string{"create extension file_fdw", "create server files foreign data wrapper file_fdw",
		"create foreign table remote(a int, b text) server files options (program 'printf ''1,x\\n2,y\\n''', format 'csv')",
		"grant select on remote to anon, authenticated, service_role"} {
		if _, err := owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	f.vectors(t, `
GET /shown
200
body [{"id":1,"v":"one"}]

GET /counted
200
body [{"n":2}]

GET /frozen?order=id
200
body [{"id":1,"v":"ONE"},{"id":2,"v":"TWO"}]

GET /days
200
body [{"day":"2024-02-03","n":4}]

GET /days_2024
404
code PGRST205

POST /days
< {"day":"2024-05-05","n":5}
201
sql 2 select 1 from days_2024

GET /remote?a=gt.1
200
body [{"a":2,"b":"y"}]

# a simple view is written through
POST /shown?select=*
> Prefer: return=representation
< {"id":5,"v":"five"}
201
body [{"id":5,"v":"five"}]

PATCH /shown?id=eq.5
< {"v":"FIVE"}
204
sql 1 select 1 from base where v = 'FIVE'

PATCH /shown?id=eq.2
< {"v":"no"}
204
Content-Range: */*
sql 0 select 1 from base where v = 'no'

DELETE /shown?id=eq.5
204
sql 2 select 1 from base

# a view with INSTEAD OF triggers, too
POST /wrapped
> Prefer: return=representation
< {"id":6,"v":"six"}
201
body [{"id":6,"v":"six"}]

PATCH /wrapped?id=eq.6
< {"v":"SIX"}
204
sql 1 select 1 from base where id = 6 and v = 'SIX'

DELETE /wrapped?v=eq.v%3DSIX
204
sql 2 select 1 from base

POST /counted
< {"n":1}
500
code 55000

POST /frozen
< {"id":1}
400
code 42809

# what may be done is told
OPTIONS /base
200
Allow: OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE
Content-Length: 0
Access-Control-Allow-Origin: *
text 

OPTIONS /shown
200
Allow: OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE

OPTIONS /wrapped
200
Allow: OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE

OPTIONS /bare
200
Allow: OPTIONS,GET,HEAD,POST,PATCH,DELETE

OPTIONS /counted
200
Allow: OPTIONS,GET,HEAD

OPTIONS /frozen
200
Allow: OPTIONS,GET,HEAD

OPTIONS /remote
200
Allow: OPTIONS,GET,HEAD

OPTIONS /
200
Allow: OPTIONS,GET,HEAD
`, "")
}

// The key that browsers' links carry is the gateway's, and no filter.
//
//covers:rest 19
func TestKeyInTheQuery(t *testing.T) {
	t.Parallel()
	f := start(t, "create table locked(id int primary key, apikey text); insert into locked values (1, 'x'); revoke all on locked from anon")
	c := &client{url: f.URL}
	c.get(t, "/locked?id=eq.1&apikey="+f.srv.ServiceKey).want(t, http.StatusOK, `[{"id":1,"apikey":"x"}]`)
	c.get(t, "/locked?apikey="+f.srv.SecretKey+"&select=id").want(t, http.StatusOK, `[{"id":1}]`)
	c.get(t, "/locked?apikey="+f.srv.AnonKey).wantCode(t, http.StatusUnauthorized, "42501")
	if r := c.get(t, "/locked?select=id&apikey="+f.srv.ServiceKey); r.header.Get("Content-Location") != "/locked?select=id" {
		t.Errorf("Content-Location is %s", r.header.Get("Content-Location"))
	}
}
