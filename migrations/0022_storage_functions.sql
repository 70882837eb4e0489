set local role supabase_storage_admin;

-- Names as policies use them. Plain SQL, so that the planner inlines them.
create or replace function storage.foldername(name text) returns text[]
  language sql immutable
  as $fn$
    select (string_to_array(name, '/'))[1 : array_length(string_to_array(name, '/'), 1) - 1]
  $fn$;

create or replace function storage.filename(name text) returns text
  language sql immutable
  as $fn$
    select (string_to_array(name, '/'))[array_length(string_to_array(name, '/'), 1)]
  $fn$;

create or replace function storage.extension(name text) returns text
  language sql immutable
  as $fn$
    select (string_to_array(file, '.'))[array_length(string_to_array(file, '.'), 1)]
    from (select (string_to_array(name, '/'))[array_length(string_to_array(name, '/'), 1)] as file) last_segment
  $fn$;

create or replace function storage.operation() returns text
  language sql stable
  as $fn$
    select current_setting('storage.operation', true)
  $fn$;

create or replace function storage.allow_any_operation(expected_operations text[]) returns boolean
  language sql stable
  as $fn$
    select exists (
      select from unnest(expected_operations) as expected
      where expected <> ''
        and regexp_replace(expected, '^storage\.', '') = regexp_replace(storage.operation(), '^storage\.', '')
    )
  $fn$;

create or replace function storage.allow_only_operation(expected_operation text) returns boolean
  language sql stable
  as $fn$
    select storage.allow_any_operation(array[expected_operation])
  $fn$;

create or replace function storage.get_common_prefix(p_key text, p_prefix text, p_delimiter text) returns text
  language sql immutable
  as $fn$
    select case
      when at > 0 then left(p_key, length(p_prefix) + at)
    end
    from (select position(p_delimiter in substr(p_key, length(p_prefix) + 1)) as at) found
  $fn$;

create or replace function storage.get_size_by_bucket() returns table (size bigint, bucket_id text)
  language sql stable
  as $fn$
    select sum((o.metadata ->> 'size')::bigint)::bigint, o.bucket_id
    from storage.objects o
    group by o.bucket_id
  $fn$;

-- Tells by its error whether the caller may insert the row: PT200 means yes,
-- and raising it takes the row away again.
create or replace function storage.can_insert_object(bucketid text, name text, owner uuid, metadata jsonb) returns void
  language plpgsql
  as $fn$
  begin
    insert into storage.objects (bucket_id, name, owner, metadata)
    values (bucketid, name, owner, metadata);
    raise sqlstate 'PT200' using message = 'ROLLBACK', detail = 'rollback successful insert';
  end
  $fn$;

-- The functions' triggers.
create or replace function storage.update_updated_at_column() returns trigger
  language plpgsql
  as $fn$
  begin
    new.updated_at := now();
    return new;
  end
  $fn$;

create or replace function storage.enforce_bucket_name_length() returns trigger
  language plpgsql
  as $fn$
  begin
    if char_length(new.name) > 100 then
      raise exception 'bucket name "%" is too long (% characters). Max is 100.', new.name, char_length(new.name);
    end if;
    return new;
  end
  $fn$;

create or replace function storage.protect_delete() returns trigger
  language plpgsql
  as $fn$
  begin
    if current_setting('storage.allow_delete_query', true) is distinct from 'true' then
      raise exception 'Direct deletion from storage tables is not allowed. Use the Storage API instead.'
        using errcode = '42501',
          hint = 'Rows deleted here would leave their files behind.';
    end if;
    return null;
  end
  $fn$;

create or replace trigger update_objects_updated_at
  before update on storage.objects
  for each row execute function storage.update_updated_at_column();

create or replace trigger enforce_bucket_name_length_trigger
  before insert or update of name on storage.buckets
  for each row execute function storage.enforce_bucket_name_length();

create or replace trigger protect_buckets_delete
  before delete on storage.buckets
  for each statement execute function storage.protect_delete();

create or replace trigger protect_objects_delete
  before delete on storage.objects
  for each statement execute function storage.protect_delete();

reset role;
