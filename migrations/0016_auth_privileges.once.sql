set local role supabase_auth_admin;

-- Everything else in auth is covered by the default privileges.
grant select on
  auth.audit_log_entries, auth.flow_state, auth.identities, auth.instances, auth.mfa_amr_claims,
  auth.mfa_challenges, auth.mfa_factors, auth.one_time_tokens, auth.refresh_tokens,
  auth.saml_providers, auth.saml_relay_states, auth.schema_migrations, auth.sessions,
  auth.sso_domains, auth.sso_providers, auth.users
to postgres with grant option;

reset role;
