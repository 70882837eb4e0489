package server

// publicPrefixes are what frameworks put before the names of variables that may reach a browser.
var publicPrefixes = []string{"NEXT_PUBLIC_", "VITE_", "PUBLIC_", "EXPO_PUBLIC_", "NUXT_PUBLIC_"}

// ClientEnviron is the environment that apps and clients of any language find a server with, as NAME=value: its address,
// its database's, its keys, and under the prefixes of the common frameworks what browsers may know. keys are complete.
func ClientEnviron(url, databaseURL string, keys Keys) []string {
	env := []string{
		"SUPABASE_URL=" + url,
		"SUPABASE_ANON_KEY=" + keys.AnonKey,
		"SUPABASE_SERVICE_ROLE_KEY=" + keys.ServiceRoleKey,
		"SUPABASE_PUBLISHABLE_KEY=" + keys.PublishableKey,
		"SUPABASE_SECRET_KEY=" + keys.SecretKey,
		"SUPABASE_DB_URL=" + databaseURL,
		"DATABASE_URL=" + databaseURL,
		"SUPABASE_JWT_SECRET=" + keys.JWTSecret,
	}
	for _, prefix := range publicPrefixes {
		env = append(env, prefix+"SUPABASE_URL="+url, prefix+"SUPABASE_ANON_KEY="+keys.AnonKey,
			prefix+"SUPABASE_PUBLISHABLE_KEY="+keys.PublishableKey)
	}
	return env
}
