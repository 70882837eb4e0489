set local role supabase_admin;

-- Tells every listener on channel pgrst that the schema has changed, as
-- PostgREST's own event triggers do.
create or replace function extensions.pgrst_ddl_watch() returns event_trigger
  language plpgsql
  as $fn$
  begin
    if exists (
      select from pg_event_trigger_ddl_commands() c
      where c.schema_name is distinct from 'pg_temp'
        and c.command_tag in (
          'CREATE SCHEMA', 'ALTER SCHEMA',
          'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE',
          'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE',
          'CREATE VIEW', 'ALTER VIEW',
          'CREATE MATERIALIZED VIEW', 'ALTER MATERIALIZED VIEW',
          'CREATE FUNCTION', 'ALTER FUNCTION',
          'CREATE TRIGGER', 'CREATE TYPE', 'ALTER TYPE', 'CREATE RULE', 'COMMENT'
        )
    ) then
      notify pgrst, 'reload schema';
    end if;
  end
  $fn$;

create or replace function extensions.pgrst_drop_watch() returns event_trigger
  language plpgsql
  as $fn$
  begin
    if exists (
      select from pg_event_trigger_dropped_objects() d
      where not d.is_temporary
        and d.object_type in (
          'schema', 'table', 'foreign table', 'view', 'materialized view',
          'function', 'trigger', 'type', 'rule'
        )
    ) then
      notify pgrst, 'reload schema';
    end if;
  end
  $fn$;

do $do$
begin
  if not exists (select from pg_event_trigger where evtname = 'pgrst_ddl_watch') then
    create event trigger pgrst_ddl_watch on ddl_command_end
      execute function extensions.pgrst_ddl_watch();
  end if;
  if not exists (select from pg_event_trigger where evtname = 'pgrst_drop_watch') then
    create event trigger pgrst_drop_watch on sql_drop
      execute function extensions.pgrst_drop_watch();
  end if;
end
$do$;

reset role;
