package catalog

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// The catalog is read with an empty search path, so that types, defaults and
// sequences come out qualified. $1 of a query is the text[] of exposed schemas,
// where it has one.

const beginSQL = `begin isolation level repeatable read read only`

// preConfigSQL calls the function that makes settings and reads those of $1 that
// there are. Without a function it reads none.
func preConfigSQL(function string) string {
	if function == "" {
		return `select null, null from unnest($1::text[]) where false`
	}
	schema, name, ok := strings.Cut(function, ".")
	quoted := pgx.Identifier{schema, name}.Sanitize()
	if !ok {
		quoted = pgx.Identifier{schema}.Sanitize()
	}
	return `select x, v from (select x, current_setting('pgrst.' || x, true) as v from unnest($1::text[]) x join ` + quoted + `() made on true) s where v is not null`
}

// pathSQL also has prepared queries planned once and not for each of the first
// few executions: that their arguments differ does not matter.
const pathSQL = `select set_config('search_path', '', true), set_config('plan_cache_mode', 'force_generic_plan', true)`

const versionSQL = `select current_setting('server_version_num'),
       (select n.nspname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where p.proname = 'st_asgeojson' and p.proargtypes[0] = 'record'::regtype order by 1 limit 1)`

// changesSQL counts the schema's changes, and the rows of the log, where one is
// kept of them.
const changesSQL = `select coalesce(sum(n), 0), count(*) from suparust.ddl_log`

// foldSQL makes one row of a log that has become longer than maxLog.
const (
	foldSQL = `select suparust.fold_ddl_log()`
	maxLog  = 32
)

// settingsMark tells states of the settings of roles and databases apart.
const settingsMark = `coalesce((
  select md5(string_agg(concat_ws(' ', s.setdatabase, s.setrole, s.setconfig::text), ';' order by s.setdatabase, s.setrole))
  from pg_db_role_setting s), '')`

// fingerprintSQL gives one text that tells states of the schema, and of the
// settings beside it, apart.
const fingerprintSQL = `select (select coalesce(sum(n), 0) from suparust.ddl_log) || ' ' || ` + settingsMark

// unloggedSQL is fingerprintSQL where no log is kept: every change of a
// definition writes a row of the catalog with a younger transaction's number.
const unloggedSQL = `select concat_ws(' ',
  (select concat_ws(',', count(*), sum(c.xmin::text::bigint), max(c.oid)) from pg_class c
    where c.relnamespace in (select n.oid from pg_namespace n where n.nspname !~ '^pg_' and n.nspname <> 'information_schema') and c.relkind <> 'S'),
  (select concat_ws(',', count(*), sum(a.xmin::text::bigint)) from pg_attribute a
    where a.attnum > 0 and a.attrelid >= 16384 and a.attrelid in (select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'v', 'm', 'f', 'p', 'c') and n.nspname !~ '^pg_')),
  (select concat_ws(',', count(*), sum(x.xmin::text::bigint), max(x.oid)) from pg_constraint x where x.oid >= 16384),
  (select concat_ws(',', count(*), sum(x.xmin::text::bigint), max(x.oid)) from pg_proc x where x.oid >= 16384),
  (select concat_ws(',', count(*), sum(x.xmin::text::bigint), max(x.oid)) from pg_type x where x.oid >= 16384 and x.typtype in ('d', 'e')),
  (select concat_ws(',', count(*), sum(x.xmin::text::bigint), max(x.oid)) from pg_rewrite x where x.oid >= 16384),
  (select concat_ws(',', count(*), sum(x.xmin::text::bigint), max(x.oid)) from pg_cast x where x.oid >= 16384),
  (select concat_ws(',', count(*), sum(x.xmin::text::bigint), max(x.oid)) from pg_namespace x where x.nspname !~ '^pg_'),
  (select concat_ws(',', count(*), sum(x.xmin::text::bigint), max(x.oid)) from pg_enum x where x.oid >= 16384),
  ` + settingsMark + `)`

const relationsSQL = `
select c.oid, n.nspname, c.relname, c.relkind,
       case when c.relkind in ('r', 'p') then 28 else pg_relation_is_updatable(c.oid, true) end
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'v', 'm', 'f', 'p') and not c.relispartition and n.nspname = any($1)`

const columnsSQL = `
select a.attrelid, a.attnum, a.attname, a.atttypid, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       case when a.attgenerated <> '' then null
            when a.attidentity = 'd' then (
              select format('nextval(%L::regclass)', d.objid::regclass)
              from pg_depend d join pg_class s on s.oid = d.objid and s.relkind = 'S'
              where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass
                and d.refobjid = a.attrelid and d.refobjsubid = a.attnum and d.deptype = 'i' limit 1)
            else pg_get_expr(def.adbin, def.adrelid) end,
       case when a.atttypid in ('varchar'::regtype, 'bpchar'::regtype) and a.atttypmod > 4 then a.atttypmod - 4 else 0 end
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
left join pg_attrdef def on def.adrelid = a.attrelid and def.adnum = a.attnum
where c.relkind in ('r', 'v', 'm', 'f', 'p') and not c.relispartition and n.nspname = any($1)
  and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum`

// domains are those whose base type or default matters to a column.
const domainsSQL = `
select t.oid, t.typbasetype, t.typdefault, t.typname, format_type(t.typbasetype, null) from pg_type t where t.typtype = 'd'`

const constraintsSQL = `
select k.contype, k.conname, k.conrelid, k.confrelid, k.conkey, k.confkey
from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
where k.contype in ('p', 'u', 'f') and k.conparentid = 0 and not c.relispartition
  and n.nspname not in ('pg_catalog', 'information_schema')
order by k.conrelid, k.conname, k.oid`

const viewsSQL = `
select c.oid, r.ev_action
from pg_rewrite r join pg_class c on c.oid = r.ev_class join pg_namespace n on n.oid = c.relnamespace
where r.rulename = '_RETURN' and c.relkind in ('v', 'm') and n.nspname not in ('pg_catalog', 'information_schema')`

// userOIDs leaves out what PostgreSQL itself brought, which is the greater part
// of its catalog: its own schemas cannot be exposed.
const userOIDs = ">= 16384"

// functions are those of exposed schemas and, from any other schema, those
// that lead from one row type to another.
const functionsSQL = `
select p.oid, n.nspname, p.proname, p.proretset, p.prorows, p.prorettype, p.provolatile, p.provariadic,
       p.pronargdefaults, p.proargtypes, p.proallargtypes, p.proargmodes, p.proargnames, p.proconfig, n.nspname = any($1)
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where p.oid ` + userOIDs + ` and p.prokind = 'f' and p.prorettype <> 'trigger'::regtype and p.prorettype <> 'event_trigger'::regtype
  and (n.nspname = any($1) or p.pronargs = 1 and n.nspname not in ('pg_catalog', 'information_schema')
       and (select t.typrelid from pg_type t where t.oid = p.proargtypes[0]) <> 0
       and (select t.typrelid from pg_type t where t.oid = p.prorettype) <> 0)
order by n.nspname, p.proname, p.pronargs, p.oid`

const typesSQL = `
with exposed as materialized (select oid from pg_namespace where nspname = any($1)),
functions as materialized (select p.proargtypes, p.proallargtypes, p.prorettype from pg_proc p
  where p.oid ` + userOIDs + ` and p.pronamespace in (select oid from exposed)),
used as (
  select unnest(f.proargtypes) as id from functions f
  union select unnest(f.proallargtypes) from functions f
  union select f.prorettype from functions f
  union select c.reltype from pg_class c where c.relnamespace in (select oid from exposed) and c.relkind in ('r', 'v', 'm', 'f', 'p'))
select t.oid, format_type(t.oid, null), t.typtype, t.typrelid, t.typelem from used join pg_type t on t.oid = used.id`

const rolesSQL = `
select r.rolname, r.rolconfig from pg_roles r
where r.rolconfig is not null and pg_has_role(current_user, r.oid, 'member')`

// settable are the parameters the login role may set for a transaction.
const settableSQL = `select s.name from pg_settings s where s.context = 'user'`

const configSQL = `
select s.setdatabase <> 0, s.setconfig from pg_db_role_setting s
where s.setrole = (select oid from pg_roles where rolname = session_user)
  and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
order by 1`

const commentsSQL = `
select d.classoid = 'pg_class'::regclass, d.objoid, d.objsubid, d.description, null
from pg_description d join pg_class c on d.classoid = 'pg_class'::regclass and c.oid = d.objoid join pg_namespace n on n.oid = c.relnamespace
where d.objoid ` + userOIDs + ` and n.nspname = any($1)
union all
select false, d.objoid, 0, d.description, null
from pg_description d join pg_proc p on d.classoid = 'pg_proc'::regclass and p.oid = d.objoid join pg_namespace n on n.oid = p.pronamespace
where d.objoid ` + userOIDs + ` and n.nspname = any($1)
union all
select false, 0, 0, d.description, n.nspname
from pg_description d join pg_namespace n on d.classoid = 'pg_namespace'::regclass and n.oid = d.objoid
where n.nspname = any($1)`

const enumsSQL = `
select e.enumtypid, array_agg(e.enumlabel order by e.enumsortorder) from pg_enum e group by 1`

// casts are the implicit ones by which values of domains are shown as JSON and
// read from JSON and text, those whose function the server may call.
const castsSQL = `
select d.oid, c.castsource = d.oid, 'json'::regtype in (c.castsource, c.casttarget), n.nspname, p.proname
from pg_cast c join pg_type d on d.typtype = 'd'
  and (d.oid = c.castsource and c.casttarget = 'json'::regtype
    or d.oid = c.casttarget and c.castsource in ('json'::regtype, 'text'::regtype))
join pg_proc p on p.oid = c.castfunc join pg_namespace n on n.oid = p.pronamespace
where c.castcontext = 'i' and c.castmethod = 'f' and has_function_privilege(c.castfunc, 'execute')`

// handlers are the aggregates of the exposed schemas over the rows of a
// relation, or of any, that return a domain.
const handlersSQL = `
select t.typname, n.nspname, p.proname, c.oid, cn.nspname, c.relname
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
join pg_type t on t.oid = p.prorettype and t.typtype = 'd'
join pg_type a on a.oid = p.proargtypes[0]
left join pg_class c on c.oid = a.typrelid and c.relkind in ('r', 'v', 'm', 'f', 'p') left join pg_namespace cn on cn.oid = c.relnamespace
where p.oid ` + userOIDs + ` and p.prokind = 'a' and p.pronargs = 1 and n.nspname = any($1) and (c.oid is not null or a.oid = 'anyelement'::regtype)
order by n.nspname, p.proname, p.oid`

// endSQL ends the transaction, and with it what a function has set.
const endSQL = `rollback`
