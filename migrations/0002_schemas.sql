-- The platform's schemas belong to supabase_admin, whoever owns the objects in
-- them: tools that empty a project's database drop every schema of other owners.
set local role supabase_admin;

alter schema suparust owner to supabase_admin;
alter table suparust.migrations owner to supabase_admin;

create schema if not exists extensions authorization postgres;
create schema if not exists auth authorization supabase_admin;
create schema if not exists storage authorization supabase_admin;
create schema if not exists realtime authorization supabase_admin;
create schema if not exists graphql authorization supabase_admin;
create schema if not exists graphql_public authorization supabase_admin;
create schema if not exists vault authorization supabase_admin;
create schema if not exists supabase_functions authorization supabase_admin;
create schema if not exists supabase_migrations authorization postgres;
create schema if not exists _realtime authorization postgres;

do $do$
begin
  execute format('alter database %I owner to postgres', current_database());
  execute format('grant all on database %I to postgres, dashboard_user', current_database());
  execute format('grant create on database %I to supabase_etl_admin', current_database());
  if not exists (select from pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
    alter publication supabase_realtime owner to postgres;
  end if;
end
$do$;

reset role;
