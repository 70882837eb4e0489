set local role supabase_storage_admin;

-- One level of a bucket in the order of a time column, continued after the pair
-- (p_sort_column_after, p_start_after). A folder is as old as its oldest object.
-- Times are compared by the millisecond because that is what a client can send back.
-- Of the same name and time a file comes before a folder. p_start_after stands for
-- both, or with chr(1) behind it for the file and with chr(2) for the folder.
create or replace function storage.search_by_timestamp(
  p_prefix text,
  p_bucket_id text,
  p_limit integer,
  p_level integer,
  p_start_after text,
  p_sort_order text,
  p_sort_column text,
  p_sort_column_after text
) returns table (
  key text,
  name text,
  id uuid,
  updated_at timestamptz,
  created_at timestamptz,
  last_accessed_at timestamptz,
  metadata jsonb
)
  language sql stable
  as $fn$
    with found as (
      select o.*, storage.get_common_prefix(o.name, coalesce(p_prefix, ''), '/') as folder
      from storage.objects o
      where o.bucket_id = p_bucket_id
        and o.name collate "C" >= coalesce(p_prefix, '')
        and starts_with(o.name, coalesce(p_prefix, ''))
    ),
    listed as (
      select rtrim(f.folder, '/') as name, null::uuid as id, min(f.created_at) as updated_at,
        min(f.created_at) as created_at, null::timestamptz as last_accessed_at, null::jsonb as metadata
      from found f
      where f.folder is not null
      group by f.folder
      union all
      select f.name, f.id, f.updated_at, f.created_at, f.last_accessed_at, f.metadata
      from found f
      where f.folder is null
    )
    select split_part(l.name, '/', p_level), l.name, l.id, l.updated_at, l.created_at, l.last_accessed_at, l.metadata
    from listed l
    cross join lateral (
      select date_trunc('milliseconds', case p_sort_column
        when 'created_at' then l.created_at
        when 'last_accessed_at' then l.last_accessed_at
        else l.updated_at
      end) as at,
      l.name || case when l.id is null then chr(2) else chr(1) end as place
    ) k
    cross join lateral (
      select coalesce(nullif(p_sort_column_after, '')::timestamptz, 'epoch') as at
    ) after
    where coalesce(p_start_after, '') = ''
      or case
        when p_sort_order = 'asc' then (k.at, k.place collate "C") > (after.at, p_start_after || chr(3))
        else (k.at, k.place collate "C") < (after.at, p_start_after)
      end
    order by
      case when p_sort_order = 'asc' then coalesce(k.at, 'epoch') end,
      case when p_sort_order = 'asc' then k.place end collate "C",
      case when p_sort_order <> 'asc' then coalesce(k.at, 'epoch') end desc,
      case when p_sort_order <> 'asc' then k.place end collate "C" desc
    limit p_limit
  $fn$;

create or replace function storage.search_v2(
  prefix text,
  bucket_name text,
  limits integer default 100,
  levels integer default 1,
  start_after text default '',
  sort_order text default 'asc',
  sort_column text default 'name',
  sort_column_after text default ''
) returns table (
  key text,
  name text,
  id uuid,
  updated_at timestamptz,
  created_at timestamptz,
  last_accessed_at timestamptz,
  metadata jsonb
)
  language plpgsql stable
  as $fn$
  declare
    capped    constant integer := least(coalesce(limits, 100), 1500);
    direction constant text := case lower(sort_order) when 'desc' then 'desc' else 'asc' end;
    sort_by   constant text := lower(sort_column);
  begin
    if sort_by in ('updated_at', 'created_at') then
      return query
        select * from storage.search_by_timestamp(
          prefix, bucket_name, capped, levels, start_after, direction, sort_by, sort_column_after);
    else
      return query
        select split_part(l.name, '/', levels), l.name, l.id, l.updated_at, l.created_at, l.last_accessed_at, l.metadata
        from storage.list_objects_with_delimiter(
          bucket_name, coalesce(prefix, ''), '/', capped, start_after, '', direction) l;
    end if;
  end
  $fn$;

create or replace function storage.list_multipart_uploads_with_delimiter(
  bucket_id text,
  prefix_param text,
  delimiter_param text,
  max_keys integer default 100,
  next_key_token text default '',
  next_upload_token text default ''
) returns table (key text, id text, created_at timestamptz)
  language sql
  as $fn$
    select distinct on (l.listed collate "C") l.listed, l.id, l.created_at
    from (
      select coalesce(storage.get_common_prefix(u.key, prefix_param, delimiter_param), u.key) as listed,
        u.key, u.id, u.created_at
      from storage.s3_multipart_uploads u
      where u.bucket_id = list_multipart_uploads_with_delimiter.bucket_id
        and starts_with(u.key, prefix_param)
    ) l
    where case
      when next_key_token <> '' and next_upload_token <> '' then
        l.listed collate "C" > next_key_token
        or (l.listed = next_key_token and l.id collate "C" > next_upload_token)
      when next_key_token <> '' then l.listed collate "C" > next_key_token
      when next_upload_token <> '' then l.id collate "C" > next_upload_token
      else true
    end
    order by l.listed collate "C", l.key collate "C", l.created_at
    limit max_keys
  $fn$;

reset role;
