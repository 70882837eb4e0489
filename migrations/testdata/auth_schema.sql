-- What schema auth holds, a line each: what a dump of a project, a migration or
-- a policy can depend on. The text is the same on every version of PostgreSQL
-- that is tested: MAINTAIN came with 17, not null constraints with 18.
with relations as (
  select c.oid, c.relname as name, c.relkind, c.relowner, c.relrowsecurity, c.relforcerowsecurity, c.relacl
  from pg_class c
  where c.relnamespace = 'auth'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S')
), line (name, part, place, text) as (
  select name, 0, 0, case relkind when 'S' then 'sequence ' else 'table ' end || name || ', owner ' || relowner::regrole::text
    || case when relrowsecurity then ', row level security' else '' end
    || case when relforcerowsecurity then ' forced' else '' end
  from relations
  union all
  select name, 1, attnum, '  ' || concat_ws(' ', attname, format_type(atttypid, atttypmod),
    case when attnotnull then 'not null' end,
    case attgenerated when 's' then 'as ' else 'default ' end || pg_get_expr(adbin, adrelid))
  from relations join pg_attribute on attrelid = oid left join pg_attrdef on adrelid = attrelid and adnum = attnum
  where relkind <> 'S' and attnum > 0 and not attisdropped
  union all
  select name, 2, 0, '  ' || conname || ': ' || pg_get_constraintdef(c.oid)
    || case when convalidated then '' else ' not valid' end
  from relations r join pg_constraint c on conrelid = r.oid
  where contype <> 'n'
  union all
  select name, 3, 0, '  ' || pg_get_indexdef(indexrelid)
  from relations join pg_index on indrelid = oid
  where not exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u'))
  union all
  select name, 4, 0, '  ' || pg_get_triggerdef(t.oid)
  from relations r join pg_trigger t on tgrelid = r.oid
  where not tgisinternal
  union all
  select name, 5, 0, '  policy ' || polname
  from relations r join pg_policy on polrelid = r.oid
  union all
  select name, 6, 0, '  granted to ' || grantee::regrole::text || ': '
    || string_agg(lower(privilege_type) || case when is_grantable then '*' else '' end, ' ' order by privilege_type)
  from relations, aclexplode(relacl)
  where privilege_type <> 'MAINTAIN'
  group by name, grantee
  union all
  select 'type ' || typname, 0, 0, 'type ' || typname || ', owner ' || typowner::regrole::text || ': '
    || (select string_agg(enumlabel, ' ' order by enumsortorder) from pg_enum where enumtypid = t.oid)
  from pg_type t
  where typnamespace = 'auth'::regnamespace and typtype = 'e'
  union all
  select '~function ' || p.oid::regprocedure::text, 0, 0, 'function ' || p.oid::regprocedure::text || ' returns ' || pg_get_function_result(p.oid)
    || ', ' || (select lanname from pg_language l where l.oid = prolang)
    || ', ' || case provolatile when 's' then 'stable' when 'i' then 'immutable' else 'volatile' end
    || case when prosecdef then ', security definer' else ', security invoker' end
    || ', owner ' || proowner::regrole::text
    || ', executed by ' || (select string_agg(case grantee when 0 then 'public' else grantee::regrole::text end, ' ' order by grantee::regrole::text)
      from aclexplode(coalesce(proacl, acldefault('f', proowner))))
  from pg_proc p
  where pronamespace = 'auth'::regnamespace
  union all
  select '~grants ' || defaclobjtype::text, 0, 0, 'by default ' || defaclrole::regrole::text || ' grants on '
    || case defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' else defaclobjtype::text end
    || ' to ' || grantee::regrole::text || ': ' || string_agg(lower(privilege_type), ' ' order by privilege_type)
  from pg_default_acl, aclexplode(defaclacl)
  where defaclnamespace = 'auth'::regnamespace and privilege_type <> 'MAINTAIN'
  group by defaclobjtype, defaclrole, grantee
  union all
  select '~schema', 0, 0, 'schema auth, owner ' || nspowner::regrole::text
  from pg_namespace where nspname = 'auth'
  union all
  select '~schema', 1, 0, '  granted to ' || grantee::regrole::text || ': ' || string_agg(lower(privilege_type), ' ' order by privilege_type)
  from pg_namespace, aclexplode(nspacl) where nspname = 'auth'
  group by grantee
)
select text from line order by name collate "C", part, place, text collate "C"
