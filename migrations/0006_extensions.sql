-- Extensions belong to postgres, so that a project may comment on, alter and
-- drop them; once that role has lost SUPERUSER it cannot create them all.
select set_config('role', 'postgres', true) from pg_roles where rolname = 'postgres' and rolsuper;

-- pgcrypto and uuid-ossp are part of the contract: without them this fails.
-- The others are taken where the build has them.
create extension if not exists pgcrypto with schema extensions;
create extension if not exists "uuid-ossp" with schema extensions;

do $do$
declare
  optional name;
begin
  for optional in
    select name from pg_available_extensions
    where name in ('pg_stat_statements', 'pgjwt', 'supabase_vault', 'pg_net') and installed_version is null
  loop
    begin
      if optional = 'pgjwt' then
        -- Those that an older release has created for want of the extension.
        drop function if exists extensions.verify(text, text, text), extensions.sign(json, text, text), extensions.algorithm_sign(text, text, text),
          extensions.url_encode(bytea), extensions.url_decode(text), extensions.try_cast_double(text);
      end if;
      execute format('create extension if not exists %I with schema %s', optional, case optional when 'supabase_vault' then 'vault' else 'extensions' end);
    exception when others then
      raise log 'extension % is not usable in this build: %', optional, sqlerrm;
    end;
  end loop;
end
$do$;

reset role;
