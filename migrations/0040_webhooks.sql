set local role supabase_functions_admin;

create table if not exists supabase_functions.migrations (
  version text primary key,
  inserted_at timestamptz not null default now()
);
insert into supabase_functions.migrations (version) values ('initial'), ('20210809183423_update_grants')
on conflict do nothing;

create table if not exists supabase_functions.hooks (
  id bigserial primary key,
  hook_table_id integer not null,
  hook_name text not null,
  created_at timestamptz not null default now(),
  request_id bigint
);
create index if not exists supabase_functions_hooks_request_id_idx
  on supabase_functions.hooks (request_id);
create index if not exists supabase_functions_hooks_h_table_id_h_name_idx
  on supabase_functions.hooks (hook_table_id, hook_name);

-- The trigger behind a database webhook. Arguments: url, method, headers,
-- parameters, timeout in milliseconds; the text 'null' stands for an absent one.
-- The request itself is made by pg_net. Without it the row is still written and
-- a warning tells that nothing was sent.
create or replace function supabase_functions.http_request() returns trigger
  language plpgsql security definer
  set search_path = supabase_functions
  as $fn$
  declare
    url     constant text := nullif(tg_argv[0], 'null');
    method  constant text := nullif(tg_argv[1], 'null');
    headers constant jsonb := coalesce(nullif(tg_argv[2], 'null'), '{"Content-Type": "application/json"}')::jsonb;
    params  constant jsonb := coalesce(nullif(tg_argv[3], 'null'), '{}')::jsonb;
    timeout constant integer := coalesce(nullif(tg_argv[4], 'null'), '1000')::integer;
    request_id bigint;
  begin
    if url is null then
      raise exception 'url argument is missing';
    elsif method is null then
      raise exception 'method argument is missing';
    elsif method not in ('GET', 'POST') then
      raise exception 'method argument % is invalid', method;
    end if;

    if to_regnamespace('net') is null then
      raise warning 'webhook % not sent: create the extension pg_net first', tg_name;
    elsif method = 'GET' then
      execute 'select net.http_get($1, $2, $3, $4)' into request_id using url, params, headers, timeout;
    else
      execute 'select net.http_post($1, $2, $3, $4, $5)' into request_id
        using url,
          jsonb_build_object(
            'old_record', old, 'record', new, 'type', tg_op,
            'table', tg_table_name, 'schema', tg_table_schema
          ),
          params, headers, timeout;
    end if;

    insert into supabase_functions.hooks (hook_table_id, hook_name, request_id)
    values (tg_relid, tg_name, request_id);
    return new;
  end
  $fn$;

reset role;
