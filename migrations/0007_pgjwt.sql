set local role supabase_admin;
set local search_path = extensions;

-- The functions of the pgjwt extension, for builds that lack it.
do $without$
begin
  if not exists (select from pg_catalog.pg_extension where extname = 'pgjwt') then
    execute $script$
--include pgjwt--0.2.0.sql
    $script$;
  end if;
end
$without$;

set local search_path = '';
reset role;
