set local role supabase_admin;

-- Tells this database from every other one: files outside of it are marked with
-- the id of the database whose rows name them. Clones of one cluster share even
-- the system identifier, so the id is made when it is first asked for.
create table if not exists suparust.installation (
  id uuid not null default gen_random_uuid(),
  single boolean primary key default true check (single)
);

create or replace function suparust.installation_id() returns uuid
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  as $fn$
  begin
    insert into suparust.installation default values on conflict do nothing;
    return (select id from suparust.installation);
  end
  $fn$;

reset role;
