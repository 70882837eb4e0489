-- The functions of pgjwt 0.2.0: JSON web tokens signed with HMAC.

do $do$
begin
  if to_regprocedure('@extschema@.hmac(text, text, text)') is null then
    raise exception 'pgjwt has to be in the schema of pgcrypto'
      using hint = format('create extension pgjwt with schema %I', (select extnamespace::regnamespace from pg_extension where extname = 'pgcrypto'));
  end if;
end
$do$;

create or replace function url_encode(data bytea) returns text
  language sql immutable
  as $fn$
    select translate(encode(data, 'base64'), E'+/=\n', '-_')
  $fn$;

create or replace function url_decode(data text) returns bytea
  language sql immutable
  as $fn$
    select decode(rpad(translate(data, '-_', '+/'), (length(data) + 3) / 4 * 4, '='), 'base64')
  $fn$;

create or replace function algorithm_sign(signables text, secret text, algorithm text) returns text
  language sql immutable
  as $fn$
    select @extschema@.url_encode(@extschema@.hmac(signables, secret, case algorithm
      when 'HS256' then 'sha256'
      when 'HS384' then 'sha384'
      when 'HS512' then 'sha512'
      else ''
    end))
  $fn$;

create or replace function sign(payload json, secret text, algorithm text default 'HS256') returns text
  language sql immutable
  as $fn$
    select signed || '.' || @extschema@.algorithm_sign(signed, secret, algorithm)
    from (
      select @extschema@.url_encode(convert_to('{"alg":"' || algorithm || '","typ":"JWT"}', 'UTF8'))
          || '.' || @extschema@.url_encode(convert_to(payload::text, 'UTF8')) as signed
    ) parts
  $fn$;

create or replace function try_cast_double(inp text) returns double precision
  language plpgsql immutable
  as $fn$
  begin
    return inp::double precision;
  exception when others then
    return null;
  end
  $fn$;

create or replace function verify(token text, secret text, algorithm text default 'HS256')
  returns table (header json, payload json, valid boolean)
  language sql stable
  as $fn$
    select j.header, j.payload,
      p.part[3] = @extschema@.algorithm_sign(p.part[1] || '.' || p.part[2], secret, algorithm)
      and coalesce(to_timestamp(@extschema@.try_cast_double(j.payload ->> 'nbf')) <= now(), true)
      and coalesce(to_timestamp(@extschema@.try_cast_double(j.payload ->> 'exp')) > now(), true)
    from (select string_to_array(token, '.') as part) p,
    lateral (
      select convert_from(@extschema@.url_decode(p.part[1]), 'UTF8')::json as header,
             convert_from(@extschema@.url_decode(p.part[2]), 'UTF8')::json as payload
    ) j
  $fn$;
