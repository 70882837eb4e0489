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
    where name in ('pg_stat_statements', 'pgjwt') and installed_version is null
  loop
    begin
      execute format('create extension if not exists %I with schema extensions', optional);
    exception when others then
      raise log 'extension % is not usable in this build: %', optional, sqlerrm;
    end;
  end loop;
end
$do$;

reset role;
