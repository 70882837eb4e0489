from (
  select id from auth.users
  where lower(email) = $1 and not is_sso_user
    and (instance_id = '00000000-0000-0000-0000-000000000000' or instance_id is null)
  union all
  select user_id from auth.identities where email = $1 and provider not like 'sso:%'
) owner
-- "offset 0" has the owners looked up by their key; the planner would rather go through all users
cross join lateral (select * from auth.users where id = owner.id offset 0) u
where (u.aud = $2 or u.aud is null)
  and u.id <> $3
  and (u.instance_id = '00000000-0000-0000-0000-000000000000' or u.instance_id is null)
order by (lower(u.email) = $1) desc nulls last, u.created_at
limit 1
