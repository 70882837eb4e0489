-- $4 is the new token, '' when the session's active one is handed out again.
with old as (
  update auth.refresh_tokens set revoked = true, updated_at = $5
  where id = $3 and $4 <> '' and revoked is not true
), new as (
  insert into auth.refresh_tokens (instance_id, token, user_id, parent, session_id, revoked, created_at, updated_at)
  select '00000000-0000-0000-0000-000000000000', $4, $2::uuid::text, p.token, $1, false, $5, $5
  from auth.refresh_tokens p where p.id = $3 and $4 <> ''
), s as (
  update auth.sessions
  set refreshed_at = $8, updated_at = $5, user_agent = nullif($6::text, ''), ip = nullif($7::text, '')::inet
  where id = $1
)
update auth.users set updated_at = $5 where id = $2
