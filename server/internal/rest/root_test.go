package rest_test

import (
	"encoding/json"
	"strings"
	"testing"
)

//covers:rest 246 247
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	f := start(t, `comment on schema public is E'My API\nAll of it';
		create type color as enum ('red', 'blue');
		create table owners(id int primary key);
		create table things(id bigint primary key, name varchar(20) not null default 'it''s', c color, owner int references owners(id), n numeric(5,2) default 1.5, ok boolean default true, tags text[], data jsonb);
		comment on table things is E'A thing\nWith more'; comment on column things.name is 'Its name';
		create table secret(id int); revoke all on secret from anon, authenticated;
		create function calc(a int, b text default 'x') returns int stable language sql as 'select a';
		create function act() returns void volatile language sql as ''; revoke execute on function act() from public, anon;`)
	var doc struct {
		Swagger     string
		Info        struct{ Title, Description string }
		Paths       map[string]map[string]any
		Definitions map[string]struct {
			Required   []string
			Properties map[string]map[string]any
		}
		Parameters map[string]any
	}
	r := f.as(t, "anon", nil).get(t, "/")
	if r.status != 200 || r.header.Get("Content-Type") != "application/openapi+json; charset=utf-8" {
		t.Fatalf("%d %v %s", r.status, r.header, r.body)
	}
	if err := json.Unmarshal(r.body, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Swagger != "2.0" || doc.Info.Title != "My API" || doc.Info.Description != "All of it" {
		t.Errorf("%+v", doc.Info)
	}
	for path, want := range map[string]bool{"/": true, "/things": true, "/secret": false, "/rpc/calc": true, "/rpc/act": false} {
		if _, ok := doc.Paths[path]; ok != want {
			t.Errorf("path %s shown: %v, want %v", path, ok, want)
		}
	}
	if _, ok := doc.Paths["/rpc/calc"]["get"]; !ok {
		t.Error("a stable function has no get")
	}
	d := doc.Definitions["things"]
	if len(d.Required) != 2 {
		t.Errorf("required %v", d.Required)
	}
	for column, want := range map[string]string{
		"id":    `{"type":"integer","format":"int64","description":"Note:\nThis is a Primary Key.<pk/>"}`,
		"name":  `{"type":"string","format":"character varying","maxLength":20,"default":"it's","description":"Its name"}`,
		"c":     `{"type":"string","format":"public.color","enum":["red","blue"]}`,
		"owner": `{"type":"integer","format":"int32","description":"Note:\nThis is a Foreign Key to ` + "`owners.id`" + `.<fk table='owners' column='id'/>"}`,
		"n":     `{"type":"number","format":"numeric","default":1.5}`,
		"ok":    `{"type":"boolean","format":"boolean","default":true}`,
		"tags":  `{"type":"array","format":"text[]","items":{"type":"string"}}`,
		"data":  `{"format":"jsonb"}`,
	} {
		got, err := json.Marshal(d.Properties[column])
		if err != nil {
			t.Fatal(err)
		}
		sameJSON(t, got, want)
	}
	if r := f.as(t, "service_role", nil).get(t, "/", "Accept: text/csv"); r.status != 406 {
		t.Errorf("CSV of the document: %d", r.status)
	}
	f.as(t, "anon", nil).post(t, "/", `{}`).wantCode(t, 405, "PGRST117")
}

// The document follows whatever changes what a caller may touch, at once.
func TestOpenAPIFollowsPrivileges(t *testing.T) {
	t.Parallel()
	f := start(t, `create table hidden(id int primary key); revoke all on hidden from anon, authenticated, service_role;
create role reader nologin; create role owner_of_it nologin; grant owner_of_it to postgres;`)
	user := f.as(t, "authenticated", nil)
	shown := func() bool {
		res := user.get(t, "/")
		res.wantStatus(t, 200)
		return strings.Contains(string(res.body), `"/hidden"`)
	}
	for _, step := range []struct {
		sql  string
		want bool
	}{
		{"select 1", false},
		{"grant select on hidden to authenticated", true},
		{"revoke select on hidden from authenticated", false},
		{"grant select (id) on hidden to authenticated", true},
		{"revoke select (id) on hidden from authenticated", false},
		{"grant select on hidden to public", true},
		{"revoke select on hidden from public", false},
		{"grant select on hidden to reader", false},
		{"grant reader to authenticated", true},
		{"revoke reader from authenticated", false},
		{"grant reader to authenticated", true},
		{"drop owned by reader", false},
		{"grant owner_of_it to authenticated", false},
		{"grant create on schema public to owner_of_it", false},
		{"alter table hidden owner to owner_of_it", true},
		{"reassign owned by owner_of_it to postgres", false},
		{"alter role authenticated superuser", true},
		{"alter role authenticated nosuperuser", false},
		{"alter table hidden rename to hid; grant select on hid to authenticated", false},
		{"alter table hid rename to hidden", true},
	} {
		f.exec(t, step.sql)
		for range 3 {
			if got := shown(); got != step.want {
				t.Errorf("after %s: the table is shown: %v", step.sql, got)
			}
		}
	}
}

// Types in the document have no lengths and domains are what they are over;
// functions name what is on the search path without its schema, and a column of
// a view refers to a view where the table is not shown.
func TestOpenAPITypes(t *testing.T) {
	t.Parallel()
	f := start(t, `
		create domain positive as numeric(10,2) check (value > 0);
		create type mood as enum ('good', 'bad');
		create table typed (c character(3), v varchar(7), p positive, cs character(1)[]);
		create function moods(m mood) returns int immutable language sql as 'select 1';
		create function many(variadic v int[]) returns int immutable language sql as 'select 1';
		create schema hidden; create table hidden.pages (link int unique, url text); create table hidden.links (page int references hidden.pages (link));
		create view pages as select * from hidden.pages; create view links as select * from hidden.links;`)
	c := f.as(t, "service_role", nil)
	var doc struct {
		Definitions map[string]struct {
			Properties map[string]json.RawMessage
		}
		Paths map[string]map[string]struct{ Parameters []json.RawMessage }
	}
	if err := json.Unmarshal(c.get(t, "/").body, &doc); err != nil {
		t.Fatal(err)
	}
	typed := doc.Definitions["typed"].Properties
	sameJSON(t, typed["c"], `{"type":"string","format":"character","maxLength":3}`)
	sameJSON(t, typed["v"], `{"type":"string","format":"character varying","maxLength":7}`)
	sameJSON(t, typed["p"], `{"type":"number","format":"numeric"}`)
	sameJSON(t, typed["cs"], `{"type":"array","format":"character[]","items":{"type":"string"}}`)
	sameJSON(t, doc.Definitions["links"].Properties["page"],
		"{\"type\":\"integer\",\"format\":\"int32\",\"description\":\"Note:\\nThis is a Foreign Key to `pages.link`.<fk table='pages' column='link'/>\"}")
	sameJSON(t, doc.Paths["/rpc/moods"]["get"].Parameters[0], `{"name":"m","in":"query","required":true,"type":"string","format":"mood"}`)
	sameJSON(t, doc.Paths["/rpc/many"]["get"].Parameters[0],
		`{"name":"v","in":"query","required":true,"type":"array","collectionFormat":"multi","items":{"type":"integer","format":"int32"}}`)
}
