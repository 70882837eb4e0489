with i as (
  insert into auth.identities (id, user_id, provider, provider_id, identity_data, last_sign_in_at, created_at, updated_at)
  values ($5, $1, 'email', $1::uuid::text, $3::jsonb, $4, $4, $4)
  on conflict (provider_id, provider) do update
  set identity_data = auth.identities.identity_data || jsonb_build_object('email', $2::text, 'email_verified', true),
      updated_at = excluded.updated_at
)
update auth.users
set email = $2, email_change = '', email_change_token_current = '', email_change_token_new = '',
    email_change_confirm_status = 0, is_anonymous = false, updated_at = $4
where id = $1
