package migrations_test

import (
	"testing"

	"github.com/suparust/suparust/migrations"
)

// TestClaims reads the caller's claims as policies do.
//
//covers:auth 166
func TestClaims(t *testing.T) {
	t.Parallel()
	const id, other = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
	c := start(t, migrations.Options{}).connect(t, "authenticator")
	for _, tt := range []struct {
		name     string
		settings string
		want     string // uid | role | email | jwt
	}{
		{"no claims", `select 1`, "∅ | ∅ | ∅ | ∅"},
		{"empty settings", `select set_config('request.jwt.claims', '', true), set_config('request.jwt.claim.sub', '', true), set_config('request.jwt.claim', '', true)`, "∅ | ∅ | ∅ | ∅"},
		{
			"claims", `select set_config('request.jwt.claims', '{"sub": "` + id + `", "role": "authenticated", "email": "a@b.c"}', true)`,
			id + ` | authenticated | a@b.c | {"sub": "` + id + `", "role": "authenticated", "email": "a@b.c"}`,
		},
		{"claims without a user", `select set_config('request.jwt.claims', '{"role": "anon"}', true)`, `∅ | anon | ∅ | {"role": "anon"}`},
		{"empty claims", `select set_config('request.jwt.claims', '{"sub": "", "role": "", "email": ""}', true)`, `∅ | ∅ | ∅ | {"sub": "", "role": "", "email": ""}`},
		{
			"one setting for each claim",
			`select set_config('request.jwt.claim.sub', '` + id + `', true), set_config('request.jwt.claim.role', 'service_role', true), set_config('request.jwt.claim.email', 'x@y.z', true)`,
			id + " | service_role | x@y.z | ∅",
		},
		{
			"the single setting wins",
			`select set_config('request.jwt.claims', '{"sub": "` + id + `", "role": "anon"}', true), set_config('request.jwt.claim.sub', '` + other + `', true)`,
			other + ` | anon | ∅ | {"sub": "` + id + `", "role": "anon"}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.exec("begin")
			defer c.exec("rollback")
			c.exec(tt.settings)
			c.exec("set local role authenticated")
			if got := c.one("select auth.uid(), auth.role(), auth.email(), auth.jwt()"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestRowSecurity writes a policy as a project does and looks through it.
//
//covers:auth 167
func TestRowSecurity(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{})
	c.connect(t, "postgres").exec(`
		insert into auth.users (id, email) values ('11111111-1111-1111-1111-111111111111', 'one@example.com'), ('22222222-2222-2222-2222-222222222222', 'two@example.com');
		create table public.notes (id int primary key, author uuid not null default auth.uid() references auth.users on delete cascade);
		alter table public.notes enable row level security;
		create policy own on public.notes to authenticated using (author = auth.uid());
		insert into public.notes values (1, '11111111-1111-1111-1111-111111111111'), (2, '22222222-2222-2222-2222-222222222222');`)
	api := c.connect(t, "authenticator")
	for _, tt := range []struct{ role, claims, want string }{
		{"anon", `{"role": "anon"}`, "0"},
		{"authenticated", `{"role": "authenticated"}`, "0"},
		{"authenticated", `{"role": "authenticated", "sub": "11111111-1111-1111-1111-111111111111"}`, "1"},
		{"service_role", `{"role": "service_role"}`, "2"},
	} {
		if got := api.as(tt.role, tt.claims, "select count(*) from public.notes")[0]; got != tt.want {
			t.Errorf("%s sees %s rows, want %s", tt.claims, got, tt.want)
		}
	}
	if got := api.as("authenticated", `{"sub": "22222222-2222-2222-2222-222222222222"}`,
		"insert into public.notes (id) values (3) returning author")[0]; got != "22222222-2222-2222-2222-222222222222" {
		t.Errorf("the default author is %s", got)
	}
	if err := api.fails("set role anon; select * from auth.users"); err.Code != "42501" {
		t.Errorf("anon on auth.users: %v", err)
	}
}

// TestSignUp writes what the auth server writes, as the role it writes with.
func TestSignUp(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{})
	c.connect(t, "postgres").exec(`
		create table public.profiles (id uuid primary key references auth.users on delete cascade, email text);
		create function public.new_user() returns trigger language plpgsql security definer set search_path = '' as $$
		begin insert into public.profiles values (new.id, new.email); return new; end $$;
		create trigger on_auth_user_created after insert on auth.users for each row execute function public.new_user();`)
	auth := c.connect(t, "supabase_auth_admin")
	auth.exec(`
		insert into users (instance_id, id, aud, role, email, created_at, updated_at, email_confirmed_at)
		values ('00000000-0000-0000-0000-000000000000', '11111111-1111-1111-1111-111111111111', 'authenticated', 'authenticated', 'One@Example.com', now(), now(), '2026-01-02');
		insert into identities (provider_id, user_id, identity_data, provider)
		values ('1', '11111111-1111-1111-1111-111111111111', '{"email": "One@Example.com"}', 'email');
		insert into sessions (id, user_id, aal) values ('33333333-3333-3333-3333-333333333333', '11111111-1111-1111-1111-111111111111', 'aal1');
		insert into refresh_tokens (token, user_id, session_id) values ('abc', '11111111-1111-1111-1111-111111111111', '33333333-3333-3333-3333-333333333333');`)
	if got := auth.one("select (select confirmed_at::date from users), (select email from identities), (select id from refresh_tokens)"); got != "2026-01-02 | one@example.com | 1" {
		t.Errorf("generated columns: %s", got)
	}
	if err := auth.fails("insert into users (id, email) values (gen_random_uuid(), 'One@Example.com')"); err.ConstraintName != "users_email_partial_key" {
		t.Errorf("second user of one address: %v", err)
	}
	auth.exec("insert into users (id, email, is_sso_user) values (gen_random_uuid(), 'One@Example.com', true)")
	auth.exec("delete from users where not is_sso_user")
	if got := auth.one("select (select count(*) from identities) + (select count(*) from sessions) + (select count(*) from refresh_tokens)"); got != "0" {
		t.Errorf("%s rows of a deleted user remain", got)
	}
	if got := c.connect(t, "postgres").one("select count(*), max(email) from public.profiles"); got != "1 | One@Example.com" {
		t.Errorf("profiles: %s", got)
	}
}

// TestStrictPostgres does as postgres without SUPERUSER what migrations of
// projects do, and what the platform refuses too.
func TestStrictPostgres(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{StrictPostgresRole: true})
	pg := c.connect(t, "postgres")
	if got := pg.one("select rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls from pg_roles where rolname = 'postgres'"); got != "f | t | t | t | t" {
		t.Fatalf("attributes of postgres: %s", got)
	}
	for _, sql := range []string{
		"create table public.notes (id int primary key, author uuid references auth.users); alter table public.notes enable row level security",
		"create policy own on public.notes using (auth.uid() = author)",
		"create schema private; grant usage on schema private to authenticated",
		"create policy read on storage.objects for select to authenticated using (bucket_id = 'avatars' and (storage.foldername(name))[1] = auth.uid()::text)",
		"create policy read on storage.buckets for select using (true)",
		"create policy listen on realtime.messages for select to authenticated using (realtime.topic() = 'room')",
		"create function public.new_user() returns trigger language plpgsql security definer as $$ begin return new; end $$",
		"create trigger on_user after insert on auth.users for each row execute function public.new_user()",
		"insert into storage.buckets (id, name, public) values ('avatars', 'avatars', true) on conflict do nothing",
		"insert into auth.users (id, email) values (gen_random_uuid(), 'seed@example.com')",
		"create extension if not exists pgcrypto with schema extensions; create extension citext with schema extensions",
		"comment on extension pgcrypto is 'mine'",
		"alter default privileges in schema public revoke all on tables from anon",
		"alter publication supabase_realtime add table public.notes",
		"create role app nologin; grant authenticated to app; grant app to authenticator",
		"alter role authenticated set statement_timeout = '20s'",
		"grant select on auth.users to app",
		"grant usage on schema storage to app; grant select on storage.objects to app",
	} {
		pg.exec(sql)
	}
	for _, sql := range []string{
		"alter role postgres superuser",
		"drop event trigger suparust_ddl",
		"delete from suparust.ddl_log",
		"drop schema auth cascade",
		"copy public.notes to program 'true'",
	} {
		if err := pg.fails(sql); err.Code != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}

	c.apply(t, migrations.Options{})
	if got := pg.one("select rolsuper from pg_roles where rolname = 'postgres'"); got != "t" {
		t.Error("without the option postgres does not get SUPERUSER back")
	}
}

// TestAuthVersions: a database that was ours can be another server's, and need
// not be migrated by it.
//
//covers:auth 171
func TestAuthVersions(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{}).connect(t, "supabase_admin")
	if got := c.one(`select count(*), count(distinct version), min(version), max(version), bool_and(version ~ '^(00|[0-9]{14})$') from auth.schema_migrations`); got != "70 | 70 | 00 | 20260625000000 | t" {
		t.Errorf("versions: %s", got)
	}
}
