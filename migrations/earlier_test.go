package migrations_test

import (
	"slices"
	"testing"

	"github.com/suparust/suparust/migrations"
)

// firstRelease is what the platform's first release left in a database: few
// columns, other names, other owners, references that were given up.
const firstRelease = `
create role anon nologin; create role authenticated nologin; create role service_role nologin bypassrls;
create role supabase_auth_admin login noinherit createrole; create role supabase_storage_admin login noinherit createrole;
create schema auth;
create schema storage;
create table auth.users (
  instance_id uuid, id uuid primary key, aud varchar(255), role varchar(255), email varchar(255) constraint users_email_key unique,
  encrypted_password varchar(255), confirmed_at timestamptz, invited_at timestamptz, confirmation_token varchar(255),
  confirmation_sent_at timestamptz, recovery_token varchar(255), recovery_sent_at timestamptz, email_change_token varchar(255),
  email_change varchar(255), email_change_sent_at timestamptz, last_sign_in_at timestamptz, raw_app_meta_data jsonb,
  raw_user_meta_data jsonb, is_super_admin boolean, created_at timestamptz, updated_at timestamptz);
create table auth.refresh_tokens (
  instance_id uuid, id bigserial primary key, token varchar(255), user_id varchar(255), revoked boolean,
  created_at timestamptz, updated_at timestamptz);
create table auth.identities (
  id text, user_id uuid not null references auth.users (id) on delete cascade, identity_data jsonb not null, provider text,
  last_sign_in_at timestamptz, created_at timestamptz, updated_at timestamptz, constraint identities_pkey primary key (provider, id));
create table auth.audit_log_entries (instance_id uuid, id uuid primary key, payload json, created_at timestamptz);
create type auth.factor_type as enum ('totp', 'webauthn');
create type auth.factor_status as enum ('unverified', 'verified');
create table auth.mfa_factors (
  id uuid primary key, user_id uuid not null references auth.users (id) on delete cascade, friendly_name text,
  factor_type auth.factor_type not null, status auth.factor_status not null, created_at timestamptz not null,
  updated_at timestamptz not null, secret text);
create function auth.uid() returns uuid language sql stable as $$ select nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;
create table storage.buckets (
  id text primary key, name text not null unique, owner uuid constraint buckets_owner_fkey references auth.users (id),
  created_at timestamptz default now(), updated_at timestamptz default now());
create table storage.objects (
  id uuid primary key default gen_random_uuid(), bucket_id text constraint "objects_bucketId_fkey" references storage.buckets (id), name text,
  owner uuid constraint objects_owner_fkey references auth.users (id), created_at timestamptz default now(),
  updated_at timestamptz default now(), last_accessed_at timestamptz default now(), metadata jsonb);
create unique index bucketid_objname on storage.objects (bucket_id, name);
create function storage.foldername(name text) returns text[] language sql as $$ select string_to_array(name, '/') $$;
create function storage.get_size_by_bucket() returns table (size int, bucket text) language sql as $$ select 1, 'a' $$;
create function storage.search(prefix text, bucketname text, limits int default 100, levels int default 1, offsets int default 0)
  returns table (name text) language sql as $$ select 'a' $$;
insert into auth.users (id, email, confirmed_at, email_change_token) values ('00000000-0000-0000-0000-000000000001', 'ann@example.com', '2020-01-01', 't');
insert into auth.identities values ('42', '00000000-0000-0000-0000-000000000001', '{"sub":"42","email":"Ann@example.com"}', 'github');
insert into auth.mfa_factors values ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000001', 'f', 'totp', 'verified', now(), now());
insert into storage.buckets (id, name) values ('b', 'b');
insert into storage.objects (bucket_id, name) values ('b', 'folder/file');`

// parts list what the platform's schemas consist of.
var parts = map[string]string{
	"columns": `select a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, pg_get_expr(d.adbin, d.adrelid)
		from pg_attribute a join pg_class c on c.oid = a.attrelid left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
		where c.relnamespace in ('auth'::regnamespace, 'storage'::regnamespace) and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
		order by 1::text, 2`,
	"labels": `select enumtypid::regtype, string_agg(enumlabel, ' ' order by enumsortorder) from pg_enum group by 1 order by 1::text`,
	"functions": `select oid::regprocedure, pg_get_function_result(oid), proowner::regrole, md5(prosrc) from pg_proc
		where pronamespace in ('auth'::regnamespace, 'storage'::regnamespace) order by 1::text`,
	"owners": `select oid::regclass, relowner::regrole, relrowsecurity from pg_class
		where relnamespace in ('auth'::regnamespace, 'storage'::regnamespace) and relkind in ('r', 'S') order by 1::text`,
	"references": `select conrelid::regclass, conname, pg_get_constraintdef(oid) from pg_constraint
		where connamespace in ('auth'::regnamespace, 'storage'::regnamespace) and contype = 'f' order by 1::text, 2`,
}

// TestApplyToEarlierRelease: a database of the platform's first release gets
// what a new one has, and keeps its rows.
func TestApplyToEarlierRelease(t *testing.T) {
	t.Parallel()
	c := startFrom(t, several)
	old := c.connectTo(t, "supabase_admin", "one")
	if _, err := old.PgConn().Exec(t.Context(), firstRelease).ReadAll(); err != nil {
		t.Fatal(err)
	}
	fresh := c.connectTo(t, "supabase_admin", "two")
	for _, conn := range []*conn{old, fresh, old} { // again, as with every later start
		if err := migrations.Apply(t.Context(), conn.Conn, migrations.Options{}); err != nil {
			t.Fatalf("apply: %v\n%s", err, c.LogTail(20))
		}
	}
	for name, query := range parts {
		have, want := old.lines(query), fresh.lines(query)
		if name == "references" { // the serial key's name of the first release is its own
			have = slices.DeleteFunc(have, func(l string) bool { return !slices.Contains(want, l) })
		}
		for _, l := range want {
			if !slices.Contains(have, l) {
				t.Errorf("%s: missing %s", name, l)
			}
		}
		for _, l := range have {
			if !slices.Contains(want, l) {
				t.Errorf("%s: too much: %s", name, l)
			}
		}
	}
	for query, want := range map[string]string{
		`select email, email_confirmed_at::date, confirmed_at::date, email_change_token_new, email_change_token_current, is_anonymous from auth.users`: "ann@example.com | 2020-01-01 | 2020-01-01 | t |  | f",
		`select provider_id, provider, email, id is not null from auth.identities`:                                                                     "42 | github | ann@example.com | t",
		`select name, path_tokens, is_versioned from storage.objects`:                                                                                  "folder/file | {folder,file} | f",
		`select factor_type from auth.mfa_factors`:                                                                                                     "totp",
		`select name from storage.search('', 'b')`:                                                                                                     "folder",
		`select string_agg(conname, ',') from pg_constraint where conrelid in ('auth.users'::regclass, 'storage.objects'::regclass, 'storage.buckets'::regclass)
			and conname in ('users_email_key', 'objects_owner_fkey', 'buckets_owner_fkey')`: "∅",
	} {
		if got := old.one(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}
