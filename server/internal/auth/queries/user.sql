-- A user with identities and factors. What seeds leave NULL reads as the
-- value the server itself would have written.
select
  u.id::text,
  coalesce(u.aud, ''),
  u.role,
  coalesce(u.email, ''),
  coalesce(u.phone, ''),
  coalesce(u.encrypted_password, ''),
  u.is_sso_user,
  u.is_anonymous,
  u.email_confirmed_at,
  u.phone_confirmed_at,
  u.confirmed_at,
  u.invited_at,
  u.last_sign_in_at,
  coalesce(u.created_at, 'epoch'),
  coalesce(u.updated_at, 'epoch'),
  case when isfinite(u.banned_until) then u.banned_until when u.banned_until > now() then '9999-12-31 00:00:00+00' end, -- infinity is no time in Go
  u.deleted_at,
  coalesce(u.confirmation_token, ''),
  u.confirmation_sent_at,
  coalesce(u.recovery_token, ''),
  u.recovery_sent_at,
  coalesce(u.email_change, ''),
  coalesce(u.email_change_token_new, ''),
  coalesce(u.email_change_token_current, ''),
  coalesce(u.email_change_confirm_status, 0),
  u.email_change_sent_at,
  coalesce(u.phone_change, ''),
  coalesce(u.phone_change_token, ''),
  u.phone_change_sent_at,
  coalesce(u.reauthentication_token, ''),
  u.reauthentication_sent_at,
  case jsonb_typeof(u.raw_app_meta_data) when 'object' then u.raw_app_meta_data else '{}' end,
  case jsonb_typeof(u.raw_user_meta_data) when 'object' then u.raw_user_meta_data else '{}' end,
  coalesce((
    select json_agg(json_build_object(
      'identity_id', i.id, 'id', i.provider_id, 'user_id', i.user_id, 'identity_data', i.identity_data,
      'provider', i.provider, 'last_sign_in_at', i.last_sign_in_at, 'created_at', i.created_at,
      'updated_at', i.updated_at, 'email', i.email) order by i.created_at, i.provider, i.id)
    from auth.identities i where i.user_id = u.id), '[]'),
  coalesce((
    select json_agg(json_build_object(
      'id', f.id, 'created_at', f.created_at, 'updated_at', f.updated_at, 'status', f.status,
      'friendly_name', f.friendly_name, 'factor_type', f.factor_type, 'phone', coalesce(f.phone, ''),
      'last_challenged_at', f.last_challenged_at, 'secret', f.secret) order by f.created_at, f.id)
    from auth.mfa_factors f where f.user_id = u.id), '[]')
