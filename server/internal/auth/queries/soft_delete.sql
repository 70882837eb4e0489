update auth.users
set email = $3, phone = $4, email_change = $5, phone_change = $6,
    encrypted_password = null, confirmation_token = '', recovery_token = '',
    email_change_token_current = '', email_change_token_new = '', phone_change_token = '', reauthentication_token = '',
    raw_user_meta_data = '{}', raw_app_meta_data = '{}',
    deleted_at = $2, updated_at = $2
where id = $1
