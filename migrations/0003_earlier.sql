-- What earlier releases of the platform left: objects of other owners and names.
-- The files that follow add the columns, constraints and indexes that are missing.
do $do$
declare
  r record;
begin
  -- The owners have to be those that the objects are written again as.
  for r in
    select format('alter %s %s owner to %I', case c.relkind when 'S' then 'sequence' when 'v' then 'view' else 'table' end,
                  c.oid::regclass, o.owner) as command
    from (values ('auth', 'supabase_auth_admin'), ('storage', 'supabase_storage_admin')) as o (schema, owner)
    join pg_class c on c.relnamespace = to_regnamespace(o.schema)
    where c.relkind in ('r', 'p', 'v', 'S') and c.relowner <> to_regrole(o.owner)
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i') and c.relkind = 'S')
    union all
    select format('alter type %s owner to %I', t.oid::regtype, o.owner)
    from (values ('auth', 'supabase_auth_admin'), ('storage', 'supabase_storage_admin')) as o (schema, owner)
    join pg_type t on t.typnamespace = to_regnamespace(o.schema)
    where t.typtype = 'e' and t.typowner <> to_regrole(o.owner)
    union all
    select format('alter function %s owner to %I', p.oid::regprocedure, o.owner)
    from (values
      ('auth', 'supabase_auth_admin', array['uid', 'role', 'email', 'jwt']),
      ('storage', 'supabase_storage_admin', array['foldername', 'filename', 'extension', 'operation', 'allow_any_operation', 'allow_only_operation',
        'get_common_prefix', 'get_size_by_bucket', 'can_insert_object', 'update_updated_at_column', 'enforce_bucket_name_length', 'protect_delete',
        'list_objects_with_delimiter', 'search', 'search_by_timestamp', 'search_v2', 'list_multipart_uploads_with_delimiter'])
    ) as o (schema, owner, names)
    join pg_proc p on p.pronamespace = to_regnamespace(o.schema) and p.proname = any (o.names)
    where p.prokind = 'f' and p.proowner <> to_regrole(o.owner)
  loop
    execute r.command;
  end loop;

  -- Owners create what is missing.
  if to_regnamespace('auth') is not null then
    grant all on schema auth to supabase_auth_admin;
  end if;
  if to_regnamespace('storage') is not null then
    grant all on schema storage to supabase_storage_admin;
  end if;

  -- Columns that were given another name later.
  for r in
    select * from (values
      ('auth.users', 'confirmed_at', 'email_confirmed_at'),
      ('auth.users', 'email_change_token', 'email_change_token_new'),
      ('auth.identities', 'id', 'provider_id')
    ) as renamed (relation, earlier, later)
    where exists (select from pg_attribute where attrelid = to_regclass(relation) and attname = earlier and attgenerated = '' and not attisdropped)
      and not exists (select from pg_attribute where attrelid = to_regclass(relation) and attname = later and not attisdropped)
  loop
    execute format('alter table %s rename column %I to %I', r.relation, r.earlier, r.later);
  end loop;

  -- Keys and references that were given up.
  for r in
    select c.conrelid::regclass as relation, c.conname
    from (values
      ('auth.users', 'users_email_key'),
      ('auth.refresh_tokens', 'refresh_tokens_parent_fkey'),
      ('storage.buckets', 'buckets_owner_fkey'),
      ('storage.objects', 'objects_owner_fkey')
    ) as dropped (relation, name)
    join pg_constraint c on c.conrelid = to_regclass(dropped.relation) and c.conname = dropped.name
    union all
    -- the key of identities was the provider's with its own id
    select c.conrelid::regclass, c.conname
    from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any (c.conkey)
    where c.conrelid = to_regclass('auth.identities') and c.contype = 'p' and a.attname = 'provider_id'
  loop
    execute format('alter table %s drop constraint %I', r.relation, r.conname);
  end loop;

  -- Types that became wider.
  for r in
    select * from (values
      ('auth.users', 'phone', 'text'),
      ('auth.users', 'phone_change', 'text')
    ) as widened (relation, name, type)
    where exists (select from pg_attribute where attrelid = to_regclass(relation) and attname = name and atttypid = 'varchar'::regtype)
  loop
    execute format('alter table %s alter column %I type %s', r.relation, r.name, r.type);
  end loop;

  -- Columns that became optional.
  for r in
    select attrelid::regclass as relation, attname
    from pg_attribute
    where attrelid = to_regclass('auth.flow_state') and attname in ('auth_code', 'code_challenge', 'code_challenge_method') and attnotnull
  loop
    execute format('alter table %s alter column %I drop not null', r.relation, r.attname);
  end loop;

  -- What objects once kept beside them: the folders that they lie in.
  for r in
    select tgrelid::regclass as relation, tgname from pg_trigger
    where tgrelid = to_regclass('storage.objects')
      and tgname in ('objects_insert_create_prefix', 'objects_update_create_prefix', 'objects_delete_delete_prefix', 'objects_update_level_trigger',
        'objects_delete_cleanup', 'objects_update_cleanup')
  loop
    execute format('drop trigger %I on %s', r.tgname, r.relation);
  end loop;

  -- Functions that got other parameters or results: an earlier form beside the
  -- new one would make calls ambiguous.
  for r in
    select p.oid::regprocedure as signature
    from (values
      ('search', 'text, text, integer, integer, integer, text, text, text'),
      ('search_v2', 'text, text, integer, integer, text, text, text, text'),
      ('search_by_timestamp', 'text, text, integer, integer, text, text, text, text'),
      ('list_objects_with_delimiter', 'text, text, text, integer, text, text, text'),
      ('list_multipart_uploads_with_delimiter', 'text, text, text, integer, text, text'),
      ('get_size_by_bucket', '')
    ) as kept (name, parameters)
    join pg_proc p on p.pronamespace = to_regnamespace('storage') and p.proname = kept.name
    where (select string_agg(format_type(t, null), ', ' order by n) from unnest(p.proargtypes) with ordinality as x (t, n)) is distinct from nullif(kept.parameters, '')
      or kept.name = 'get_size_by_bucket' and pg_get_function_result(p.oid) <> 'TABLE(size bigint, bucket_id text)'
      or kept.name = 'list_objects_with_delimiter' and pg_get_function_result(p.oid) not like '%last_accessed_at%'
      or kept.name = 'search_v2' and pg_get_function_result(p.oid) not like '%last_accessed_at%'
  loop
    execute format('drop function %s', r.signature);
  end loop;
end
$do$;

-- Enumerations that lack a label are made anew: one that is added could not be
-- used before the end of the transaction.
do $do$
declare
  wanted record;
  col record;
begin
  for wanted in
    select * from (values
      ('auth', 'factor_type', 'supabase_auth_admin', array['totp', 'webauthn', 'phone']),
      ('auth', 'one_time_token_type', 'supabase_auth_admin', array['confirmation_token', 'reauthentication_token', 'recovery_token',
        'email_change_token_new', 'email_change_token_current', 'phone_change_token']),
      ('storage', 'buckettype', 'supabase_storage_admin', array['STANDARD', 'ANALYTICS', 'VECTOR'])
    ) as w (schema, name, owner, labels)
    where exists (select from pg_type t where t.typnamespace = to_regnamespace(w.schema) and t.typname = w.name)
      and not w.labels <@ (select array_agg(e.enumlabel::text) from pg_enum e join pg_type t on t.oid = e.enumtypid
        where t.typnamespace = to_regnamespace(w.schema) and t.typname = w.name)
  loop
    execute format('alter type %I.%I rename to %I', wanted.schema, wanted.name, wanted.name || '_earlier');
    execute format('create type %I.%I as enum (%s)', wanted.schema, wanted.name,
      (select string_agg(quote_literal(l), ', ' order by n) from unnest(wanted.labels) with ordinality as x (l, n)));
    execute format('alter type %I.%I owner to %I', wanted.schema, wanted.name, wanted.owner);
    for col in
      select a.attrelid::regclass as relation, a.attname, pg_get_expr(d.adbin, d.adrelid) as value
      from pg_attribute a
      join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.atttypid = to_regtype(format('%I.%I', wanted.schema, wanted.name || '_earlier')) and not a.attisdropped
    loop
      execute format('alter table %s alter column %I drop default, alter column %2$I type %I.%I using %2$I::text::%3$I.%4$I',
        col.relation, col.attname, wanted.schema, wanted.name);
      if col.value is not null then
        execute format('alter table %s alter column %I set default %s', col.relation, col.attname,
          replace(col.value, wanted.name || '_earlier', wanted.name));
      end if;
    end loop;
    execute format('drop type %I.%I', wanted.schema, wanted.name || '_earlier');
  end loop;
end
$do$;
