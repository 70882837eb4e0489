package server

// keySettings are the secret and the API keys.
var keySettings = []Setting{
	{Name: "SUPARUST_JWT_SECRET", Aliases: []string{"JWT_SECRET", "SUPABASE_JWT_SECRET"}, Default: "written to .env on the first run", Secret: true, Help: "Secret that tokens are signed with, at least 32 characters.",
		set: textSetting(func(c *Config) *string { return &c.Keys.JWTSecret })},
	{Name: "SUPARUST_ANON_KEY", Aliases: []string{"ANON_KEY", "SUPABASE_ANON_KEY"}, Default: "derived from the secret", Secret: true, Help: "API key of the role anon, a JWT.",
		set: textSetting(func(c *Config) *string { return &c.Keys.AnonKey })},
	{Name: "SUPARUST_SERVICE_ROLE_KEY", Aliases: []string{"SERVICE_ROLE_KEY", "SUPABASE_SERVICE_ROLE_KEY"}, Default: "derived from the secret", Secret: true, Help: "API key of the role service_role, a JWT.",
		set: textSetting(func(c *Config) *string { return &c.Keys.ServiceRoleKey })},
	{Name: "SUPARUST_PUBLISHABLE_KEY", Aliases: []string{"SUPABASE_PUBLISHABLE_KEY"}, Default: "derived from the secret", Secret: true, Help: "Opaque API key that acts as the anon key.",
		set: textSetting(func(c *Config) *string { return &c.Keys.PublishableKey })},
	{Name: "SUPARUST_SECRET_KEY", Aliases: []string{"SUPABASE_SECRET_KEY"}, Default: "derived from the secret", Secret: true, Help: "Opaque API key that acts as the service role key.",
		set: textSetting(func(c *Config) *string { return &c.Keys.SecretKey })},
}
