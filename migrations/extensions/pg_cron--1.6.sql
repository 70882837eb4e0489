-- The tables, functions and privileges of pg_cron 1.6, for the scheduler of the
-- server that runs this database. Whatever schema it is created with, its
-- objects are in cron.

do $do$
begin
  if to_regnamespace('suparust') is null then
    raise exception 'can only create extension in a database of the platform'
      using detail = format('The scheduler reads the jobs of the database that the server works on, and %I is another one.', current_database()),
        hint = 'Connect to that database: a job may run in others, see cron.schedule_in_database.';
  end if;
end
$do$;

create schema cron;

create sequence cron.jobid_seq;
create table cron.job (
  jobid bigint primary key default pg_catalog.nextval('cron.jobid_seq'),
  schedule text not null,
  command text not null,
  nodename text not null default 'localhost',
  nodeport int not null default pg_catalog.inet_server_port(),
  database text not null default pg_catalog.current_database(),
  username text not null default current_user,
  active boolean not null default true,
  jobname text,
  constraint jobname_username_uniq unique (jobname, username)
);
alter table cron.job enable row level security;
create policy cron_job_policy on cron.job using (username = current_user);

create sequence cron.runid_seq;
create table cron.job_run_details (
  jobid bigint,
  runid bigint primary key default pg_catalog.nextval('cron.runid_seq'),
  job_pid integer,
  database text,
  username text,
  command text,
  status text,
  return_message text,
  start_time timestamptz,
  end_time timestamptz
);
alter table cron.job_run_details enable row level security;
create policy cron_job_run_details_policy on cron.job_run_details using (username = current_user);

select pg_catalog.pg_extension_config_dump('cron.job', '');
select pg_catalog.pg_extension_config_dump('cron.jobid_seq', '');
select pg_catalog.pg_extension_config_dump('cron.job_run_details', '');
select pg_catalog.pg_extension_config_dump('cron.runid_seq', '');

-- The jobs that whoever asks may write, although not in the table itself.
create view cron.own_job with (security_barrier) as
  select * from cron.job where username = current_user
  with check option;

-- Tells the server's scheduler that there is something to read.
create function cron.job_cache_invalidate() returns trigger
  language plpgsql
  set search_path = ''
  as $fn$
  begin
    notify pgrst, 'reload cron';
    return null;
  end
  $fn$;
comment on function cron.job_cache_invalidate() is 'invalidate job cache';

create trigger cron_job_cache_invalidate
  after insert or update or delete or truncate on cron.job
  for each statement execute function cron.job_cache_invalidate();

-- What C's atoi makes of digits: the low 32 bits of 64.
create function cron._atoi(digits text) returns numeric
  language sql immutable strict parallel safe
  set search_path = ''
  as $fn$
    select case when low >= 2147483648 then low - 4294967296 else low end
    from (select mod(case when length(d) > 19 then 9223372036854775807 else least(('0' || d)::numeric, 9223372036854775807) end, 4294967296) as low
          from (select ltrim(digits, '0') as d) cut) cut
  $fn$;

-- Whether pg_cron takes a schedule: the same as pgcron.Parse of the server.
create function cron._valid_schedule(schedule text) returns boolean
  language plpgsql immutable strict parallel safe
  set search_path = ''
  as $fn$
  declare
    low constant int[] := '{0, 0, 1, 1, 0}';
    high constant int[] := '{59, 23, 31, 12, 7}';
    -- names of the fields' numbers, from the lowest on
    names constant text[] := '{jan, feb, mar, apr, may, jun, jul, aug, sep, oct, nov, dec}';
    weekdays constant text[] := '{sun, mon, tue, wed, thu, fri, sat}';
    rest text;
    word text;
    part text[];
    n numeric;
  begin
    part := regexp_match(lower(schedule collate "C"), E'^[ \t\n\v\f\r]*([-+]?)0*([0-9]+)[ \t\n\v\f\r]*second(?:s[ \t\n\v\f\r]*)?$');
    if part is not null and length(part[2]) <= 20 and part[2]::numeric <= 18446744073709551615 then
      n := mod(case part[1] when '-' then 18446744073709551616 - part[2]::numeric else part[2]::numeric end, 4294967296);
      return n between 1 and 59;
    end if;

    if octet_length(schedule) > 999 then
      return false;
    end if;
    rest := regexp_replace(schedule, E'^(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*', '');
    if rest like '@%' then
      return substring(rest from E'^@([^ \t\n]*)')
        = any ('{reboot, restart, yearly, annually, monthly, weekly, daily, midnight, hourly}'::text[]);
    end if;
    for i in 1..5 loop
      word := substring(rest from E'^[^ \t\n]*');
      rest := ltrim(substr(rest, length(word) + 1), E' \t');
      if i = 3 and word like '$%' then
        if word <> '$' or rest = '' then
          return false;
        end if;
        continue;
      end if;
      loop
        -- 1: *, 2: from, 3: -, 4: to, 5: /, 6: step, 7: what follows
        part := regexp_match(word, '^(?:(\*)|([A-Za-z0-9]+)(?:(-)([A-Za-z0-9]+))?)(?:(/)([A-Za-z0-9]+))?(.*)$');
        if part is null or part[5] is null and part[7] like '/%' then
          return false;
        elsif part[1] is null and part[3] is null and (part[5] is not null or part[7] like '-%') then
          return false;
        elsif part[5] is not null and (part[6] ~ '[^0-9]' or cron._atoi(part[6]) not between 1 and high[i]) then
          return false;
        end if;
        foreach word in array array_remove(array[part[2], part[4]], null) loop
          n := case i when 4 then array_position(names, lower(word)) when 5 then array_position(weekdays, lower(word)) - 1 end;
          if n is null and word !~ '[^0-9]' then
            n := cron._atoi(word);
          end if;
          if n is null or n not between low[i] and high[i] then
            return false;
          end if;
        end loop;
        exit when part[7] not like ',%';
        word := substr(part[7], 2);
      end loop;
    end loop;
    return true;
  end
  $fn$;

create function cron._check_schedule(schedule text) returns void
  language plpgsql
  set search_path = ''
  as $fn$
  begin
    if not cron._valid_schedule(schedule) then
      raise exception 'invalid schedule: %', schedule
        using errcode = 'invalid_parameter_value', hint = 'Use cron format (e.g. 5 4 * * *), or interval format ''[1-59] seconds''';
    elsif ltrim(schedule, E' \t') ~ '^@(yearly|annually)' then
      raise warning 'pg_cron never runs a job of @yearly: write 0 0 1 1 *';
    end if;
  end
  $fn$;

-- Whether a role may connect to a database, and log in at all.
create function cron._check_access(username text, database text, named boolean) returns void
  language plpgsql
  set search_path = ''
  as $fn$
  declare
    can_log_in boolean;
  begin
    if named then
      select rolcanlogin into can_log_in from pg_catalog.pg_roles where rolname = username;
      if not found then
        raise exception 'role "%" does not exist', username using errcode = 'internal_error';
      elsif not can_log_in then
        raise exception 'role "%" can not log in', username
          using errcode = 'internal_error', detail = 'Jobs may only be run by roles that have the LOGIN attribute.';
      end if;
    end if;
    if not has_database_privilege(username, database, 'connect') then
      raise exception 'User % does not have CONNECT privilege on %', username, database using errcode = 'internal_error';
    end if;
  end
  $fn$;

create function cron._is_superuser() returns boolean
  language sql stable
  set search_path = ''
  as $fn$
    select rolsuper from pg_catalog.pg_roles where rolname = current_user
  $fn$;

-- Whether there is a job, seen or not: cron.unschedule tells a job of others
-- from none.
create function cron._has_job(job_id bigint) returns boolean
  language sql stable security definer
  set search_path = ''
  as $fn$
    select exists (select from cron.job where jobid = job_id)
  $fn$;

create function cron._schedule(text, text, text, text, text, boolean) returns bigint
  language plpgsql
  set search_path = ''
  as $fn$
  declare
    owner constant text := coalesce($5, current_user);
    target constant text := case when $5 is null then 'cron.own_job' else 'cron.job' end;
    id bigint;
  begin
    if $2 is null then
      raise exception 'schedule can not be NULL' using errcode = 'internal_error';
    elsif $3 is null then
      raise exception 'command can not be NULL' using errcode = 'internal_error';
    end if;
    perform cron._check_schedule($2);
    if $5 is not null and not cron._is_superuser() then
      raise exception 'must be superuser to create a job for another role' using errcode = 'internal_error';
    end if;
    perform cron._check_access(owner, $4, $5 is not null);
    execute format(
      'insert into %s as j (schedule, command, nodename, nodeport, database, username, active, jobname)
       values ($1, $2, ''localhost'', current_setting(''port'')::int, $3, $4, $5, $6)
       on conflict (jobname, username) do update
       set schedule = excluded.schedule, command = excluded.command, database = excluded.database
       returning jobid', target)
      into id using $2, $3, $4, owner, coalesce($6, true), $1;
    return id;
  end
  $fn$;

create function cron.schedule(schedule text, command text) returns bigint
  language sql strict
  set search_path = ''
  as $fn$
    select cron._schedule(null, $1, $2, current_database(), null, true)
  $fn$;
comment on function cron.schedule(text, text) is 'schedule a pg_cron job';

create function cron.schedule_in_database(job_name text, schedule text, command text, database text,
    username text default null, active boolean default true) returns bigint
  language plpgsql
  set search_path = ''
  as $fn$
  begin
    if $1 is null then
      raise exception 'job_name can not be NULL' using errcode = 'internal_error';
    end if;
    return cron._schedule($1, $2, $3, coalesce($4, current_database()), $5, $6);
  end
  $fn$;
comment on function cron.schedule_in_database(text, text, text, text, text, boolean) is 'schedule a pg_cron job';

create function cron.schedule(job_name text, schedule text, command text) returns bigint
  language plpgsql
  set search_path = ''
  as $fn$
  begin
    if $1 is null then
      raise exception 'job_name can not be NULL' using errcode = 'internal_error';
    end if;
    return cron._schedule($1, $2, $3, current_database(), null, true);
  end
  $fn$;
comment on function cron.schedule(text, text, text) is 'schedule a pg_cron job';

create function cron.unschedule(job_id bigint) returns boolean
  language plpgsql strict
  set search_path = ''
  as $fn$
  begin
    delete from cron.own_job where jobid = $1;
    if found then
      return true;
    elsif not cron._has_job($1) then
      raise exception 'could not find valid entry for job %', $1 using errcode = 'internal_error';
    end if;
    delete from cron.job where jobid = $1; -- refused to those who may not
    return true;
  end
  $fn$;
comment on function cron.unschedule(bigint) is 'unschedule a pg_cron job';

create function cron.unschedule(job_name text) returns boolean
  language plpgsql strict
  set search_path = ''
  as $fn$
  begin
    delete from cron.own_job where jobname = $1;
    if not found then
      raise exception 'could not find valid entry for job ''%''', $1 using errcode = 'internal_error';
    end if;
    return true;
  end
  $fn$;
comment on function cron.unschedule(text) is 'unschedule a pg_cron job';

create function cron.alter_job(job_id bigint, schedule text default null, command text default null,
    database text default null, username text default null, active boolean default null) returns void
  language plpgsql
  set search_path = ''
  as $fn$
  declare
    target constant text := case when cron._is_superuser() then 'cron.job' else 'cron.own_job' end;
    changed bigint;
  begin
    if $1 is null then
      raise exception 'job_id can not be NULL' using errcode = 'internal_error';
    elsif $5 is not null and target <> 'cron.job' then
      raise exception 'must be superuser to alter username' using errcode = 'internal_error';
    end if;
    if $4 is not null or $5 is not null then
      perform cron._check_access(coalesce($5, current_user), coalesce($4, current_database()), $5 is not null);
    end if;
    if $2 is not null then
      perform cron._check_schedule($2);
    end if;
    if num_nonnulls($2, $3, $4, $5, $6) = 0 then
      raise exception 'no updates specified'
        using errcode = 'internal_error', hint = 'You must specify at least one job attribute to change when calling alter_job';
    end if;
    execute format(
      'update %s set schedule = coalesce($2, schedule), command = coalesce($3, command),
         database = coalesce($4, database), username = coalesce($5, username), active = coalesce($6, active)
       where jobid = $1', target)
      using $1, $2, $3, $4, $5, $6;
    get diagnostics changed = row_count;
    if changed = 0 then
      raise exception 'Job % does not exist or you don''t own it', $1 using errcode = 'internal_error';
    end if;
  end
  $fn$;
comment on function cron.alter_job(bigint, text, text, text, text, boolean) is
  'Alter the job identified by job_id. Any option left as NULL will not be modified.';

-- Everybody with usage of the schema may schedule jobs of his own and see them.
grant select on cron.job, cron.job_run_details to public;
grant delete on cron.job_run_details to public;
grant select on sequence cron.jobid_seq, cron.runid_seq to public;
grant usage on sequence cron.jobid_seq to public;
grant select, insert, update, delete on cron.own_job to public;
revoke all on function cron.alter_job(bigint, text, text, text, text, boolean) from public;
revoke all on function cron.schedule_in_database(text, text, text, text, text, boolean) from public;

-- The platform's: the objects are its superuser's, and postgres, which need not
-- be one, works with them.
do $do$
declare
  o record;
begin
  for o in
    select 'schema cron' as object
    union all
    select format('%s cron.%I', case relkind when 'S' then 'sequence' when 'v' then 'view' else 'table' end, relname)
    from pg_catalog.pg_class where relnamespace = 'cron'::regnamespace and relkind in ('r', 'v', 'S')
    union all
    select format('function %s', oid::regprocedure) from pg_catalog.pg_proc where pronamespace = 'cron'::regnamespace
  loop
    execute format('alter %s owner to supabase_admin', o.object);
  end loop;
end
$do$;

grant usage on schema cron to postgres with grant option;
grant all on all functions in schema cron to postgres with grant option;
grant all on all tables in schema cron to postgres with grant option;
revoke all on table cron.job from postgres;
grant select on table cron.job to postgres with grant option;
revoke trigger on table cron.job_run_details from postgres;
alter default privileges for role supabase_admin in schema cron grant all on sequences to postgres with grant option;
alter default privileges for role supabase_admin in schema cron grant all on tables to postgres with grant option;
alter default privileges for role supabase_admin in schema cron grant all on functions to postgres with grant option;
