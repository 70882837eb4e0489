with i as (
  insert into auth.identities (id, user_id, provider, provider_id, identity_data, last_sign_in_at, created_at, updated_at)
  values ($5, $1, 'phone', $1::uuid::text, $3::jsonb, $4, $4, $4)
  on conflict (provider_id, provider) do update
  set identity_data = auth.identities.identity_data || jsonb_build_object('phone', $2::text, 'phone_verified', true),
      updated_at = excluded.updated_at
)
update auth.users
set phone = $2, phone_change = '', phone_change_token = '', phone_confirmed_at = $4,
    is_anonymous = false, updated_at = $4
where id = $1
