package rest_test

import (
	"testing"
)

// Colours are stored as numbers and seen as "#RRGGBB"; days are stored as dates
// and seen as numbers, but have no function that reads a filter.
const representedSchema = `
create domain colour as int check (value between 0 and 16777215);
create function colour_out(colour) returns json immutable language sql as
  $$ select case when $1 is null then '"none"' else to_json('#' || lpad(upper(to_hex($1)), 6, '0')) end $$;
create function colour_in(text) returns colour immutable language sql as
  $$ select ('x' || lpad(ltrim($1, '#'), 8, '0'))::bit(32)::int::colour $$;
create function colour_in(json) returns colour immutable language sql as $$ select colour_in($1 #>> '{}') $$;
create cast (colour as json) with function colour_out(colour) as implicit;
create cast (text as colour) with function colour_in(text) as implicit;
create cast (json as colour) with function colour_in(json) as implicit;

create domain day as date;
create function day_out(day) returns json immutable language sql as $$ select to_json($1 - date '2020-01-01') $$;
create function day_in(json) returns day immutable language sql as $$ select (date '2020-01-01' + ($1 #>> '{}')::int)::day $$;
create cast (day as json) with function day_out(day) as implicit;
create cast (json as day) with function day_in(json) as implicit;

create domain plain as int;
create function plain_out(plain) returns json immutable language sql as $$ select '"explicit"'::json $$;
create cast (plain as json) with function plain_out(plain) as assignment;

create table boxes(id int primary key, name text, lid colour default 255, made day default '2020-01-03', size plain);
insert into boxes values (1, 'a', 0, '2020-01-02', 1), (2, 'b', 256, '2020-01-03', 2), (3, 'c', null, null, 3);
create table labels(id int primary key, box_id int references boxes(id), ink colour);
insert into labels values (1, 1, 1), (2, 1, 2), (3, 2, 3);
create table swatches(code colour primary key, name text);
insert into swatches values (16711680, 'red');
create view dark as select id, lid, (lid / 2)::colour as dim from boxes;
create function lightest() returns setof boxes stable language sql as $$ select * from boxes order by lid desc nulls last limit 1 $$;
create function lid_of(box int, shade colour default 1) returns colour stable language sql as $$ select lid from boxes where id = box $$;
create function halved(boxes) returns colour stable language sql as $$ select ($1.lid / 2)::colour $$;
`

//covers:rest 62
func TestRepresentationsInReads(t *testing.T) {
	t.Parallel()
	f := start(t, representedSchema)
	f.configure(t, "db_aggregates_enabled", "true")
	c := f.anonymous()
	for _, q := range []struct{ path, want string }{
		{"/boxes?select=id,lid&id=lt.3&order=id", `[{"id":1,"lid":"#000000"},{"id":2,"lid":"#000100"}]`},
		// what null is shown as is for the function to say
		{"/boxes?select=lid,made&id=eq.3", `[{"lid":"none","made":null}]`},
		{"/boxes?id=eq.2", `[{"id":2,"name":"b","lid":"#000100","made":2,"size":2}]`},
		{"/boxes?select=hue:lid&id=eq.2", `[{"hue":"#000100"}]`},
		{"/boxes?select=lid::text&id=eq.2", `[{"lid":"\"#000100\""}]`},
		{"/boxes?select=name,halved&id=eq.2", `[{"name":"b","halved":128}]`},
		{"/dark?id=eq.2", `[{"id":2,"lid":"#000100","dim":"#000080"}]`},
		{"/labels?select=id,boxes(lid)&order=id", `[{"id":1,"boxes":{"lid":"#000000"}},{"id":2,"boxes":{"lid":"#000000"}},{"id":3,"boxes":{"lid":"#000100"}}]`},
		{"/labels?select=box_id(*)&id=eq.3", `[{"box_id":{"id":2,"name":"b","lid":"#000100","made":2,"size":2}}]`},
		{"/boxes?select=id,labels(ink)&labels.order=ink.desc&id=eq.1", `[{"id":1,"labels":[{"ink":"#000002"},{"ink":"#000001"}]}]`},
		{"/labels?select=id,...boxes(lid)&id=eq.3", `[{"id":3,"lid":"#000100"}]`},
		{"/boxes?select=id,...labels(ink)&labels.order=ink&id=eq.1", `[{"id":1,"ink":["#000001","#000002"]}]`},
		{"/rpc/lightest", `[{"id":2,"name":"b","lid":"#000100","made":2,"size":2}]`},
		{"/rpc/lightest?select=lid,labels(ink)", `[{"lid":"#000100","labels":[{"ink":"#000003"}]}]`},
		// a function's own value is shown as it is, and its argument read as it is
		{"/rpc/lid_of?box=2&shade=7", `256`},
		// groups and aggregates work on what is stored
		{"/boxes?select=lid,count()&id=lt.3&order=lid", `[{"lid":"#000000","count":1},{"lid":"#000100","count":1}]`},
		{"/boxes?select=hue:lid,n:count()&id=eq.2", `[{"hue":"#000100","n":1}]`},
		{"/boxes?select=lid.max()", `[{"max":256}]`},
		// order too
		{"/boxes?select=lid&order=lid.desc.nullslast", `[{"lid":"#000100"},{"lid":"#000000"},{"lid":"none"}]`},
		// filters are read where there is a function for it
		{"/boxes?select=id&lid=eq.000100", `[{"id":2}]`},
		{"/boxes?select=id&lid=eq.%23100", `[{"id":2}]`},
		{"/boxes?select=id&lid=neq.000100", `[{"id":1}]`},
		{"/boxes?select=id&lid=in.(000100,0)&order=id", `[{"id":1},{"id":2}]`},
		{"/boxes?select=id&lid=not.in.(0)", `[{"id":2}]`},
		{"/boxes?select=id&lid=in.()", `[]`},
		{"/boxes?select=id&lid=eq(any).{000100,0}&order=id", `[{"id":1},{"id":2}]`},
		{"/boxes?select=id&lid=lte(all).{000100,ff}", `[{"id":1}]`},
		{"/boxes?select=id&or=(lid.eq.000100,lid.is.null)&order=id", `[{"id":2},{"id":3}]`},
		{"/boxes?select=id,labels!inner(id)&labels.ink=gt.000002", `[{"id":2,"labels":[{"id":3}]}]`},
		// and not where there is none
		{"/boxes?select=id&made=eq.2020-01-03", `[{"id":2}]`},
		// what isdistinct compares with is not read
		{"/boxes?select=id&lid=isdistinct.256&order=id", `[{"id":1},{"id":3}]`},
	} {
		t.Run(q.path, func(t *testing.T) { c.get(t, q.path).want(t, 200, q.want) })
	}
	c.get(t, "/boxes?select=id&made=eq.2").wantCode(t, 400, "22007")
	c.get(t, "/boxes?select=id&lid=ilike.*1*").wantCode(t, 404, "42883")
	csv := c.get(t, "/boxes?select=id,lid,made&id=eq.2", "Accept: text/csv")
	if got, want := string(csv.body), "id,lid,made\n2,\"\"\"#000100\"\"\",2"; got != want {
		t.Errorf("the CSV is %q, want %q", got, want)
	}
	got := c.get(t, "/boxes?select=id&lid=eq.000100", "Prefer: count=exact")
	if r := got.header.Get("Content-Range"); r != "0-0/1" {
		t.Errorf("Content-Range %q", r)
	}
}

//covers:rest 62
func TestRepresentationsInWrites(t *testing.T) {
	t.Parallel()
	f := start(t, representedSchema)
	c := f.anonymous()
	full := "Prefer: return=representation"
	for _, q := range []struct {
		method, path, body string
		header             []string
		status             int
		want               string
	}{
		{"POST", "/boxes?select=id,lid,made", `{"id":11,"lid":"#00FF00","made":9}`, []string{full}, 201, `[{"id":11,"lid":"#00FF00","made":9}]`},
		{"POST", "/boxes", `[{"id":12,"lid":"1"},{"id":13,"lid":null}]`, []string{full}, 201,
			`[{"id":12,"name":null,"lid":"#000001","made":2,"size":null},{"id":13,"name":null,"lid":"none","made":2,"size":null}]`},
		{"POST", "/boxes?columns=id,lid&select=id,name,lid", `[{"id":14,"lid":"a","name":"skipped"},{"id":15}]`, []string{full}, 201,
			`[{"id":14,"name":null,"lid":"#00000A"},{"id":15,"name":null,"lid":"none"}]`},
		// a default is a stored value, not one to be read
		{"POST", "/boxes?columns=id,lid,made&select=id,lid,made", `[{"id":16},{"id":17,"lid":"b","made":null},{"id":18,"lid":null,"made":5}]`,
			[]string{full + ", missing=default"}, 201,
			`[{"id":16,"lid":"#0000FF","made":2},{"id":17,"lid":"#00000B","made":null},{"id":18,"lid":"none","made":5}]`},
		{"POST", "/boxes?columns=id,lid&select=id,lid", `{"id":19}`, []string{full + ", missing=default"}, 201, `[{"id":19,"lid":"#0000FF"}]`},
		{"POST", "/boxes?select=id,lid", "id,lid\n21,c\n22,NULL", []string{full, "Content-Type: text/csv"}, 201, `[{"id":21,"lid":"#00000C"},{"id":22,"lid":"none"}]`},
		{"POST", "/boxes?select=id,lid", "id=23&lid=d", []string{full, "Content-Type: application/x-www-form-urlencoded"}, 201, `[{"id":23,"lid":"#00000D"}]`},
		{"POST", "/boxes?select=id,lid", `[{"id":1,"lid":"e"},{"id":24,"lid":"f"}]`, []string{full + ", resolution=merge-duplicates"}, 201,
			`[{"id":1,"lid":"#00000E"},{"id":24,"lid":"#00000F"}]`},
		{"PATCH", "/boxes?lid=eq.000100&select=id,lid", `{"lid":"#ABCDEF"}`, []string{full}, 200, `[{"id":2,"lid":"#ABCDEF"}]`},
		{"PATCH", "/boxes?id=eq.2&columns=lid,made&select=lid,made", `{"made":7}`, []string{full + ", missing=default"}, 200, `[{"lid":"#0000FF","made":7}]`},
		{"PUT", "/swatches?code=eq.FF0000", `{"code":"#FF0000","name":"scarlet"}`, []string{full}, 200, `[{"code":"#FF0000","name":"scarlet"}]`},
		{"PUT", "/swatches?code=eq.00FF00", `{"code":"#00FF00","name":"green"}`, []string{full}, 201, `[{"code":"#00FF00","name":"green"}]`},
		{"DELETE", "/swatches?code=eq.00FF00", "", []string{full}, 200, `[{"code":"#00FF00","name":"green"}]`},
		{"POST", "/rpc/lid_of?select=*", `{"box":3}`, nil, 200, `null`},
	} {
		t.Run(q.method+" "+q.path+" "+q.body, func(t *testing.T) {
			c.send(t, q.method, q.path, q.body, q.header...).want(t, q.status, q.want)
		})
	}
	c.post(t, "/boxes?columns=id,wings", `{"id":30}`).wantCode(t, 400, "PGRST204")
	c.send(t, "PUT", "/swatches?code=eq.0000FF", `{"code":"#0000FE","name":"blue"}`).wantCode(t, 400, "PGRST115")
	location := c.post(t, "/boxes", `{"id":31,"lid":"9"}`, "Prefer: return=headers-only").header.Get("Location")
	if location != "/boxes?id=eq.31" {
		t.Errorf("Location %q", location)
	}
	if got := f.value(t, "select lid::int::text from boxes where id = 31"); got != "9" {
		t.Errorf("%s is stored", got)
	}
}

// A cast that appears or goes away, and one whose function the server may not
// call, count with the next request.
func TestRepresentationsFollowTheSchema(t *testing.T) {
	t.Parallel()
	f := start(t, representedSchema)
	c := f.anonymous()
	c.get(t, "/boxes?select=lid&id=eq.2").want(t, 200, `[{"lid":"#000100"}]`)
	f.exec(t, "drop cast (colour as json)")
	c.get(t, "/boxes?select=lid&id=eq.2").want(t, 200, `[{"lid":256}]`)
	f.exec(t, "create cast (colour as json) with function colour_out(colour) as implicit")
	c.get(t, "/boxes?select=lid&id=eq.2").want(t, 200, `[{"lid":"#000100"}]`)
	f.exec(t, "revoke execute on function colour_out from public, anon, authenticated, service_role")
	c.get(t, "/boxes?select=lid&id=eq.2").want(t, 200, `[{"lid":256}]`)
	// the functions may be in a schema that is not exposed
	f.exec(t, `create schema hidden; grant usage on schema hidden to anon;
		drop cast (colour as json);
		create function hidden.shade(colour) returns json immutable language sql as $$ select '"hidden"'::json $$;
		create cast (colour as json) with function hidden.shade(colour) as implicit`)
	c.get(t, "/boxes?select=lid&id=eq.2").want(t, 200, `[{"lid":"hidden"}]`)
}
