set local role supabase_admin;

-- The versions of stored bytes that are being removed, or were, because no row
-- named them. It is written before the bytes go, so that a transaction which was
-- slow to begin does not name bytes that are no longer there.
create table if not exists suparust.swept (
  version uuid primary key,
  at timestamptz not null default clock_timestamp()
);
grant select on suparust.swept to service_role;

-- Notes versions as swept and forgets those for which nobody can still come.
create or replace function suparust.sweep(versions uuid[]) returns void
  language sql security definer
  set search_path = pg_catalog, pg_temp
  as $fn$
    delete from suparust.swept where at < clock_timestamp() - interval '30 days';
    insert into suparust.swept (version) select distinct v from unnest(versions) v
    on conflict (version) do update set at = clock_timestamp();
  $fn$;
revoke execute on function suparust.sweep from public;
grant execute on function suparust.sweep to service_role;

-- Ends a transaction that is about to name swept bytes.
create or replace function suparust.bytes_are_swept() returns void
  language plpgsql
  as $fn$
  begin
    raise exception 'the stored bytes are gone: no row has named them in time' using errcode = 'SRS03';
  end
  $fn$;

reset role;
