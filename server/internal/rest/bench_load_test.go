package rest_test

import (
	"net/http"
	"testing"
)

const benchSchema = `create table items(id int primary key, name text, note text);
insert into items select i, 'name ' || i, repeat('n', 50) from generate_series(1, 10000) i; analyze items;
alter table items enable row level security; create policy all_rows on items for select to authenticated using (true);
grant select on items to authenticated;
create table directors(id int primary key, name text not null);
create table films(id int primary key, title text not null, year int, director_id int references directors (id));
create table roles(id int primary key, film_id int references films (id), name text);
create index on roles (film_id); create index on films (director_id);
insert into directors select i, 'director ' || i from generate_series(1, 500) i;
insert into films select i, 'film ' || i, 1950 + i % 70, 1 + i % 500 from generate_series(1, 5000) i;
insert into roles select i, 1 + i % 5000, 'role ' || i from generate_series(1, 15000) i;
create table notes(id bigint primary key, owner text, body text);
insert into notes select -i, 'owner', 'body' from generate_series(1, 100000) i;
create table gone(id bigint primary key, body text);
insert into gone select i, 'body' from generate_series(1, 300000) i;
create table secret(id int primary key);
revoke all on secret from anon, authenticated;
create function add_them(a int, b int) returns int language sql immutable as 'select a + b';
analyze`

var representation = http.Header{"Prefer": {"return=representation"}}

// loadCalls are the kinds of requests of PostgREST's own load test.
var loadCalls = []struct {
	name string
	call call
}{
	{"Root", call{method: "GET", target: "/", status: 200}},
	{"HeadByKey", call{method: "HEAD", target: "/items?id=eq.4711", status: 200}},
	{"GetByKey", call{method: "GET", target: "/items?select=id,name&id=eq.4711", status: 200, want: `[{"id":4711,"name":"name 4711"}]`, aim: 10_000}},
	{"GetTwoEmbeds", call{method: "GET", target: "/films?select=id,title,directors(name),roles(name)&id=eq.4711", status: 200, aim: 6000}},
	{"GetTwoLevels", call{method: "GET", target: "/directors?select=name,films(title,roles(name))&id=eq.77", status: 200}},
	{"PostOne", call{method: "POST", target: "/notes?select=id,owner,body", header: representation,
		body: `{"id":%d,"owner":"me","body":"a short note"}`, status: 201, aim: 5000}},
	{"PostBulk", call{method: "POST", target: "/notes?columns=id,owner,body", header: http.Header{"Prefer": {"resolution=merge-duplicates"}},
		body: `[{"id":-1,"owner":"me","body":"one"},{"id":-2,"owner":"me","body":"two"},{"id":-3,"owner":"me","body":"three"},` +
			`{"id":-4,"owner":"me","body":"four"},{"id":-5,"owner":"me","body":"five"}]`, status: 200}},
	{"Put", call{method: "PUT", target: "/notes?id=eq.-4711", body: `{"id":-4711,"owner":"me","body":"put"}`, status: 204}},
	{"Patch", call{method: "PATCH", target: "/notes?id=eq.-4712", body: `{"body":"patched"}`, status: 204}},
	{"Delete", call{method: "DELETE", target: "/gone?id=eq.%d", status: 204}},
	{"CallGet", call{method: "GET", target: "/rpc/add_them?a=1&b=2", status: 200, want: "3"}},
	{"CallPost", call{method: "POST", target: "/rpc/add_them", body: `{"a":1,"b":2}`, status: 200, want: "3"}},
	{"NoTable", call{method: "GET", target: "/itens?id=eq.4711", status: 404}},
	{"NoEmbed", call{method: "GET", target: "/films?select=id,directrs(name)&id=eq.4711", status: 400}},
	{"NoFunction", call{method: "GET", target: "/rpc/add_the?a=1&b=2", status: 404}},
	{"Denied", call{method: "GET", target: "/secret?id=eq.1", status: 403}},
}

// BenchmarkLoad is each of the kinds of requests alone, with one client and
// with eight. Where a rate is aimed at, it is told beside the one reached.
func BenchmarkLoad(b *testing.B) {
	f := start(b, benchSchema)
	token := f.token(b, map[string]any{"role": "authenticated", "sub": "u1", "exp": 4102444800})
	for _, l := range loadCalls {
		b.Run(l.name, func(b *testing.B) { f.load(b, 1, token, &l.call) })
		b.Run(l.name+"8", func(b *testing.B) {
			f.load(b, 8, token, &l.call)
			if l.call.aim > 0 {
				b.ReportMetric(l.call.aim, "aim-req/s")
			}
		})
	}
}
