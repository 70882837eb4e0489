set local role supabase_admin;

-- Stands where pg_graphql would put its entry point, and answers in GraphQL's
-- own error shape.
create or replace function graphql_public.graphql(
  "operationName" text default null,
  query text default null,
  variables jsonb default null,
  extensions jsonb default null
) returns jsonb
  language sql
  as $fn$
    select jsonb_build_object('errors', jsonb_build_array(
      jsonb_build_object('message', 'pg_graphql extension is not enabled.')
    ))
  $fn$;

reset role;
