-- The constraints that a table made by an earlier release of the platform lacks.
do $do$
declare
  r record;
begin
  for r in
    select * from (values
      ('auth.users', 'supabase_auth_admin', 'users_phone_key', 'unique (phone)'),
      ('auth.users', 'supabase_auth_admin', 'users_email_change_confirm_status_check', 'check (email_change_confirm_status >= 0 and email_change_confirm_status <= 2)'),
      ('auth.identities', 'supabase_auth_admin', 'identities_pkey', 'primary key (id)'),
      ('auth.identities', 'supabase_auth_admin', 'identities_provider_id_provider_unique', 'unique (provider_id, provider)'),
      ('auth.refresh_tokens', 'supabase_auth_admin', 'refresh_tokens_token_unique', 'unique (token)'),
      ('auth.refresh_tokens', 'supabase_auth_admin', 'refresh_tokens_session_id_fkey', 'foreign key (session_id) references auth.sessions(id) on delete cascade'),
      ('auth.sessions', 'supabase_auth_admin', 'sessions_oauth_client_id_fkey', 'foreign key (oauth_client_id) references auth.oauth_clients(id) on delete cascade'),
      ('auth.sessions', 'supabase_auth_admin', 'sessions_scopes_length', 'check (char_length(scopes) <= 4096)'),
      ('auth.mfa_factors', 'supabase_auth_admin', 'mfa_factors_last_challenged_at_key', 'unique (last_challenged_at)'),
      ('auth.mfa_amr_claims', 'supabase_auth_admin', 'amr_id_pk', 'primary key (id)'),
      ('auth.mfa_amr_claims', 'supabase_auth_admin', 'mfa_amr_claims_session_id_authentication_method_pkey', 'unique (session_id, authentication_method)'),
      ('storage.buckets', 'supabase_storage_admin', 'buckets_versioning_dark_check', 'check (versioning_status = ''DISABLED'')'),
      ('storage.buckets', 'supabase_storage_admin', 'buckets_versioning_standard_only_check', 'check (type = ''STANDARD'' or versioning_status = ''DISABLED'')'),
      ('storage.buckets', 'supabase_storage_admin', 'buckets_versioning_status_check', 'check (versioning_status in (''DISABLED'', ''ENABLED'', ''SUSPENDED''))')
    ) as wanted (relation, owner, name, definition)
    where not exists (select from pg_constraint c where c.conrelid = wanted.relation::regclass and c.conname = wanted.name)
      and not (wanted.definition like 'primary key%'
        and exists (select from pg_constraint c where c.conrelid = wanted.relation::regclass and c.contype = 'p'))
  loop
    execute format('alter table %s add constraint %I %s', r.relation, r.name, r.definition);
  end loop;
end
$do$;
alter table storage.objects alter column id set default gen_random_uuid();
