package migrations_test

import (
	"testing"

	"github.com/suparust/suparust/migrations"
)

//covers:storage 74
func TestStorageNames(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{}).connect(t, "authenticator")
	c.exec("set role anon")
	for _, tt := range []struct{ name, want string }{
		{"a/b/c.txt", "{a,b} | c.txt | txt"},
		{"c.tar.gz", "{} | c.tar.gz | gz"},
		{"folder/noext", "{folder} | noext | noext"},
		{"a.b/c", "{a.b} | c | c"},
		{"a/", "{a} |  | ∅"},
		{"a//b", `{a,""} | b | b`},
		{".hidden", "{} | .hidden | hidden"},
		{"dot.", "{} | dot. | "},
		{"", "∅ | ∅ | ∅"},
		{"ä/ö.ü", "{ä} | ö.ü | ü"},
	} {
		if got := c.one("select storage.foldername($1), storage.filename($1), storage.extension($1)", tt.name); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := c.one("select storage.foldername(null), storage.filename(null), storage.extension(null)"); got != "∅ | ∅ | ∅" {
		t.Errorf("null: got %s", got)
	}
}

//covers:storage 74
func TestStorageOperation(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{}).connect(t, "authenticator")
	c.exec("set role authenticated")
	for _, tt := range []struct{ operation, expected, only, any string }{
		{"storage.object.list", "object.list", "t", "t"},
		{"storage.object.list", "storage.object.list", "t", "t"},
		{"object.list", "storage.object.list", "t", "t"},
		{"storage.object.list", "object.lis", "f", "f"},
		{"storage.object.list", "", "f", "f"},
		{"", "", "f", "f"},
		{"", "object.list", "f", "f"},
	} {
		c.exec("begin")
		got := c.one(`select set_config('storage.operation', $1, true), storage.operation(),
			storage.allow_only_operation($2), storage.allow_any_operation(array[null, '', 'other', $2])`, tt.operation, tt.expected)
		c.exec("rollback")
		if want := tt.operation + " | " + tt.operation + " | " + tt.only + " | " + tt.any; got != want {
			t.Errorf("%q with %q: got %s, want %s", tt.operation, tt.expected, got, want)
		}
	}
	if got := c.one("select storage.allow_only_operation(null), storage.allow_any_operation(null)"); got != "f | f" {
		t.Errorf("null: got %s", got)
	}
}

// TestStorageGuards runs into the triggers of the storage tables.
//
//covers:storage 72 73 74
func TestStorageGuards(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{})
	pg := c.connect(t, "postgres")
	pg.exec(`
		set timezone = 'UTC';
		insert into storage.buckets (id, name) values ('b', 'b');
		insert into storage.objects (bucket_id, name, metadata) values ('b', 'x/y.txt', '{"size": 3}'), ('b', 'z', '{"size": 4}');`)
	for _, sql := range []string{
		"delete from storage.objects", "delete from storage.objects where false", "delete from storage.buckets where id = 'none'",
		"begin; set local storage.allow_delete_query = 'no'; delete from storage.objects",
	} {
		if err := pg.fails(sql); err.Code != "42501" || err.Message != "Direct deletion from storage tables is not allowed. Use the Storage API instead." {
			t.Errorf("%s: %v", sql, err)
		}
		pg.exec("rollback")
	}
	pg.exec("begin; set local storage.allow_delete_query = 'true'; delete from storage.objects where name = 'z'; commit")
	if got := pg.one("select count(*) from storage.objects"); got != "1" {
		t.Errorf("%s objects remain, want 1", got)
	}
	if got := pg.lines("select * from storage.get_size_by_bucket()"); len(got) != 1 || got[0] != "3 | b" {
		t.Errorf("sizes: %v", got)
	}
	if got := pg.one("select path_tokens from storage.objects"); got != "{x,y.txt}" {
		t.Errorf("path_tokens: %s", got)
	}

	pg.exec("update storage.objects set updated_at = '2001-01-01', created_at = '2001-01-01'")
	if got := pg.one("select updated_at > '2020-01-01', created_at from storage.objects"); got != "t | 2001-01-01 00:00:00+00" {
		t.Errorf("after an update: %s", got)
	}

	if err := pg.fails("insert into storage.buckets (id, name) values ('long', repeat('x', 101))"); err.Code != "P0001" {
		t.Errorf("long name: %v", err)
	}
	pg.exec("insert into storage.buckets (id, name) values ('long', repeat('ä', 100))")
	if err := pg.fails("update storage.buckets set name = name || 'x' where id = 'long'"); err.Code != "P0001" {
		t.Errorf("longer name: %v", err)
	}
	if err := pg.fails("insert into storage.buckets (id, name, versioning_status) values ('v', 'v', 'ENABLED')"); err.ConstraintName != "buckets_versioning_dark_check" {
		t.Errorf("versioning: %v", err)
	}
}

// TestStoragePolicies tries rows as the storage server does.
//
//covers:storage 75 80
func TestStoragePolicies(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{})
	c.connect(t, "postgres").exec(`
		insert into storage.buckets (id, name) values ('b', 'b');
		create policy upload on storage.objects for insert to authenticated
			with check (bucket_id = 'b' and (storage.foldername(name))[1] = auth.uid()::text and storage.extension(name) = 'png');`)
	api := c.connect(t, "supabase_storage_admin")
	const claims = `{"sub": "11111111-1111-1111-1111-111111111111", "role": "authenticated"}`
	const may = `select storage.can_insert_object('b', '11111111-1111-1111-1111-111111111111/a.png', null, '{}')`
	for _, tt := range []struct{ role, sql, code string }{
		{"authenticated", may, "PT200"},
		{"authenticated", `select storage.can_insert_object('b', '22222222-2222-2222-2222-222222222222/a.png', null, '{}')`, "42501"},
		{"authenticated", `select storage.can_insert_object('b', '11111111-1111-1111-1111-111111111111/a.gif', null, '{}')`, "42501"},
		{"anon", may, "42501"},
		{"service_role", `select storage.can_insert_object('b', 'any', null, '{}')`, "PT200"},
	} {
		api.exec("begin; set local role " + tt.role)
		api.exec("set local request.jwt.claims = '" + claims + "'")
		if err := api.fails(tt.sql); err.Code != tt.code {
			t.Errorf("%s %s: got %v, want %s", tt.role, tt.sql, err, tt.code)
		}
		api.exec("rollback")
	}
	if got := api.one("select count(*) from storage.objects"); got != "0" {
		t.Errorf("the trials left %s objects", got)
	}
}
