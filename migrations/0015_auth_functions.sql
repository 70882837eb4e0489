set local role supabase_auth_admin;

-- Plain SQL on purpose: the planner inlines these into policies. A setting that
-- was made in an earlier transaction reads as '' and counts as absent.
create or replace function auth.uid() returns uuid
  language sql stable
  as $fn$
    select nullif(coalesce(
      nullif(current_setting('request.jwt.claim.sub', true), ''),
      nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    ), '')::uuid
  $fn$;

create or replace function auth.role() returns text
  language sql stable
  as $fn$
    select nullif(coalesce(
      nullif(current_setting('request.jwt.claim.role', true), ''),
      nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
    ), '')
  $fn$;

create or replace function auth.email() returns text
  language sql stable
  as $fn$
    select nullif(coalesce(
      nullif(current_setting('request.jwt.claim.email', true), ''),
      nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
    ), '')
  $fn$;

create or replace function auth.jwt() returns jsonb
  language sql stable
  as $fn$
    select coalesce(
      nullif(current_setting('request.jwt.claim', true), ''),
      nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
  $fn$;

reset role;
