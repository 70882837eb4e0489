package server

import "time"

// authSettings are about /auth/v1.
var authSettings = []Setting{
	{Name: "SUPARUST_SITE_URL", Aliases: []string{"GOTRUE_SITE_URL", "SITE_URL"}, Default: "http://127.0.0.1:3000", Help: "Where links in mails lead when no other target is allowed.",
		set: textSetting(func(c *Config) *string { return &c.Auth.SiteURL })},
	{Name: "SUPARUST_JWT_EXPIRY", Aliases: []string{"GOTRUE_JWT_EXP", "JWT_EXPIRY"}, Default: "3600", Help: "Life of an access token in seconds.",
		set: secondsSetting(func(c *Config) *time.Duration { return &c.Auth.JWTExpiry })},
	{Name: "SUPARUST_DISABLE_SIGNUP", Aliases: []string{"GOTRUE_DISABLE_SIGNUP"}, Default: "false", Help: "Refuse new users but those an admin makes.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.DisableSignup })},
	{Name: "SUPARUST_ANONYMOUS_SIGN_INS", Aliases: []string{"GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED"}, Default: "false", Help: "Allow sign-in without an address.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.AnonymousSignIns })},
}
