,
  s.id is not null,
  coalesce(s.id::text, ''),
  coalesce(s.created_at, 'epoch'),
  s.not_after,
  s.refreshed_at,
  coalesce(s.aal::text, 'aal1'),
  coalesce(s.factor_id::text, ''),
  coalesce((
    select json_agg(json_build_object('method', a.authentication_method, 'timestamp', floor(extract(epoch from a.updated_at))::bigint)
      order by a.updated_at desc, a.created_at desc)
    from auth.mfa_amr_claims a where a.session_id = s.id), '[]'),
  coalesce(s.tag, ''),
  coalesce(s.refresh_token_hmac_key, ''),
  s.refresh_token_counter
from auth.users u
-- "is true" keeps the planner from going through all sessions of the user
left join auth.sessions s on s.id = $2 and (s.user_id = u.id) is true
where u.id = $1
  and (u.instance_id = '00000000-0000-0000-0000-000000000000' or u.instance_id is null)
