package migrations_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suparust/suparust/migrations"
)

// TestConstraints looks at the constraints and indexes of the tables that
// projects refer to and insert into.
//
//covers:storage 72
func TestConstraints(t *testing.T) {
	t.Parallel()
	admin := start(t, migrations.Options{}).connect(t, "supabase_admin")
	admin.exec("set search_path = pg_catalog")
	const query = `
		select line from (select conname || ': ' || pg_get_constraintdef(oid) as line from pg_constraint
		where conrelid = to_regclass($1) and contype <> 'n'
		union all
		select pg_get_indexdef(indexrelid) from pg_index
		where indrelid = to_regclass($1) and not exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u'))
		) lines order by line collate "C"`
	for table, want := range map[string]string{
		"storage.buckets": `
			CREATE UNIQUE INDEX bname ON storage.buckets USING btree (name)
			buckets_pkey: PRIMARY KEY (id)
			buckets_versioning_dark_check: CHECK ((versioning_status = 'DISABLED'::text))
			buckets_versioning_standard_only_check: CHECK (((type = 'STANDARD'::storage.buckettype) OR (versioning_status = 'DISABLED'::text)))
			buckets_versioning_status_check: CHECK ((versioning_status = ANY (ARRAY['DISABLED'::text, 'ENABLED'::text, 'SUSPENDED'::text])))`,
		"storage.objects": `
			CREATE INDEX idx_objects_bucket_id_name ON storage.objects USING btree (bucket_id, name COLLATE "C")
			CREATE INDEX idx_objects_bucket_id_name_lower ON storage.objects USING btree (bucket_id, lower(name) COLLATE "C")
			CREATE INDEX name_prefix_search ON storage.objects USING btree (name text_pattern_ops)
			CREATE UNIQUE INDEX bucketid_objname ON storage.objects USING btree (bucket_id, name)
			objects_bucketId_fkey: FOREIGN KEY (bucket_id) REFERENCES storage.buckets(id)
			objects_pkey: PRIMARY KEY (id)`,
		"realtime.messages": `
			CREATE INDEX messages_inserted_at_topic_index ON ONLY realtime.messages USING btree (inserted_at DESC, topic) WHERE ((extension = 'broadcast'::text) AND (private IS TRUE))
			messages_payload_exclusive: CHECK (((payload IS NULL) OR (binary_payload IS NULL)))
			messages_pkey: PRIMARY KEY (id, inserted_at)`,
	} {
		t.Run(table, func(t *testing.T) {
			got := strings.Join(admin.lines(query, table), "\n")
			if diff := cmp.Diff(dedent(want), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestFunctions looks at the signatures that policies, triggers and remote calls
// depend on. All but the webhook's trigger run with the rights of their caller.
//
//covers:storage 74
func TestFunctions(t *testing.T) {
	t.Parallel()
	admin := start(t, migrations.Options{}).connect(t, "supabase_admin")
	admin.exec("set search_path = pg_catalog")
	got := strings.Join(admin.lines(`
		select p.oid::regproc || '(' || pg_get_function_arguments(p.oid) || ') '
			|| case provolatile when 'i' then 'immutable ' when 's' then 'stable ' else '' end
			|| case when prosecdef then 'definer ' else '' end
			|| coalesce(nullif(pg_get_function_result(p.oid), ''), '')
			|| ' ' || proowner::regrole
			|| case when has_function_privilege('anon', p.oid, 'execute') then '' else ' not for anon' end
		from pg_proc p
		where pronamespace::regnamespace::text in ('auth', 'storage', 'realtime', 'graphql_public', 'supabase_functions', 'suparust')
		order by p.oid::regprocedure::text collate "C"`), "\n")
	want := `
		auth.email() stable text supabase_auth_admin
		auth.jwt() stable jsonb supabase_auth_admin
		auth.role() stable text supabase_auth_admin
		auth.uid() stable uuid supabase_auth_admin
		graphql_public.graphql("operationName" text DEFAULT NULL::text, query text DEFAULT NULL::text, variables jsonb DEFAULT NULL::jsonb, extensions jsonb DEFAULT NULL::jsonb) jsonb supabase_admin
		realtime.broadcast_changes(topic_name text, event_name text, operation text, table_name text, table_schema text, new record, old record, level text DEFAULT 'ROW'::text) void supabase_realtime_admin
		realtime.send(payload jsonb, event text, topic text, private boolean DEFAULT true) void supabase_realtime_admin
		realtime.send_binary(payload bytea, event text, topic text, private boolean DEFAULT true) void supabase_realtime_admin
		realtime.topic() stable text supabase_realtime_admin
		storage.allow_any_operation(expected_operations text[]) stable boolean supabase_storage_admin
		storage.allow_only_operation(expected_operation text) stable boolean supabase_storage_admin
		storage.can_insert_object(bucketid text, name text, owner uuid, metadata jsonb) void supabase_storage_admin
		storage.enforce_bucket_name_length() trigger supabase_storage_admin
		storage.extension(name text) immutable text supabase_storage_admin
		storage.filename(name text) immutable text supabase_storage_admin
		storage.foldername(name text) immutable text[] supabase_storage_admin
		storage.get_common_prefix(p_key text, p_prefix text, p_delimiter text) immutable text supabase_storage_admin
		storage.get_size_by_bucket() stable TABLE(size bigint, bucket_id text) supabase_storage_admin
		storage.list_multipart_uploads_with_delimiter(bucket_id text, prefix_param text, delimiter_param text, max_keys integer DEFAULT 100, next_key_token text DEFAULT ''::text, next_upload_token text DEFAULT ''::text) TABLE(key text, id text, created_at timestamp with time zone) supabase_storage_admin
		storage.list_objects_with_delimiter(_bucket_id text, prefix_param text, delimiter_param text, max_keys integer DEFAULT 100, start_after text DEFAULT ''::text, next_token text DEFAULT ''::text, sort_order text DEFAULT 'asc'::text) stable TABLE(name text, id uuid, metadata jsonb, updated_at timestamp with time zone, created_at timestamp with time zone, last_accessed_at timestamp with time zone) supabase_storage_admin
		storage.operation() stable text supabase_storage_admin
		storage.protect_delete() trigger supabase_storage_admin
		storage.search(prefix text, bucketname text, limits integer DEFAULT 100, levels integer DEFAULT 1, offsets integer DEFAULT 0, search text DEFAULT ''::text, sortcolumn text DEFAULT 'name'::text, sortorder text DEFAULT 'asc'::text) stable TABLE(name text, id uuid, updated_at timestamp with time zone, created_at timestamp with time zone, last_accessed_at timestamp with time zone, metadata jsonb) supabase_storage_admin
		storage.search_by_timestamp(p_prefix text, p_bucket_id text, p_limit integer, p_level integer, p_start_after text, p_sort_order text, p_sort_column text, p_sort_column_after text) stable TABLE(key text, name text, id uuid, updated_at timestamp with time zone, created_at timestamp with time zone, last_accessed_at timestamp with time zone, metadata jsonb) supabase_storage_admin
		storage.search_v2(prefix text, bucket_name text, limits integer DEFAULT 100, levels integer DEFAULT 1, start_after text DEFAULT ''::text, sort_order text DEFAULT 'asc'::text, sort_column text DEFAULT 'name'::text, sort_column_after text DEFAULT ''::text) stable TABLE(key text, name text, id uuid, updated_at timestamp with time zone, created_at timestamp with time zone, last_accessed_at timestamp with time zone, metadata jsonb) supabase_storage_admin
		storage.update_updated_at_column() trigger supabase_storage_admin
		supabase_functions.http_request() definer trigger supabase_functions_admin
		suparust.bytes_are_swept() void supabase_admin
		suparust.ddl_changed() definer event_trigger supabase_admin
		suparust.expect_rows(n bigint, lo bigint, hi bigint) bigint supabase_admin
		suparust.fold_ddl_log() definer void supabase_admin
		suparust.installation_id() definer uuid supabase_admin
		suparust.stale() void supabase_admin
		suparust.sweep(versions uuid[]) definer void supabase_admin not for anon`
	if diff := cmp.Diff(dedent(want), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestPrivileges asks the database what roles may do with tables that exist and
// with tables that come later.
//
//covers:storage 75
//covers:auth 167
func TestPrivileges(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{})
	c.connect(t, "postgres").exec(`
		create table public.later (id bigserial primary key);
		create function public.later() returns int language sql return 1;`)
	c.connect(t, "supabase_admin").exec("create table public.admins (id int)")
	c.connect(t, "supabase_auth_admin").exec("create table auth.later (id int)")
	admin := c.connect(t, "supabase_admin")
	for _, tt := range []struct {
		role, object, privilege string
		want                    string
	}{
		{"anon", "public.later", "select,insert,update,delete", "t"},
		{"authenticated", "public.later", "select,insert,update,delete", "t"},
		{"service_role", "public.later", "select,insert,update,delete,truncate,references,trigger", "t"},
		{"anon", "public.admins", "select,insert,update,delete", "t"},
		{"postgres", "auth.later", "select,insert,update,delete", "t"},
		{"dashboard_user", "auth.later", "select", "t"},
		{"anon", "auth.users", "select", "f"},
		{"authenticated", "auth.users", "select", "f"},
		{"service_role", "auth.users", "select", "f"},
		{"postgres", "auth.users", "select with grant option", "t"},
		{"dashboard_user", "auth.users", "select,insert,update,delete", "t"},
		{"anon", "storage.objects", "select,insert,update,delete", "t"},
		{"service_role", "storage.buckets", "select,insert,update,delete", "t"},
		{"postgres", "storage.objects", "insert with grant option", "t"},
		{"anon", "storage.s3_multipart_uploads", "select", "t"},
		{"anon", "storage.s3_multipart_uploads", "insert", "f"},
		{"service_role", "storage.s3_multipart_uploads_parts", "insert", "t"},
		{"anon", "realtime.messages", "select,insert,update", "t"},
		{"anon", "realtime.messages", "delete", "f"},
		{"authenticator", "suparust.ddl_log", "select", "t"},
		{"authenticator", "suparust.ddl_log", "insert", "f"},
		{"service_role", "suparust.swept", "select", "t"},
		{"service_role", "suparust.swept", "insert,update,delete", "f"},
		{"anon", "suparust.swept", "select", "f"},
		{"supabase_auth_admin", "suparust.ddl_log", "select", "t"},
		{"anon", "suparust.migrations", "select", "f"},
	} {
		// has_table_privilege is true when any of a list is held; all of them count here.
		got := admin.one(`select bool_and(has_table_privilege($1, $2, p)) from unnest(string_to_array($3, ',')) p`,
			tt.role, tt.object, tt.privilege)
		if got != tt.want {
			t.Errorf("%s on %s to %s: got %s, want %s", tt.privilege, tt.object, tt.role, got, tt.want)
		}
	}
	if got := admin.one(`select has_function_privilege('anon', 'public.later()', 'execute'),
		has_sequence_privilege('anon', 'public.later_id_seq', 'usage')`); got != "t | t" {
		t.Errorf("function and sequence of postgres for anon: got %s", got)
	}
	if got := admin.one(`select has_function_privilege('authenticated', 'extensions.uuid_generate_v4()', 'execute')`); got != "t" {
		t.Errorf("uuid_generate_v4 for authenticated: got %s", got)
	}
}
