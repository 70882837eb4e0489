-- What Auth asks of this project: texts are noted in a table, tokens tell the
-- plan, and an address of one kind may not sign up.
create table public.sent_texts (id bigint generated always as identity primary key, phone text not null, code text not null);
alter table public.sent_texts enable row level security;

create function public.send_text(event jsonb) returns jsonb language plpgsql security definer set search_path = '' as $$
begin
  insert into public.sent_texts (phone, code) values (event->'sms'->>'phone', event->'sms'->>'otp');
  return '{}';
end $$;

create function public.add_plan(event jsonb) returns jsonb language sql immutable as $$
  select jsonb_build_object('claims', event->'claims' || '{"plan": "free"}')
$$;

create function public.judge_user(event jsonb) returns jsonb language sql immutable as $$
  select case when event->'user'->>'email' like 'refused-%' then '{"error": {"http_code": 403, "message": "not you"}}' else '{}' end::jsonb
$$;

revoke execute on function public.send_text, public.add_plan, public.judge_user from public, anon, authenticated;
grant execute on function public.send_text, public.add_plan, public.judge_user to supabase_auth_admin;

create function public.my_plan() returns text language sql stable as $$ select auth.jwt()->>'plan' $$;
