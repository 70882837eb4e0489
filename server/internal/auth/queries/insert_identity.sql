insert into auth.identities (id, user_id, provider, provider_id, identity_data, last_sign_in_at, created_at, updated_at)
values ($1, $2, $3, $4, $5::jsonb, $6, $6, $6)
