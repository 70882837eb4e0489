with s as (
  insert into auth.sessions (id, user_id, created_at, updated_at, aal, user_agent, ip, refresh_token_hmac_key, refresh_token_counter)
  values ($1, $2, $3, $3, 'aal1', nullif($4::text, ''), nullif($5::text, '')::inet, nullif($9::text, ''), case when $9::text <> '' then 0 end)
), t as (
  insert into auth.refresh_tokens (instance_id, token, user_id, parent, session_id, revoked, created_at, updated_at)
  select '00000000-0000-0000-0000-000000000000', $6::text, $2::uuid::text, null, $1, false, $3, $3 where $9::text = ''
), a as (
  insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
  values ($7, $1, $3, $3, $8)
)
update auth.users set last_sign_in_at = $3, updated_at = $3 where id = $2
