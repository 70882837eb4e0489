package rest_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// The error an app sees has four members, in the order of their names, all of
// them always there.
//
//covers:rest 227 229 235
func TestErrorShape(t *testing.T) {
	t.Parallel()
	f := start(t, `create table t(id int primary key, v int check (v > 0)); create table hushed(id int); revoke all on hushed from anon`)
	f.vectors(t, `
GET /tt
404
Content-Type: application/json; charset=utf-8
Proxy-Status: PostgREST; error=PGRST205
text {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table 'public.tt' in the schema cache"}

POST /t
< {"id":1,"v":0}
400
Content-Type: application/json; charset=utf-8
Proxy-Status: PostgREST; error=23514
text {"code":"23514","details":"Failing row contains (1, 0).","hint":null,"message":"new row for relation \"t\" violates check constraint \"t_v_check\""}

GET /t?select=idd
400
text {"code":"42703","details":null,"hint":"Perhaps you meant to reference the column \"t.id\".","message":"column t.idd does not exist"}

GET /t?id=eq.x
> Accept: text/csv
400
Content-Type: application/json; charset=utf-8
text {"code":"22P02","details":null,"hint":null,"message":"invalid input syntax for type integer: \"x\""}

GET /hushed
as {"role":"anon"}
> Accept: text/csv
401
Content-Type: application/json; charset=utf-8
WWW-Authenticate: Bearer
text {"code":"42501","details":null,"hint":null,"message":"permission denied for table hushed"}

GET /t?limit=-1
> Accept: application/vnd.pgrst.object+json
416
Content-Type: application/json; charset=utf-8
code PGRST103

HEAD /tt
404
Content-Type: application/json; charset=utf-8
Proxy-Status: PostgREST; error=PGRST205
text 
`, "")
}

// What another connection has changed and committed is in force for the next
// request, whatever kind of object it is and whichever connection serves it.
//
//covers:rest 236 238 239
func TestDDLOfAnotherConnection(t *testing.T) {
	t.Parallel()
	f := start(t, `create table a(id int primary key, n int); insert into a values (1, 10);
		create function twice(n int) returns int language sql as 'select n * 2'`)
	c := f.as(t, "service_role", nil)
	conn := f.socket(t)
	for _, step := range []struct {
		sql, method, path, body string
		status                  int
		want                    string
	}{
		{"", "GET", "/a", "", 200, `[{"id":1,"n":10}]`},
		// the row's type changes under a prepared statement
		{"alter table a add v text default 'x'", "GET", "/a", "", 200, `[{"id":1,"n":10,"v":"x"}]`},
		{"alter table a alter n type text using 'n' || n", "GET", "/a", "", 200, `[{"id":1,"n":"n10","v":"x"}]`},
		{"alter table a alter n type int using 7", "GET", "/a?n=eq.7", "", 200, `[{"id":1,"n":7,"v":"x"}]`},
		{"alter table a drop column v", "GET", "/a", "", 200, `[{"id":1,"n":7}]`},
		{"alter table a rename n to m", "PATCH", "/a?id=eq.1", `{"m":8}`, 204, ``},
		{"alter table a rename m to n", "POST", "/a", `{"id":1,"m":8}`, 400, ``},
		// relationships come and go
		{"create table b(id int primary key, a_id int)", "GET", "/a?select=id,b(id)", "", 400, ``},
		{"alter table b add constraint b_a foreign key (a_id) references a", "GET", "/a?select=id,b(id)", "", 200, `[{"id":1,"b":[]}]`},
		{"alter table b drop constraint b_a", "GET", "/a?select=id,b(id)", "", 400, ``},
		{"alter table b add constraint b_a foreign key (a_id) references a; alter table b add unique (a_id)", "GET", "/a?select=id,b(id)", "", 200, `[{"id":1,"b":null}]`},
		// views
		{"create view v as select id from a", "GET", "/v", "", 200, `[{"id":1}]`},
		{"create or replace view v as select id, 5 as five from a", "GET", "/v", "", 200, `[{"id":1,"five":5}]`},
		{"drop view v", "GET", "/v", "", 404, ``},
		{"create materialized view v as select 1 as one", "GET", "/v", "", 200, `[{"one":1}]`},
		// functions
		{"", "POST", "/rpc/twice", `{"n":4}`, 200, `8`},
		{"create or replace function twice(n int) returns int language sql as 'select n * 20'", "POST", "/rpc/twice", `{"n":4}`, 200, `80`},
		{"drop function twice; create function twice(n int, m int default 1) returns setof int language sql as 'values (n), (m)'", "POST", "/rpc/twice", `{"n":4}`, 200, `[4,1]`},
		{"drop function twice", "POST", "/rpc/twice", `{"n":4}`, 404, ``},
		{"create function later(a) returns text language sql stable as $$ select 'row ' || $1.id $$", "GET", "/a?select=later", "", 200, `[{"later":"row 1"}]`},
		{"drop function later", "GET", "/a?select=later", "", 400, ``},
		// privileges are the database's at every request
		{"revoke select on a from service_role", "GET", "/a", "", 403, ``},
		{"grant select on a to service_role", "GET", "/a?select=n", "", 200, `[{"n":8}]`},
		// a name that comes back is another table
		{"drop table b, a cascade; create table a(x text); insert into a values ('new')", "GET", "/a", "", 200, `[{"x":"new"}]`},
		{"alter table a rename to z", "GET", "/a", "", 404, ``},
		{"alter table z rename to a", "GET", "/a", "", 200, `[{"x":"new"}]`},
		{"create schema attic; alter table a set schema attic", "GET", "/a", "", 404, ``},
	} {
		if step.sql != "" {
			if _, err := conn.Exec(t.Context(), step.sql); err != nil {
				t.Fatalf("%s: %v", step.sql, err)
			}
		}
		var all sync.WaitGroup
		for range 3 { // over several connections of the pool
			all.Go(func() {
				if r := c.send(t, step.method, step.path, step.body); r.status != step.status {
					t.Errorf("after %q: %s %s: %d, want %d: %s", step.sql, step.method, step.path, r.status, step.status, r.body)
				} else if step.want != "" {
					r.want(t, step.status, step.want)
				}
			})
		}
		all.Wait()
	}
	// what a transaction has not committed nobody sees
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "create table pending(id int)"); err != nil {
		t.Fatal(err)
	}
	c.get(t, "/pending").wantCode(t, 404, "PGRST205")
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.get(t, "/pending").want(t, 200, `[]`)
}

// A burst of notifications ends in the schema that the last one told of, and no
// request waits for it or fails.
//
//covers:rest 237
func TestNotificationsAreNotLost(t *testing.T) {
	t.Parallel()
	f := start(t, "create table counted(id int primary key); insert into counted select generate_series(1, 30)")
	c := f.as(t, "service_role", nil)
	c.get(t, "/counted").wantStatus(t, 200)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var slowest time.Duration
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			began := time.Now()
			if r := c.get(t, "/counted?select=id&id=eq.1"); r.status != http.StatusOK || string(r.body) != `[{"id":1}]` {
				t.Errorf("during the reloads: %d %s", r.status, r.body)
			}
			slowest = max(slowest, time.Since(began))
		}
	})
	for n := 1; n <= 25; n++ {
		f.exec(t, fmt.Sprintf("alter role authenticator in database postgres set pgrst.db_max_rows = '%d'; notify pgrst, 'reload config'; notify pgrst", n))
		if n%5 == 0 {
			want := fmt.Sprintf("0-%d/*", n-1)
			f.eventually(t, func() bool { return c.get(t, "/counted").header.Get("Content-Range") == want })
		}
	}
	close(stop)
	wg.Wait()
	if slowest > 5*time.Second {
		t.Errorf("a request waited %s", slowest)
	}
}

// Two databases side by side know nothing of each other's schemas.
//
//covers:rest 245
func TestCachesArePerDatabase(t *testing.T) {
	t.Parallel()
	var all []*fixture
	for i := range 3 {
		all = append(all, start(t, fmt.Sprintf("create table shared(v%d int); create table only_%d(id int); insert into shared values (%d)", i, i, i)))
	}
	for round := range 3 {
		var wg sync.WaitGroup
		for i, f := range all {
			wg.Go(func() {
				c := f.as(t, "service_role", nil)
				c.get(t, "/shared").want(t, 200, fmt.Sprintf(`[{"v%d":%d}]`, i, i))
				f.exec(t, fmt.Sprintf("create table round_%d_%d()", round, i))
				for _, j := range slices.Backward([]int{0, 1, 2}) {
					want := http.StatusNotFound
					if i == j {
						want = http.StatusOK
					}
					c.get(t, fmt.Sprintf("/only_%d", j)).wantStatus(t, want)
					c.get(t, fmt.Sprintf("/round_%d_%d", round, j)).wantStatus(t, want)
				}
			})
		}
		wg.Wait()
	}
}
