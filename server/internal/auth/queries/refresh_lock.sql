,
  true,
  s.id::text,
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
  s.refresh_token_counter,
  t.id,
  coalesce(t.revoked, false),
  coalesce(t.updated_at, t.created_at, 'epoch')
from auth.refresh_tokens t
join auth.sessions s on s.id = t.session_id
join auth.users u on u.id = s.user_id
where t.token = $1
for update of t, s nowait
for no key update of u nowait
