set local role supabase_storage_admin;

-- Both functions list one level of a bucket: objects as they are, and one row
-- with nothing but a name for all keys that share the next path segment. They
-- walk the index and step over a whole folder once they have seen its first
-- key, so the cost follows the rows looked at and not the rows stored.
create or replace function storage.list_objects_with_delimiter(
  _bucket_id text,
  prefix_param text,
  delimiter_param text,
  max_keys integer default 100,
  start_after text default '',
  next_token text default '',
  sort_order text default 'asc'
) returns table (
  name text,
  id uuid,
  metadata jsonb,
  updated_at timestamptz,
  created_at timestamptz,
  last_accessed_at timestamptz
)
  language plpgsql stable
  as $fn$
  declare
    ascending constant boolean := lower(coalesce(sort_order, 'asc')) = 'asc';
    prefix    constant text := coalesce(prefix_param, '');
    beyond    constant text := prefix || chr(1114111);
    -- What follows a folder's name in the first key that is not in the folder.
    past      constant text := chr(ascii(delimiter_param) + 1);
    resume    constant text := coalesce(nullif(next_token, ''), start_after, '');
    batch     constant integer := 500;
    -- Upwards the next row is the first at or after this, downwards the last before it.
    seek      text;
    rows      refcursor;
    o         record;
    seen      integer;
    returned  integer := 0;
    folder    text;
  begin
    if resume = '' then
      seek := case when ascending then prefix else beyond end;
    elsif exists (
      select from storage.objects x
      where x.bucket_id = _bucket_id
        and x.name collate "C" >= resume || delimiter_param
        and x.name collate "C" < resume || past
    ) then
      seek := resume || case when ascending then past else delimiter_param end;
    else
      seek := resume || case when ascending then chr(1) else '' end;
    end if;
    if ascending then
      seek := greatest(seek collate "C", prefix collate "C");
    else
      seek := least(seek collate "C", beyond collate "C");
    end if;

    while returned < max_keys loop
      if ascending then
        open rows for
          select x.* from storage.objects x
          where x.bucket_id = _bucket_id and x.name collate "C" >= seek
          order by x.name collate "C" limit 500;
      else
        open rows for
          select x.* from storage.objects x
          where x.bucket_id = _bucket_id and x.name collate "C" < seek
          order by x.name collate "C" desc limit 500;
      end if;
      seen := 0;
      loop
        fetch rows into o;
        if not found then
          exit when seen = batch;
          return;
        end if;
        seen := seen + 1;
        if not starts_with(o.name, prefix) then
          return;
        end if;
        folder := storage.get_common_prefix(o.name, prefix, delimiter_param);
        if folder is null then
          name := o.name;
          id := o.id;
          metadata := o.metadata;
          updated_at := o.updated_at;
          created_at := o.created_at;
          last_accessed_at := o.last_accessed_at;
          seek := o.name || case when ascending then chr(1) else '' end;
        else
          name := rtrim(folder, delimiter_param);
          id := null;
          metadata := null;
          updated_at := null;
          created_at := null;
          last_accessed_at := null;
          seek := case when ascending then left(folder, -1) || past else folder end;
        end if;
        return next;
        returned := returned + 1;
        exit when folder is not null or returned >= max_keys;
      end loop;
      close rows;
    end loop;
  end
  $fn$;

-- The older listing: pages by offset, ignores case, and gives names relative to
-- the prefix. Sorted by a time, folders come first and the files after them.
create or replace function storage.search(
  prefix text,
  bucketname text,
  limits integer default 100,
  levels integer default 1,
  offsets integer default 0,
  search text default '',
  sortcolumn text default 'name',
  sortorder text default 'asc'
) returns table (
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
    ascending constant boolean := lower(coalesce(sortorder, 'asc')) = 'asc';
    wanted    constant text := coalesce(prefix, '') || coalesce(search, '');
    low       constant text := lower(wanted);
    cut       constant integer := length(coalesce(prefix, '')) + 1;
    capped    constant integer := least(coalesce(limits, 100), 1500);
    batch     constant integer := 500;
    first_token constant integer := coalesce(array_length(string_to_array(coalesce(prefix, ''), '/'), 1), 1);
    last_token  constant integer := coalesce(array_length(string_to_array(wanted, '/'), 1), 1);
    sort_by   text := lower(coalesce(sortcolumn, 'name'));
    -- Position in the order of (lower-case name, name).
    seek_low  text := case when ascending then low else low || chr(1114111) end;
    seek_name text := '';
    rows      refcursor;
    o         record;
    seen      integer;
    skipped   integer := 0;
    returned  integer := 0;
    folder    text;
  begin
    if sort_by in ('updated_at', 'created_at', 'last_accessed_at') then
      return query
        select l.name, l.id, l.updated_at, l.created_at, l.last_accessed_at, l.metadata
        from (
          select array_to_string(x.path_tokens[first_token:last_token], '/') as name,
            null::uuid as id, null::timestamptz as updated_at, null::timestamptz as created_at,
            null::timestamptz as last_accessed_at, null::jsonb as metadata, false as is_file
          from storage.objects x
          where x.bucket_id = bucketname
            and starts_with(lower(x.name), low)
            and array_length(x.path_tokens, 1) <> last_token
          group by 1
          union all
          select array_to_string(x.path_tokens[first_token:last_token], '/'),
            x.id, x.updated_at, x.created_at, x.last_accessed_at, x.metadata, true
          from storage.objects x
          where x.bucket_id = bucketname
            and starts_with(lower(x.name), low)
            and array_length(x.path_tokens, 1) = last_token
        ) l
        cross join lateral (
          select case sort_by
            when 'updated_at' then l.updated_at
            when 'created_at' then l.created_at
            else l.last_accessed_at
          end as at
        ) k
        order by l.is_file,
          case when ascending and not l.is_file then l.name end,
          case when not ascending and not l.is_file then l.name end desc,
          case when ascending then k.at end,
          case when not ascending then k.at end desc,
          l.name
        limit capped offset offsets;
      return;
    end if;

    while returned < capped loop
      if ascending then
        open rows for
          select x.*, lower(x.name) as low_name from storage.objects x
          where x.bucket_id = bucketname
            and (lower(x.name) collate "C", x.name collate "C") > (seek_low, seek_name)
          order by lower(x.name) collate "C", x.name collate "C" limit 500;
      else
        open rows for
          select x.*, lower(x.name) as low_name from storage.objects x
          where x.bucket_id = bucketname
            and (lower(x.name) collate "C", x.name collate "C") < (seek_low, seek_name)
          order by lower(x.name) collate "C" desc, x.name collate "C" desc limit 500;
      end if;
      seen := 0;
      loop
        fetch rows into o;
        if not found then
          exit when seen = batch;
          return;
        end if;
        seen := seen + 1;
        if not starts_with(o.low_name, low) then
          return;
        end if;
        folder := storage.get_common_prefix(o.low_name, low, '/');
        if folder is null then
          seek_low := o.low_name;
          seek_name := o.name;
        else
          seek_low := case when ascending then left(folder, -1) || chr(ascii('/') + 1) else folder end;
          seek_name := '';
        end if;
        if skipped < offsets then
          skipped := skipped + 1;
        else
          if folder is null then
            name := substr(o.name, cut);
            id := o.id;
            updated_at := o.updated_at;
            created_at := o.created_at;
            last_accessed_at := o.last_accessed_at;
            metadata := o.metadata;
          else
            name := substr(rtrim(storage.get_common_prefix(o.name, wanted, '/'), '/'), cut);
            id := null;
            updated_at := null;
            created_at := null;
            last_accessed_at := null;
            metadata := null;
          end if;
          return next;
          returned := returned + 1;
        end if;
        exit when folder is not null or returned >= capped;
      end loop;
      close rows;
    end loop;
  end
  $fn$;

reset role;
