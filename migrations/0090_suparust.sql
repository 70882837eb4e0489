set local role supabase_admin;

-- What the server itself needs. suparust.migrations is made before the first file.
grant usage on schema suparust to public;

-- One row for each transaction that has changed the schema: a plan made when the
-- sum of n was one number is out of date as soon as it is another. Rows keyed by
-- transaction, because concurrent DDL must not wait for one counter, and a
-- sequence would tell of changes not yet committed.
create table if not exists suparust.ddl_log (
  xid xid8 primary key default pg_current_xact_id(),
  at timestamptz not null default now(),
  n int not null default 1
);
alter table suparust.ddl_log add column if not exists n int not null default 1;
grant select on suparust.ddl_log to public;

create or replace function suparust.ddl_changed() returns event_trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  as $fn$
  begin
    if tg_event = 'sql_drop' then
      -- What goes along with a dropped object, such as the rule of a temporary
      -- view, is not always marked as temporary.
      perform from pg_event_trigger_dropped_objects() where original and not is_temporary limit 1;
    else
      perform from pg_event_trigger_ddl_commands()
      where schema_name is distinct from 'pg_temp'
        and not in_extension
        and command_tag <> 'REFRESH MATERIALIZED VIEW'
      limit 1;
    end if;
    if found then
      insert into suparust.ddl_log default values on conflict do nothing;
      notify pgrst, 'reload schema';
    end if;
  end
  $fn$;

do $do$
begin
  if not exists (select from pg_event_trigger where evtname = 'suparust_ddl') then
    create event trigger suparust_ddl on ddl_command_end execute function suparust.ddl_changed();
  end if;
  if not exists (select from pg_event_trigger where evtname = 'suparust_drop') then
    create event trigger suparust_drop on sql_drop execute function suparust.ddl_changed();
  end if;
end
$do$;

-- Makes one row of many, since every request reads them. The sum stays what it
-- is; rows of transactions under way come later and are not touched.
create or replace function suparust.fold_ddl_log() returns void
  language sql security definer
  set search_path = pg_catalog, pg_temp
  as $fn$
    with folded as (delete from suparust.ddl_log where (select count(*) from suparust.ddl_log) > 32 returning n)
    insert into suparust.ddl_log (n) select sum(n) from folded having count(*) > 0
    on conflict (xid) do update set n = ddl_log.n + excluded.n;
  $fn$;

-- Ends a transaction whose plan was made for an older schema.
create or replace function suparust.stale() returns void
  language plpgsql
  as $fn$
  begin
    raise exception 'the schema has changed since this statement was planned' using errcode = 'SRS01';
  end
  $fn$;

-- Ends a transaction whose result has another number of rows than it must have.
create or replace function suparust.expect_rows(n bigint, lo bigint, hi bigint) returns bigint
  language plpgsql cost 1
  as $fn$
  begin
    if n between lo and hi then
      return n;
    end if;
    raise exception 'the statement affected % rows, allowed are % to %', n, lo, hi
      using errcode = 'SRS02', detail = n;
  end
  $fn$;

reset role;
