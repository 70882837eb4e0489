-- The tables, functions and privileges of supabase_vault 0.3.1. Secrets are
-- encrypted with AES-256 and authenticated, together with their id, by
-- HMAC-SHA256 (as a synthetic initialization vector), with keys that derive from
-- one that each database makes for itself when it gets its first secret.

-- The key. It is no part of a dump: secrets that a dump brought to another
-- database cannot be read there. Superusers and members of pg_read_all_data see it.
create table vault.root_key (
  only_one boolean primary key default true check (only_one),
  key bytea not null
);

create function vault._make_key() returns void
  language sql security definer
  set search_path = ''
  as $fn$
    insert into vault.root_key (key)
    select sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
    where not exists (select from vault.root_key)
    on conflict do nothing
  $fn$;

-- What derives from the key for one use, null where there is none.
create function vault._derived_key(purpose text, key_id bigint, context bytea) returns bytea
  language sql stable security definer
  set search_path = ''
  as $fn$
    -- its length is fixed, so that the digest is as good as a keyed one
    select sha256(key || sha256(key || convert_to(purpose, 'UTF8') || int8send(key_id) || context)) from vault.root_key
  $fn$;

create function vault._initialization_vector(message bytea, additional bytea, key_id bigint, context bytea, nonce bytea) returns bytea
  language sql stable
  set search_path = ''
  as $fn$
    select substr(extensions.hmac(
      int8send(length(additional)) || additional || int8send(coalesce(length(nonce), -1)) || coalesce(nonce, '') || message,
      vault._derived_key('authenticate', key_id, context), 'sha256'), 1, 16)
  $fn$;

create function vault._crypto_aead_det_encrypt(message bytea, additional bytea, key_id bigint,
    context bytea default 'pgsodium', nonce bytea default null) returns bytea
  language plpgsql security definer
  set search_path = ''
  as $fn$
  declare
    iv bytea;
  begin
    perform vault._make_key();
    iv := vault._initialization_vector($1, $2, $3, $4, $5);
    return extensions.encrypt_iv($1, vault._derived_key('encrypt', $3, $4), iv, 'aes-cbc/pad:pkcs') || iv;
  end
  $fn$;

-- Stable, so that a query of the view decrypts the secrets that it asks for and
-- no others: those may be none that this database can read.
create function vault._crypto_aead_det_decrypt(message bytea, additional bytea, key_id bigint,
    context bytea default 'pgsodium', nonce bytea default null) returns bytea
  language plpgsql stable security definer
  set search_path = ''
  as $fn$
  declare
    iv constant bytea := substr($1, greatest(length($1) - 15, 1));
    clear bytea;
  begin
    if $1 is null then
      return null;
    end if;
    begin
      clear := extensions.decrypt_iv(substr($1, 1, length($1) - 16), vault._derived_key('encrypt', $3, $4), iv, 'aes-cbc/pad:pkcs');
    exception when external_routine_invocation_exception or substring_error or invalid_parameter_value then
      clear := null;
    end;
    if clear is null or vault._initialization_vector(clear, $2, $3, $4, $5) <> iv then
      raise exception 'invalid ciphertext'
        using errcode = 'data_exception', hint = 'The secret was changed, or encrypted with the key of another database: store it again with vault.update_secret.';
    end if;
    return clear;
  end
  $fn$;

create function vault._crypto_aead_det_noncegen() returns bytea
  language sql
  set search_path = ''
  as $fn$
    select uuid_send(gen_random_uuid())
  $fn$;

create table vault.secrets (
  id uuid primary key default gen_random_uuid(),
  name text,
  description text not null default '',
  secret text not null,
  key_id uuid,
  nonce bytea default vault._crypto_aead_det_noncegen(),
  created_at timestamptz not null default current_timestamp,
  updated_at timestamptz not null default current_timestamp
);
comment on table vault.secrets is 'Table with encrypted `secret` column for storing sensitive information on disk.';
create unique index on vault.secrets (name) where name is not null;
select pg_catalog.pg_extension_config_dump('vault.secrets', '');

create view vault.decrypted_secrets as
  select id, name, description, secret,
    convert_from(vault._crypto_aead_det_decrypt(message => decode(secret, 'base64'), additional => convert_to(id::text, 'UTF8'),
      key_id => 0, context => 'pgsodium', nonce => nonce), 'UTF8') as decrypted_secret,
    key_id, nonce, created_at, updated_at
  from vault.secrets;

create function vault._encrypted(id uuid, secret text, nonce bytea) returns text
  language sql
  set search_path = ''
  as $fn$
    select encode(vault._crypto_aead_det_encrypt(convert_to($2, 'UTF8'), convert_to($1::text, 'UTF8'), 0, 'pgsodium', $3), 'base64')
  $fn$;

create function vault.create_secret(new_secret text, new_name text default null, new_description text default '',
    new_key_id uuid default null) returns uuid
  language sql security definer
  set search_path = ''
  as $fn$
    insert into vault.secrets (id, secret, nonce, name, description)
    select id, vault._encrypted(id, $1, nonce), nonce, $2, $3
    from (select gen_random_uuid() as id, vault._crypto_aead_det_noncegen() as nonce) made
    returning id
  $fn$;

create function vault.update_secret(secret_id uuid, new_secret text default null, new_name text default null,
    new_description text default null, new_key_id uuid default null) returns void
  language sql security definer
  set search_path = ''
  as $fn$
    update vault.secrets s
    set secret = case when $2 is null then s.secret else vault._encrypted(s.id, $2, s.nonce) end,
      name = coalesce($3, s.name),
      description = coalesce($4, s.description),
      updated_at = now()
    where s.id = $1
  $fn$;

-- Gives a database that was copied from another, whose key it has, one of its
-- own. What cannot be read stays as it is.
create function vault._new_key() returns void
  language plpgsql security definer
  set search_path = ''
  as $fn$
  declare
    secret record;
    ids uuid[];
    clear text[];
  begin
    lock table vault.secrets in share row exclusive mode;
    for secret in select * from vault.secrets loop
      begin
        clear := clear || (select decrypted_secret from vault.decrypted_secrets d where d.id = secret.id);
        ids := ids || secret.id;
      exception when others then
        null;
      end;
    end loop;
    delete from vault.root_key;
    update vault.secrets s set secret = vault._encrypted(s.id, read.secret, s.nonce)
    from unnest(ids, clear) as read (id, secret) where read.id = s.id;
  end
  $fn$;

revoke all on all functions in schema vault from public;

-- The platform's: everything is its superuser's but what calls pgcrypto, whose
-- functions postgres may replace: they run with no more rights than it has.
do $do$
declare
  o record;
begin
  for o in
    select format('%s vault.%I', case relkind when 'v' then 'view' else 'table' end, relname) as object, 'supabase_admin' as owner
    from pg_catalog.pg_class where relnamespace = 'vault'::regnamespace and relkind in ('r', 'v')
    union all
    select format('function %s', oid::regprocedure),
      case when proname in ('_crypto_aead_det_encrypt', '_crypto_aead_det_decrypt', '_initialization_vector') then 'postgres' else 'supabase_admin' end
    from pg_catalog.pg_proc where pronamespace = 'vault'::regnamespace
  loop
    execute format('alter %s owner to %I', o.object, o.owner);
  end loop;
end
$do$;

grant usage on schema vault to postgres with grant option;
grant execute on function vault._make_key(), vault._derived_key(text, bigint, bytea) to postgres;
grant execute on function vault._crypto_aead_det_encrypt(bytea, bytea, bigint, bytea, bytea) to supabase_admin;
grant select, delete, truncate, references on vault.secrets, vault.decrypted_secrets to postgres with grant option;
grant execute on function vault.create_secret(text, text, text, uuid), vault.update_secret(uuid, text, text, text, uuid),
  vault._crypto_aead_det_decrypt(bytea, bytea, bigint, bytea, bytea) to postgres with grant option;
grant usage on schema vault to service_role;
grant select, delete on vault.secrets, vault.decrypted_secrets to service_role;
grant execute on function vault.create_secret(text, text, text, uuid), vault.update_secret(uuid, text, text, text, uuid),
  vault._crypto_aead_det_decrypt(bytea, bytea, bigint, bytea, bytea) to service_role;
