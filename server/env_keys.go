package server

// keySettings are the secret and the API keys.
var keySettings = []Setting{
	{Name: "SUPARUST_JWT_SECRET", Aliases: []string{"JWT_SECRET", "SUPABASE_JWT_SECRET", "PGRST_JWT_SECRET", "GOTRUE_JWT_SECRET"}, Default: "written to .env on the first run", Secret: true, Help: "Secret that tokens are signed with, at least 32 characters, or a JWK, or a set of them `{\"keys\": […]}`; @ and a name reads it from that file. Of a set without a shared secret (type oct) no API key is derived, and what Auth and signed URLs sign ends with the process.",
		set: fromFile(textSetting(func(c *Config) *string { return &c.Keys.JWTSecret }))},
	{Name: "SUPARUST_JWT_SECRET_IS_BASE64", Aliases: []string{"PGRST_JWT_SECRET_IS_BASE64", "PGRST_SECRET_IS_BASE64"}, Default: "false", Help: "The JWT secret is given in base64.",
		set: boolSetting(func(c *Config) *bool { return &c.Keys.JWTSecretIsBase64 })},
	{Name: "SUPARUST_JWT_CACHE_MAX_ENTRIES", Aliases: []string{"PGRST_JWT_CACHE_MAX_ENTRIES"}, Default: "1000", Help: "Most tokens whose signature is not verified again; 0 verifies every time.",
		set: intSetting(func(c *Config) *int { return &c.RememberedTokens })},
	{Name: "SUPARUST_ANON_KEY", Aliases: []string{"ANON_KEY", "SUPABASE_ANON_KEY"}, Default: "derived from the secret", Secret: true, Help: "API key of the role anon, a JWT.",
		set: textSetting(func(c *Config) *string { return &c.Keys.AnonKey })},
	{Name: "SUPARUST_SERVICE_ROLE_KEY", Aliases: []string{"SUPARUST_SERVICE_KEY", "SERVICE_ROLE_KEY", "SUPABASE_SERVICE_ROLE_KEY"}, Default: "derived from the secret", Secret: true, Help: "API key of the role service_role, a JWT.",
		set: textSetting(func(c *Config) *string { return &c.Keys.ServiceRoleKey })},
	{Name: "SUPARUST_PUBLISHABLE_KEY", Aliases: []string{"SUPABASE_PUBLISHABLE_KEY"}, Default: "derived from the secret", Secret: true, Help: "Opaque API key that acts as the anon key.",
		set: textSetting(func(c *Config) *string { return &c.Keys.PublishableKey })},
	{Name: "SUPARUST_SECRET_KEY", Aliases: []string{"SUPABASE_SECRET_KEY"}, Default: "derived from the secret", Secret: true, Help: "Opaque API key that acts as the service role key.",
		set: textSetting(func(c *Config) *string { return &c.Keys.SecretKey })},
	{Name: "SUPARUST_REQUIRE_API_KEY", Default: "false", Help: "Refuse requests of REST and Auth that name none of the API keys, as the hosted platform does.",
		set: boolSetting(func(c *Config) *bool { return &c.RequireAPIKey })},
}
