set local role supabase_realtime_admin;

grant all on realtime.messages to postgres, dashboard_user;
grant select, insert, update on realtime.messages to anon, authenticated, service_role;
grant execute on all functions in schema realtime to postgres, dashboard_user;

reset role;
