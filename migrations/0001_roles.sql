-- Roles belong to the cluster, not to one database: a role that is already
-- there keeps the attributes and settings somebody may have given it.
do $do$
declare
  r record;
begin
  for r in
    select * from (values
      ('supabase_admin',             'superuser createdb createrole login replication bypassrls'),
      ('postgres',                   'superuser createdb createrole login replication bypassrls'),
      ('anon',                       'nologin'),
      ('authenticated',              'nologin'),
      ('service_role',               'nologin bypassrls'),
      ('authenticator',              'login noinherit'),
      ('supabase_auth_admin',        'login noinherit createrole'),
      ('supabase_storage_admin',     'login noinherit createrole'),
      ('supabase_functions_admin',   'login noinherit createrole'),
      ('supabase_realtime_admin',    'nologin noinherit'),
      ('supabase_replication_admin', 'login replication'),
      ('supabase_etl_admin',         'login replication bypassrls'),
      ('supabase_privileged_role',   'nologin'),
      ('supabase_read_only_user',    'login bypassrls'),
      ('dashboard_user',             'nologin createdb createrole replication'),
      ('pgbouncer',                  'login')
    ) as wanted (name, attributes)
    where not exists (select from pg_roles where rolname = name)
  loop
    execute format('create role %I with %s', r.name, r.attributes);
    case r.name
      when 'postgres' then
        alter role postgres set search_path = "$user", public, extensions;
      when 'anon' then
        alter role anon set statement_timeout = '3s';
      when 'authenticated' then
        alter role authenticated set statement_timeout = '8s';
      when 'authenticator' then
        alter role authenticator set statement_timeout = '8s';
        alter role authenticator set lock_timeout = '8s';
      when 'supabase_auth_admin' then
        alter role supabase_auth_admin set search_path = auth;
        alter role supabase_auth_admin set idle_in_transaction_session_timeout = 60000;
        alter role supabase_auth_admin set log_statement = 'none';
      when 'supabase_storage_admin' then
        alter role supabase_storage_admin set search_path = storage;
        alter role supabase_storage_admin set log_statement = 'none';
      when 'supabase_functions_admin' then
        alter role supabase_functions_admin set search_path = supabase_functions;
      when 'supabase_read_only_user' then
        alter role supabase_read_only_user set default_transaction_read_only = on;
      else
        null;
    end case;
  end loop;

  -- It may also be the superuser that initdb made, which has no settings yet.
  if not exists (
    select from pg_db_role_setting
    where setrole = 'supabase_admin'::regrole and setdatabase = 0
  ) then
    alter role supabase_admin set search_path = "$user", public, auth, extensions;
    alter role supabase_admin set log_statement = 'none';
    alter role supabase_admin set statement_timeout = 0;
  end if;

  for r in
    select member, granted, with_admin
    from (values
      ('authenticator',           'anon',                     false),
      ('authenticator',           'authenticated',            false),
      ('authenticator',           'service_role',             false),
      ('supabase_storage_admin',  'authenticator',            false),
      ('supabase_read_only_user', 'pg_read_all_data',         false),
      ('supabase_read_only_user', 'pg_monitor',               false),
      ('supabase_etl_admin',      'pg_read_all_data',         false),
      ('supabase_etl_admin',      'pg_monitor',               false),
      ('supabase_etl_admin',      'supabase_privileged_role', false),
      ('postgres',                'supabase_privileged_role', false),
      ('postgres',                'anon',                     true),
      ('postgres',                'authenticated',            true),
      ('postgres',                'service_role',             true),
      ('postgres',                'authenticator',            true),
      ('postgres',                'pg_monitor',               true),
      ('postgres',                'pg_read_all_data',         true),
      ('postgres',                'pg_signal_backend',        true),
      ('postgres',                'pg_create_subscription',   true),
      -- Membership in an owner is what lets postgres put policies on
      -- storage.objects and triggers on auth.users when it is no superuser.
      ('postgres',                'supabase_auth_admin',      false),
      ('postgres',                'supabase_storage_admin',   false),
      ('postgres',                'supabase_functions_admin', false),
      ('postgres',                'supabase_realtime_admin',  false)
    ) as wanted (member, granted, with_admin)
    where to_regrole(wanted.granted) is not null -- pg_create_subscription came with version 16
      and not exists (
        select from pg_auth_members m
        where m.roleid = to_regrole(wanted.granted) and m.member = to_regrole(wanted.member)
      )
  loop
    -- Up to version 15 CREATEROLE alone lets a role hand out memberships.
    if r.with_admin and current_setting('server_version_num')::int >= 160000 then
      execute format('grant %I to %I with admin option', r.granted, r.member);
    else
      execute format('grant %I to %I', r.granted, r.member);
    end if;
  end loop;
end
$do$;
