package rest_test

import (
	"fmt"
	"sync"
	"testing"
)

// Requests that differ in their values, their role, their schema or the
// settings in force never get one another's plan, however often they come.
func TestShapesAreKeptApart(t *testing.T) {
	t.Parallel()
	f := start(t, `
create schema other; grant usage on schema other to anon, authenticated, service_role;
create table things(id int primary key, name text); insert into things select i, 'public ' || i from generate_series(1, 20) i;
create table other.things(name text, id int primary key); insert into other.things select 'other ' || i, i from generate_series(1, 20) i;
alter table things enable row level security; create policy even on things to authenticated using (id % 2 = 0);
grant select on things, other.things to authenticated, service_role;
alter role authenticator in database postgres set pgrst.db_schemas = 'public, other'`)
	clients := map[string]*client{"authenticated": f.as(t, "authenticated", nil), "service_role": f.as(t, "service_role", nil)}
	ask := func(t *testing.T, role, schema string, id int) {
		want := fmt.Sprintf(`[{"id":%d,"name":"%s %d"}]`, id, schema, id)
		if schema == "public" && role == "authenticated" && id%2 == 1 {
			want = `[]`
		}
		target := fmt.Sprintf("/things?select=id,name&id=eq.%d", id)
		res := clients[role].get(t, target, "Accept-Profile: "+schema)
		res.want(t, 200, want)
		if got := res.header.Get("Content-Location"); got != fmt.Sprintf("/things?id=eq.%d&select=id%%2Cname", id) {
			t.Errorf("Content-Location %s", got)
		}
	}
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 40 {
				ask(t, [...]string{"authenticated", "service_role"}[(n+i)%2], [...]string{"public", "other"}[(n/2+i/3)%2], 1+(n*7+i)%20)
			}
		})
	}
	wg.Wait()
	twenty := `[{"id":1}`
	for i := 2; i <= 20; i++ {
		twenty += fmt.Sprintf(`,{"id":%d}`, i)
	}
	twenty += "]"
	for range 3 {
		clients["service_role"].get(t, "/things?id=gt.0&order=id&select=id").want(t, 200, twenty)
	}
	f.configure(t, "db_max_rows", "3")
	clients["service_role"].get(t, "/things?id=gt.0&order=id&select=id").want(t, 200, `[{"id":1},{"id":2},{"id":3}]`)
	f.exec(t, "alter table things rename name to title")
	clients["service_role"].get(t, "/things?id=eq.2").want(t, 200, `[{"id":2,"title":"public 2"}]`)
	clients["service_role"].get(t, "/things?select=id,name&id=eq.2").wantCode(t, 400, "42703")
}
