package rest_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A schema change made by any connection is in force for the next request.
//
//covers:rest 236 238 239
func TestSchemaChangeIsSeenByTheNextRequest(t *testing.T) {
	t.Parallel()
	f := start(t, "create table base(id int primary key, a text); insert into base values (1, 'x')")
	service := f.as(t, "service_role", nil)
	service.get(t, "/base").want(t, 200, `[{"id":1,"a":"x"}]`)
	for i := range 20 {
		name := fmt.Sprintf("fresh_%d", i)
		f.exec(t, "create table "+name+"(id int primary key)")
		service.get(t, "/"+name).want(t, 200, `[]`)
		service.post(t, "/"+name, `{"id":1}`).want(t, 201, ``)
		f.exec(t, "alter table "+name+" add column note text default 'n'")
		service.get(t, "/"+name+"?select=id,note").want(t, 200, `[{"id":1,"note":"n"}]`)
		service.get(t, "/"+name).want(t, 200, `[{"id":1,"note":"n"}]`)
		service.send(t, http.MethodPatch, "/"+name+"?id=eq.1", `{"note":"m"}`).want(t, 204, ``)
		f.exec(t, "alter table "+name+" rename column note to memo")
		service.get(t, "/"+name).want(t, 200, `[{"id":1,"memo":"m"}]`)
		f.exec(t, "drop table "+name)
		service.get(t, "/"+name).wantCode(t, 404, "PGRST205")
	}
	f.exec(t, "create table child(id int primary key, base_id int)")
	service.get(t, "/base?select=id,child(id)").wantCode(t, 400, "PGRST200")
	f.exec(t, "alter table child add foreign key (base_id) references base(id)")
	service.get(t, "/base?select=id,child(id)").want(t, 200, `[{"id":1,"child":[]}]`)
	service.post(t, "/rpc/sum_up", `{"a":1}`).wantCode(t, 404, "PGRST202")
	f.exec(t, "create function sum_up(a int) returns int language sql as 'select a + 1'")
	service.post(t, "/rpc/sum_up", `{"a":1}`).want(t, 200, `2`)
	f.exec(t, "drop function sum_up; create function sum_up(a int) returns text language sql as $$ select 'now ' || a $$")
	service.post(t, "/rpc/sum_up", `{"a":1}`).want(t, 200, `"now 1"`)
	service.send(t, http.MethodOptions, "/later", "").wantCode(t, 404, "PGRST205")
	f.exec(t, "create view later as select 1 as one")
	if got := service.send(t, http.MethodOptions, "/later", "").header.Get("Allow"); got != "OPTIONS,GET,HEAD" {
		t.Errorf("Allow is %q", got)
	}
}

// While one client changes the schema all the time, every request of the
// others is answered by the schema before or after a change, never by neither.
//
//covers:rest 237 239
func TestDDLStorm(t *testing.T) {
	t.Parallel()
	f := start(t, "create table stormy(id int primary key, v text); insert into stormy values (1, 'x')")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			service := f.as(t, "service_role", nil)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if r := service.get(t, "/stormy?select=id,v"); r.status != 200 || string(r.body) != `[{"id":1,"v":"x"}]` {
					t.Errorf("read: %d %s", r.status, r.body)
				}
				if r := service.send(t, http.MethodPatch, "/stormy?id=eq.1", `{"v":"x"}`); r.status != 204 {
					t.Errorf("write: %d %s", r.status, r.body)
				}
			}
		})
	}
	for i := range 40 {
		f.exec(t, fmt.Sprintf("alter table stormy add column c%d int default %d", i, i))
		if i%2 == 1 {
			f.exec(t, fmt.Sprintf("alter table stormy drop column c%d", i-1))
		}
	}
	close(stop)
	wg.Wait()
}

func TestNotifiedReload(t *testing.T) {
	t.Parallel()
	f := start(t, "create table counted(id int); insert into counted select generate_series(1, 10)")
	service := f.as(t, "service_role", nil)
	service.get(t, "/counted?select=id.sum()").wantCode(t, 400, "PGRST123")
	// settings fire no trigger, but a refusal that they may have lifted is
	// looked at again
	f.exec(t, "alter role authenticator in database postgres set pgrst.db_aggregates_enabled = 'true'")
	service.get(t, "/counted?select=id.sum()").want(t, 200, `[{"sum":55}]`)
	// where nothing is refused, the database has to tell
	f.exec(t, "alter role authenticator in database postgres set pgrst.db_max_rows = '3'; notify pgrst, 'reload config'")
	f.eventually(t, func() bool { return service.get(t, "/counted").header.Get("Content-Range") == "0-2/*" })
}

// A listener that loses its connection comes back, and reads what it may have missed.
//
//covers:rest 237
func TestListenerComesBack(t *testing.T) {
	t.Parallel()
	f := start(t, "create table t(id int); insert into t select generate_series(1, 5)")
	service := f.as(t, "service_role", nil)
	service.get(t, "/t").wantStatus(t, 200)
	const listener = "select pid from pg_stat_activity where application_name = 'suparust schema listener'"
	for _, limit := range []string{"2", "4"} {
		f.eventually(t, func() bool { return f.count(t, listener) == 1 })
		pid := f.value(t, "select pid::text from ("+listener+") l")
		f.exec(t, "select pg_terminate_backend("+pid+")")
		f.configure(t, "db_max_rows", ""+limit+"")
		f.eventually(t, func() bool {
			r := service.get(t, "/t", "Prefer: count=exact")
			return r.status == 206 && strings.HasPrefix(r.header.Get("Content-Range"), "0-"+string(limit[0]-1)+"/")
		})
	}
}

// The schema is read anew for every change with queries that are prepared once
// on a connection, and again when another program has dropped them.
//
//covers:rest 243
func TestSchemaReloadKeepsItsQueries(t *testing.T) {
	t.Parallel()
	var tables strings.Builder
	for i := range 100 {
		fmt.Fprintf(&tables, "create table t%d(id int primary key, name text not null, other int references t%d);", i, i/2)
	}
	f := start(t, tables.String()+`
		create function kept() returns int language sql as $$ select count(*)::int from pg_prepared_statements where name like 'srs_schema_%' $$;
		create function drop_all() returns void language plpgsql as $$ begin execute 'deallocate all'; end $$`)
	service := f.as(t, "service_role", nil)
	change := func(n int) {
		t.Helper()
		f.exec(t, fmt.Sprintf("alter table t0 add column c%d int default %d", n, n))
		service.get(t, fmt.Sprintf("/t1?select=id,c%d", n)).wantCode(t, 400, "42703")
		service.post(t, fmt.Sprintf("/t0?select=c%d", n), fmt.Sprintf(`{"id":%d,"name":"n","other":%d}`, n, n), "Prefer: return=representation").
			want(t, 201, fmt.Sprintf(`[{"c%d":%d}]`, n, n))
	}
	var counts []string
	for n := range 6 {
		change(n)
		counts = append(counts, string(service.post(t, "/rpc/kept", "{}").body))
	}
	// each reload may run on another of two connections, but none prepares twice
	for _, c := range counts {
		if n, err := strconv.Atoi(c); err != nil || n > 20 {
			t.Errorf("prepared queries after each change: %q", counts)
		}
	}
	if last := counts[len(counts)-1]; last == "0" {
		t.Errorf("nothing stays prepared: %q", counts)
	}
	for n := range 3 {
		service.post(t, "/rpc/drop_all", "{}").want(t, 204, "")
		change(100 + n)
	}
}

// The log of the schema's changes, which every request reads, stays short, and
// what was folded into one row counts on.
func TestLogOfChangesStaysShort(t *testing.T) {
	t.Parallel()
	f := start(t, "create table base(id int primary key)")
	service := f.as(t, "service_role", nil)
	changes := func() string { return f.value(t, "select coalesce(sum(n), 0)::text from suparust.ddl_log") }
	for i := range 50 {
		f.exec(t, fmt.Sprintf("create table c%d(id int)", i))
	}
	before := changes()
	service.get(t, "/base").want(t, 200, `[]`)
	f.eventually(t, func() bool { return f.count(t, "select from suparust.ddl_log") == 1 })
	if after := changes(); after != before {
		t.Errorf("%s changes became %s", before, after)
	}
	service.get(t, "/c49").want(t, 200, `[]`)
	f.exec(t, "drop table c49; create table c50(id int)")
	service.get(t, "/c49").wantCode(t, 404, "PGRST205")
	service.get(t, "/c50").want(t, 200, `[]`)
	if after := changes(); after == before {
		t.Errorf("%s changes became %s", before, after)
	}
}
