-- pg_net as its users know it: the functions, types and tables of release
-- 0.20.4. The original's worker is a library inside PostgreSQL; here the server
-- sends the requests, so all of this is SQL, and the tables are ordinary ones
-- that a crash does not empty and a snapshot copies while the database runs.
create schema net;

create domain net.http_method as text check (lower(value) in ('get', 'post', 'delete'));

-- What waits to be sent.
create table net.http_request_queue (
  id bigserial,
  method net.http_method not null,
  url text not null,
  headers jsonb,
  body bytea,
  timeout_milliseconds integer not null
);

-- What came of it. Rows stay for the time that the setting pg_net.ttl names,
-- 6 hours where it names none.
create table net._http_response (
  id bigint,
  status_code integer,
  content_type text,
  headers jsonb,
  content text,
  timed_out boolean,
  error_msg text,
  created timestamptz not null default now()
);
create index on net._http_response (created);

create type net.request_status as enum ('PENDING', 'SUCCESS', 'ERROR');
create type net.http_response as (status_code integer, headers jsonb, body text);
create type net.http_response_result as (status net.request_status, message text, response net.http_response);

-- The server hears of requests in two ways. A named pipe beside the sockets
-- tells it that there will be something to do, so that it needs no connection
-- while there is nothing; the notification tells it that the transaction was
-- committed. The path comes from settings that nobody can change.
create function net._door() returns text
  language plpgsql stable security definer
  set search_path = pg_catalog
  as $fn$
  declare
    path constant text := split_part(current_setting('unix_socket_directories'), ',', 1) || '/wake';
  begin
    if path like '/%' and (pg_stat_file(path, true)).size is not null then
      return path;
    end if;
    return null;
  exception when insufficient_privilege then
    return null;
  end
  $fn$;
revoke all on function net._door() from public;

create function net.wake() returns void
  language plpgsql security definer
  set search_path = pg_catalog
  as $fn$
  declare
    transaction constant text := pg_current_xact_id()::text;
    path text;
  begin
    perform pg_notify('pg_net', '');
    if current_setting('pg_net.woken', true) is distinct from transaction then
      path := net._door();
      if path is not null then
        execute format('copy (select %L) to %L', 'pg_net', path);
      end if;
      perform set_config('pg_net.woken', transaction, true);
    end if;
  end
  $fn$;
comment on function net.wake() is 'has the server look for requests when the transaction is committed';

create function net._is_up() returns boolean
  language sql stable security definer
  set search_path = pg_catalog
  as $fn$
    select net._door() is not null or exists (
      select from pg_stat_activity where datname = current_database() and application_name like 'pg\_net %')
  $fn$;

create function net.check_worker_is_up() returns void
  language plpgsql
  as $fn$
  begin
    if not net._is_up() then
      raise exception 'the pg_net background worker is not up'
        using detail = 'no server sends the requests of this database',
              hint = 'start suparust on it';
    end if;
  end
  $fn$;
comment on function net.check_worker_is_up() is 'raises an exception if nobody sends requests, otherwise it returns nothing';

create function net.wait_until_running() returns void
  language plpgsql
  as $fn$
  begin
    while not net._is_up() loop
      perform pg_sleep(0.05);
    end loop;
  end
  $fn$;
comment on function net.wait_until_running() is 'waits until requests are sent';

create function net.worker_restart() returns boolean
  language plpgsql security definer
  set search_path = pg_catalog
  as $fn$
  declare
    reloaded constant boolean := pg_reload_conf();
  begin
    perform pg_notify('pg_net', 'restart');
    perform net.wake();
    return reloaded;
  end
  $fn$;

-- Everything but letters, digits and -._~ is escaped.
create function net._urlencode_string(string varchar) returns text
  language sql immutable
  set search_path = pg_catalog
  as $fn$
    select case when string = '' then '' else (
      select string_agg(
        case when c collate "C" ~ '^[A-Za-z0-9._~-]$' then c
             else regexp_replace(upper(encode(convert_to(c, 'UTF8'), 'hex')), '(..)', '%\1', 'g') end,
        '' order by n)
      from regexp_split_to_table(string, '') with ordinality as t (c, n)) end
  $fn$;

-- Appends parameters to the query of a URL, which is checked and written as
-- libcurl writes it.
create function net._encode_url_with_params_array(url text, params_array text[]) returns text
  language plpgsql immutable
  set search_path = pg_catalog
  as $fn$
  declare
    part text[];
    scheme text;
    login text;
    host text;
    path text;
    query text;
    param text;
    port text;
    kept text[] := '{}';
    step text;
    wrong text;
  begin
    if url is null or params_array is null then
      return null;
    end if;
    part := regexp_match(url, '^([A-Za-z][A-Za-z0-9+.-]*):(/*)([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?$');
    scheme := lower(part[1]);
    login := coalesce(substring(part[3] from '^[^@]*@'), '');
    host := substr(part[3], length(login) + 1);
    port := case when host like '[%' then substring(host from '^\[[^\]]*\]:(.*)$') else substring(host from '^[^:]*:(.*)$') end;
    host := left(host, length(host) - coalesce(length(port) + 1, 0));
    wrong := case
      when url ~ '[\x01-\x20\x7f]' then 'Malformed input to a URL function'
      when part is null then 'Bad scheme'
      when scheme <> all (array['dict', 'file', 'ftp', 'ftps', 'gopher', 'gophers', 'http', 'https', 'imap', 'imaps', 'ldap', 'ldaps',
        'mqtt', 'pop3', 'pop3s', 'rtsp', 'smb', 'smbs', 'smtp', 'smtps', 'telnet', 'tftp', 'ws', 'wss']) then 'Unsupported URL scheme'
      when length(part[2]) not between 1 and 3 then 'Unsupported number of slashes following scheme'
      when scheme <> 'file' and host = '' then 'No host part in the URL'
      when host like '[%' and host !~ '^\[[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(%[^\]]+)?\]$' then 'Bad IPv6 address'
      when port !~ '^0*[0-9]{0,5}$' or port <> '' and port::numeric > 65535 then 'Port number was not a decimal number between 0 and 65535'
      when host not like '[%' and host ~ '[][!@{}\\$''"^`*<>=;,&()+%|]' then 'Bad hostname'
    end;
    if wrong is not null then
      raise exception 'invalid URL "%": %', url, wrong;
    end if;

    path := part[4];
    if path ~ '(^|/)\.\.?(/|$)' then
      foreach step in array string_to_array(substr(path, 2), '/') loop
        if step = '..' then
          kept := kept[:cardinality(kept) - 1];
        elsif step <> '.' then
          kept := kept || step;
        end if;
      end loop;
      path := '/' || array_to_string(kept, '/') || case when path ~ '/\.\.?$' and cardinality(kept) > 0 then '/' else '' end;
    end if;

    query := substr(part[5], 2);
    foreach param in array params_array loop
      continue when param is null;
      -- what is escaped in it gets small letters
      param := (select string_agg(case when t[1] like '\%_%' then lower(t[1]) else t[1] end, '' order by n)
        from regexp_matches(param, '%[0-9A-Fa-f]{2}|[^%]+|%', 'g') with ordinality as x (t, n));
      continue when param is null;
      query := case
        when coalesce(query, '') = '' then param
        when query like '%&' then query || param
        else query || '&' || param
      end;
    end loop;

    port := case when port ~ '^0+$' then '0' else nullif(ltrim(port, '0'), '') end;
    return scheme || '://' || login || host || coalesce(':' || port, '') || coalesce(nullif(path, ''), '/')
      || coalesce('?' || nullif(query, ''), '') || coalesce(nullif(part[6], '#'), '');
  end
  $fn$;

-- Puts a request into the queue, with the rights of whoever asks: all may write
-- to it.
create function net._enqueue(method text, url text, params jsonb, headers jsonb, body jsonb, timeout_milliseconds integer) returns bigint
  language plpgsql
  set search_path = pg_catalog
  as $fn$
  declare
    request_id bigint;
  begin
    insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
    values (method,
      net._encode_url_with_params_array(url, coalesce(
        (select array_agg(net._urlencode_string(p.key) || '=' || net._urlencode_string(p.value)) from jsonb_each_text(params) p), '{}')),
      headers, convert_to(body::text, 'UTF8'), timeout_milliseconds)
    returning id into request_id;
    perform net.wake();
    return request_id;
  end
  $fn$;

-- The functions that people call. The first two run with the rights of their
-- owner, as on the platform, where only its own roles may call them.
create function net.http_get(
  url text,
  params jsonb default '{}'::jsonb,
  headers jsonb default '{}'::jsonb,
  timeout_milliseconds integer default 5000
) returns bigint
  language plpgsql security definer
  set search_path = net
  as $fn$
  begin
    return net._enqueue('GET', url, params, headers, null, timeout_milliseconds);
  end
  $fn$;

create function net.http_post(
  url text,
  body jsonb default '{}'::jsonb,
  params jsonb default '{}'::jsonb,
  headers jsonb default '{"Content-Type": "application/json"}'::jsonb,
  timeout_milliseconds integer default 5000
) returns bigint
  language plpgsql security definer
  set search_path = net
  as $fn$
  declare
    content_type constant text := (
      select h.value from jsonb_each_text(coalesce(headers, '{}')) h where lower(h.key) = 'content-type' limit 1);
  begin
    if content_type is null then
      headers := headers || '{"Content-Type": "application/json"}';
    elsif content_type <> 'application/json' then
      raise exception 'Content-Type header must be "application/json"';
    end if;
    return net._enqueue('POST', url, params, headers, body, timeout_milliseconds);
  end
  $fn$;

create function net.http_delete(
  url text,
  params jsonb default '{}'::jsonb,
  headers jsonb default '{}'::jsonb,
  timeout_milliseconds integer default 5000,
  body jsonb default null
) returns bigint
  language plpgsql
  as $fn$
  begin
    return net._enqueue('DELETE', url, params, headers, body, timeout_milliseconds);
  end
  $fn$;

-- Waits until there is a response.
create function net._await_response(request_id bigint) returns boolean
  language plpgsql
  as $fn$
  begin
    while not exists (select from net._http_response r where r.id = request_id) loop
      perform pg_sleep(0.05);
    end loop;
    return true;
  end
  $fn$;

create function net._http_collect_response(request_id bigint, async boolean default true) returns net.http_response_result
  language plpgsql
  as $fn$
  declare
    found_response net._http_response;
  begin
    if not async then
      perform net._await_response(request_id);
    end if;
    select * into found_response from net._http_response r where r.id = request_id;
    if found_response.id is null or found_response.error_msg is not null then
      return row('ERROR', coalesce(found_response.error_msg, 'request matching request_id not found'), null)::net.http_response_result;
    end if;
    return row('SUCCESS', 'ok',
      row(found_response.status_code, found_response.headers, found_response.content)::net.http_response)::net.http_response_result;
  end
  $fn$;

create function net.http_collect_response(request_id bigint, async boolean default true) returns net.http_response_result
  language plpgsql
  as $fn$
  begin
    raise notice 'The net.http_collect_response function is deprecated.';
    return net._http_collect_response(request_id, async);
  end
  $fn$;

grant usage on schema net to public;
grant all on all sequences in schema net to public;
grant all on all tables in schema net to public;
revoke all on function net.http_get(text, jsonb, jsonb, integer) from public;
revoke all on function net.http_post(text, jsonb, jsonb, jsonb, integer) from public;

-- As the platform does where it has its roles. The functions that write to the
-- pipe need a superuser behind them, also when the role postgres is none.
do $do$
declare
  caller name;
  definer regprocedure;
begin
  for caller in
    select rolname from pg_roles where rolname in ('supabase_functions_admin', 'postgres', 'anon', 'authenticated', 'service_role')
  loop
    execute format('grant usage on schema net to %I', caller);
    execute format('grant execute on function net.http_get(text, jsonb, jsonb, integer), net.http_post(text, jsonb, jsonb, jsonb, integer) to %I', caller);
  end loop;
  if exists (select from pg_roles where rolname = 'supabase_admin' and rolsuper) then
    alter schema net owner to supabase_admin;
    for definer in select p.oid from pg_proc p where p.pronamespace = 'net'::regnamespace and p.prosecdef loop
      execute format('alter function %s owner to supabase_admin', definer);
    end loop;
  end if;
end
$do$;
