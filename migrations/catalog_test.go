package migrations_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suparust/suparust/migrations"
)

// TestCatalog compares what the database says about itself with what a project
// relies on.
//
//covers:storage 72 75 76
//covers:auth 167
func TestCatalog(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{})
	admin := c.connect(t, "supabase_admin")
	admin.exec("set search_path = pg_catalog")
	for _, tt := range []struct {
		name, query, want string
	}{
		{
			"roles: super inherit createrole createdb login replication bypassrls",
			`select rolname, concat_ws(' ',
				case when rolsuper then 'super' end, case when rolinherit then 'inherit' end,
				case when rolcreaterole then 'createrole' end, case when rolcreatedb then 'createdb' end,
				case when rolcanlogin then 'login' end, case when rolreplication then 'replication' end,
				case when rolbypassrls then 'bypassrls' end)
			from pg_roles where rolname !~ '^pg_' order by rolname collate "C"`, `
			anon | inherit
			authenticated | inherit
			authenticator | login
			dashboard_user | inherit createrole createdb replication
			pgbouncer | inherit login
			postgres | super inherit createrole createdb login replication bypassrls
			service_role | inherit bypassrls
			supabase_admin | super inherit createrole createdb login replication bypassrls
			supabase_auth_admin | createrole login
			supabase_etl_admin | inherit login replication bypassrls
			supabase_functions_admin | createrole login
			supabase_privileged_role | inherit
			supabase_read_only_user | inherit login bypassrls
			supabase_realtime_admin |
			supabase_replication_admin | inherit login replication
			supabase_storage_admin | createrole login`,
		},
		{
			"memberships",
			`select member::regrole, string_agg(roleid::regrole::text, ' ' order by roleid::regrole::text collate "C")
			from pg_auth_members
			where member::regrole::text !~ '^pg_' and roleid::regrole::text <> 'pg_create_subscription'
			group by member order by member::regrole::text collate "C"`, `
			authenticator | anon authenticated service_role
			postgres | anon authenticated authenticator pg_monitor pg_read_all_data pg_signal_backend service_role supabase_auth_admin supabase_functions_admin supabase_privileged_role supabase_realtime_admin supabase_storage_admin
			supabase_etl_admin | pg_monitor pg_read_all_data supabase_privileged_role
			supabase_read_only_user | pg_monitor pg_read_all_data
			supabase_storage_admin | authenticator`,
		},
		{
			"settings of roles",
			`select setrole::regrole, unnest(setconfig) from pg_db_role_setting
			where setdatabase = 0 order by setrole::regrole::text collate "C", 2`, `
			anon | statement_timeout=3s
			authenticated | statement_timeout=8s
			authenticator | lock_timeout=8s
			authenticator | statement_timeout=8s
			postgres | search_path="$user", public, extensions
			supabase_admin | log_statement=none
			supabase_admin | search_path="$user", public, auth, extensions
			supabase_admin | statement_timeout=0
			supabase_auth_admin | idle_in_transaction_session_timeout=60000
			supabase_auth_admin | log_statement=none
			supabase_auth_admin | search_path=auth
			supabase_functions_admin | search_path=supabase_functions
			supabase_read_only_user | default_transaction_read_only=on
			supabase_storage_admin | log_statement=none
			supabase_storage_admin | search_path=storage`,
		},
		{
			"owners of schemas",
			`select nspname, nspowner::regrole from pg_namespace
			where nspname !~ '^pg_' and nspname <> 'information_schema' order by nspname collate "C"`, `
			_realtime | postgres
			auth | supabase_admin
			extensions | postgres
			graphql | supabase_admin
			graphql_public | supabase_admin
			net | supabase_admin
			public | pg_database_owner
			realtime | supabase_admin
			storage | supabase_admin
			supabase_functions | supabase_admin
			supabase_migrations | postgres
			suparust | supabase_admin
			vault | supabase_admin`,
		},
		{
			"owner of the database", `select datdba::regrole from pg_database where datname = current_database()`,
			`postgres`,
		},
		{
			"usage of schemas",
			`select r, string_agg(nspname, ' ' order by nspname collate "C")
			from unnest(array['anon', 'authenticated', 'service_role', 'authenticator', 'supabase_auth_admin', 'supabase_storage_admin']) r, pg_namespace
			where nspname !~ '^pg_' and nspname <> 'information_schema' and has_schema_privilege(r, oid, 'usage')
			group by r order by r collate "C"`, `
			anon | auth extensions graphql graphql_public net public realtime storage supabase_functions suparust
			authenticated | auth extensions graphql graphql_public net public realtime storage supabase_functions suparust
			authenticator | extensions graphql_public net public suparust
			service_role | auth extensions graphql graphql_public net public realtime storage supabase_functions suparust vault
			supabase_auth_admin | auth net public suparust
			supabase_storage_admin | net public storage suparust`,
		},
		{
			"extensions",
			`select extname, extnamespace::regnamespace, extowner::regrole from pg_extension
			where extname in ('pgcrypto', 'uuid-ossp') order by 1`, `
			pgcrypto | extensions | postgres
			uuid-ossp | extensions | postgres`,
		},
		{
			"event triggers",
			`select evtname, evtevent, evtfoid::regproc, evtenabled, evtowner::regrole from pg_event_trigger order by 1`, `
			pgrst_ddl_watch | ddl_command_end | extensions.pgrst_ddl_watch | O | supabase_admin
			pgrst_drop_watch | sql_drop | extensions.pgrst_drop_watch | O | supabase_admin
			suparust_ddl | ddl_command_end | suparust.ddl_changed | O | supabase_admin
			suparust_drop | sql_drop | suparust.ddl_changed | O | supabase_admin`,
		},
		{
			"publication",
			`select pubname, pubowner::regrole, puballtables, (select count(*) from pg_publication_tables) from pg_publication`,
			`supabase_realtime | postgres | f | 0`,
		},
		{
			"tables: owner, row security",
			`select c.oid::regclass, relowner::regrole, relrowsecurity from pg_class c
			where relnamespace::regnamespace::text in ('auth', 'storage', 'realtime') and relkind in ('r', 'p')
			order by c.oid::regclass::text collate "C"`, `
			auth.audit_log_entries | supabase_auth_admin | t
			auth.custom_oauth_providers | supabase_auth_admin | f
			auth.flow_state | supabase_auth_admin | t
			auth.identities | supabase_auth_admin | t
			auth.instances | supabase_auth_admin | t
			auth.mfa_amr_claims | supabase_auth_admin | t
			auth.mfa_challenges | supabase_auth_admin | t
			auth.mfa_factors | supabase_auth_admin | t
			auth.oauth_authorizations | supabase_auth_admin | f
			auth.oauth_client_states | supabase_auth_admin | f
			auth.oauth_clients | supabase_auth_admin | f
			auth.oauth_consents | supabase_auth_admin | f
			auth.one_time_tokens | supabase_auth_admin | t
			auth.refresh_tokens | supabase_auth_admin | t
			auth.saml_providers | supabase_auth_admin | t
			auth.saml_relay_states | supabase_auth_admin | t
			auth.schema_migrations | supabase_auth_admin | t
			auth.sessions | supabase_auth_admin | t
			auth.sso_domains | supabase_auth_admin | t
			auth.sso_providers | supabase_auth_admin | t
			auth.users | supabase_auth_admin | t
			auth.webauthn_challenges | supabase_auth_admin | f
			auth.webauthn_credentials | supabase_auth_admin | f
			realtime.messages | supabase_realtime_admin | t
			realtime.messages_default | supabase_realtime_admin | t
			storage.buckets | supabase_storage_admin | t
			storage.buckets_analytics | supabase_storage_admin | t
			storage.buckets_vectors | supabase_storage_admin | t
			storage.iceberg_namespaces | supabase_storage_admin | t
			storage.iceberg_tables | supabase_storage_admin | t
			storage.migrations | supabase_storage_admin | t
			storage.objects | supabase_storage_admin | t
			storage.s3_multipart_uploads | supabase_storage_admin | t
			storage.s3_multipart_uploads_parts | supabase_storage_admin | t
			storage.vector_indexes | supabase_storage_admin | t`,
		},
		{
			"no policies", `select count(*) from pg_policy`, `0`,
		},
		{
			"steps of auth",
			`select count(*), min(version), max(version) from auth.schema_migrations`,
			`70 | 00 | 20260625000000`,
		},
		{
			"steps of storage",
			`select id, name, hash from storage.migrations where id in (0, 1, 10, 63)
			union all select count(*), null, null from storage.migrations order by 1`, `
			0 | create-migrations-table | e18db593bcde2aca2a408c4d1100f6abba2195df
			1 | initialmigration | 6ab16121fbaa08bbd11b712d05f358f9b555d777
			10 | search-files-search-function | b595f05e92f7e91211af1bbfe9c6a13bb3391e16
			63 | fix-search-name-relative-to-prefix | c7485e417624f795ce8bb2da21927f48e088904d
			64 | ∅ | ∅`,
		},
		{
			"enumerations",
			`select t.oid::regtype, string_agg(enumlabel, ' ' order by enumsortorder)
			from pg_enum e join pg_type t on t.oid = enumtypid group by t.oid order by t.oid::regtype::text collate "C"`, `
			auth.aal_level | aal1 aal2 aal3
			auth.code_challenge_method | s256 plain
			auth.factor_status | unverified verified
			auth.factor_type | totp webauthn phone
			auth.oauth_authorization_status | pending approved denied expired
			auth.oauth_client_type | public confidential
			auth.oauth_registration_type | dynamic manual
			auth.oauth_response_type | code
			auth.one_time_token_type | confirmation_token reauthentication_token recovery_token email_change_token_new email_change_token_current phone_change_token
			net.request_status | PENDING SUCCESS ERROR
			storage.buckettype | STANDARD ANALYTICS VECTOR`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Contains(tt.want, "net") {
				c.brings(t) // pg_net
			}
			got := strings.Join(admin.lines(tt.query), "\n")
			if diff := cmp.Diff(dedent(tt.want), dedent(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// dedent strips the blanks around every line.
func dedent(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}

// columns are a table's columns in order: name, type, "not null", default.
const columns = `
	select concat_ws(' ', attname, format_type(atttypid, atttypmod),
		case when attnotnull then 'not null' end,
		case attgenerated when 's' then 'as ' || pg_get_expr(adbin, adrelid) else 'default ' || pg_get_expr(adbin, adrelid) end)
	from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
	where attrelid = to_regclass($1) and attnum > 0 and not attisdropped order by attnum`

//covers:storage 72
func TestColumns(t *testing.T) {
	t.Parallel()
	admin := start(t, migrations.Options{}).connect(t, "supabase_admin")
	admin.exec("set search_path = pg_catalog")
	for table, want := range map[string]string{
		"storage.buckets": `
			id text not null
			name text not null
			owner uuid
			created_at timestamp with time zone default now()
			updated_at timestamp with time zone default now()
			public boolean default false
			avif_autodetection boolean default false
			file_size_limit bigint
			allowed_mime_types text[]
			owner_id text
			type storage.buckettype not null default 'STANDARD'::storage.buckettype
			versioning_status text not null default 'DISABLED'::text`,
		"storage.objects": `
			id uuid not null default gen_random_uuid()
			bucket_id text
			name text
			owner uuid
			created_at timestamp with time zone default now()
			updated_at timestamp with time zone default now()
			last_accessed_at timestamp with time zone default now()
			metadata jsonb
			path_tokens text[] as string_to_array(name, '/'::text)
			version text
			owner_id text
			user_metadata jsonb
			archived_at timestamp with time zone
			is_delete_marker boolean not null default false
			is_versioned boolean not null default false`,
		"storage.s3_multipart_uploads": `
			id text not null
			in_progress_size bigint not null default 0
			upload_signature text not null
			bucket_id text not null
			key text not null
			version text not null
			owner_id text
			created_at timestamp with time zone not null default now()
			user_metadata jsonb
			metadata jsonb`,
		"storage.migrations": `
			id integer not null
			name character varying(100) not null
			hash character varying(40) not null
			executed_at timestamp without time zone default CURRENT_TIMESTAMP`,
		"realtime.messages": `
			topic text not null
			extension text not null
			payload jsonb
			event text
			private boolean default false
			updated_at timestamp without time zone not null default now()
			inserted_at timestamp without time zone not null default now()
			id uuid not null default gen_random_uuid()
			binary_payload bytea`,
	} {
		t.Run(table, func(t *testing.T) {
			got := strings.Join(admin.lines(columns, table), "\n")
			if diff := cmp.Diff(dedent(want), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
