set local role supabase_admin;

-- The functions of the pgjwt extension, for builds that lack it.
do $do$
begin
  if exists (select from pg_extension where extname = 'pgjwt') then
    return;
  end if;

  create or replace function extensions.url_encode(data bytea) returns text
    language sql immutable
    as $fn$
      select translate(encode(data, 'base64'), E'+/=\n', '-_')
    $fn$;

  create or replace function extensions.url_decode(data text) returns bytea
    language sql immutable
    as $fn$
      select decode(rpad(translate(data, '-_', '+/'), (length(data) + 3) / 4 * 4, '='), 'base64')
    $fn$;

  create or replace function extensions.algorithm_sign(signables text, secret text, algorithm text) returns text
    language sql immutable
    as $fn$
      select extensions.url_encode(extensions.hmac(signables, secret, case algorithm
        when 'HS256' then 'sha256'
        when 'HS384' then 'sha384'
        when 'HS512' then 'sha512'
        else ''
      end))
    $fn$;

  create or replace function extensions.sign(payload json, secret text, algorithm text default 'HS256') returns text
    language sql immutable
    as $fn$
      select signed || '.' || extensions.algorithm_sign(signed, secret, algorithm)
      from (
        select extensions.url_encode(convert_to(format('{"alg":"%s","typ":"JWT"}', algorithm), 'UTF8'))
            || '.' || extensions.url_encode(convert_to(payload::text, 'UTF8')) as signed
      ) parts
    $fn$;

  create or replace function extensions.try_cast_double(inp text) returns double precision
    language plpgsql immutable
    as $fn$
    begin
      return inp::double precision;
    exception when others then
      return null;
    end
    $fn$;

  create or replace function extensions.verify(token text, secret text, algorithm text default 'HS256')
    returns table (header json, payload json, valid boolean)
    language sql stable
    as $fn$
      select j.header, j.payload,
        p.part[3] = extensions.algorithm_sign(p.part[1] || '.' || p.part[2], secret, algorithm)
        and coalesce(to_timestamp(extensions.try_cast_double(j.payload ->> 'nbf')) <= now(), true)
        and coalesce(to_timestamp(extensions.try_cast_double(j.payload ->> 'exp')) > now(), true)
      from (select string_to_array(token, '.') as part) p,
      lateral (
        select convert_from(extensions.url_decode(p.part[1]), 'UTF8')::json as header,
               convert_from(extensions.url_decode(p.part[2]), 'UTF8')::json as payload
      ) j
    $fn$;
end
$do$;

reset role;
