package server

import (
	"fmt"
	"strconv"
	"time"
)

// tokenSettings are about access tokens.
var tokenSettings = []Setting{
	{Name: "SUPARUST_JWT_EXPIRY", Aliases: []string{"GOTRUE_JWT_EXP", "JWT_EXPIRY"}, Default: "3600", Help: "Life of an access token in seconds.",
		set: secondsSetting(func(c *Config) *time.Duration { return &c.Auth.JWTExpiry })},
	{Name: "SUPARUST_JWT_ISSUER", Aliases: []string{"GOTRUE_JWT_ISSUER"}, Default: "SUPARUST_AUTH_EXTERNAL_URL", Help: "The claim iss of access tokens.",
		set: textSetting(func(c *Config) *string { return &c.Auth.Issuer })},
	{Name: "SUPARUST_JWT_KEYS", Aliases: []string{"GOTRUE_JWT_KEYS", "JWT_KEYS"}, Default: "none", Secret: true, Help: "Signing keys, an array of JWKs; @ and a name reads it from that file. The one whose key_ops contain sign signs access tokens, the public parts of all are published, and tokens of any of them, and of the JWT secret, are accepted.",
		set: fromFile(func(c *Config, v string) error { c.Auth.SigningKeys = []byte(v); return nil })},
	{Name: "SUPARUST_JWT_KEY_ID", Aliases: []string{"GOTRUE_JWT_KEY_ID"}, Default: "none", Help: "kid of access tokens that are signed with the JWT secret.",
		set: textSetting(func(c *Config) *string { return &c.Auth.KeyID })},
	{Name: "SUPARUST_JWT_ADMIN_ROLES", Aliases: []string{"GOTRUE_JWT_ADMIN_ROLES"}, Default: "service_role, supabase_admin", Help: "Roles whose tokens may call Auth's admin endpoints, with commas between.",
		set: listSetting(func(c *Config) *[]string { return &c.Auth.AdminRoles })},
	{Name: "SUPARUST_AUTH_AUD", Aliases: []string{"GOTRUE_JWT_AUD"}, Default: "authenticated", Help: "The audience of users, and the claim aud of their tokens.",
		set: textSetting(func(c *Config) *string { return &c.Auth.Audience })},
	{Name: "SUPARUST_AUTH_DEFAULT_ROLE", Aliases: []string{"GOTRUE_JWT_DEFAULT_GROUP_NAME"}, Default: "authenticated", Help: "The role of new users.",
		set: textSetting(func(c *Config) *string { return &c.Auth.DefaultRole })},
}

// sessionSettings are about sessions and their refresh tokens.
var sessionSettings = []Setting{
	{Name: "SUPARUST_REFRESH_TOKEN_ROTATION_ENABLED", Aliases: []string{"GOTRUE_SECURITY_REFRESH_TOKEN_ROTATION_ENABLED"}, Default: "true", Help: "End a session's refresh tokens when a used one comes again too late.",
		set: notSetting(func(c *Config) *bool { return &c.Auth.Sessions.KeepFamilyOnReuse })},
	{Name: "SUPARUST_REFRESH_TOKEN_REUSE_INTERVAL", Aliases: []string{"GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL"}, Default: "10", Help: "Seconds within which a used refresh token may come again.",
		set: frequencySetting(func(c *Config) *time.Duration { return &c.Auth.Sessions.ReuseInterval })},
	{Name: "SUPARUST_REFRESH_TOKEN_ALGORITHM_VERSION", Aliases: []string{"GOTRUE_SECURITY_REFRESH_TOKEN_ALGORITHM_VERSION"}, Default: "1", Help: "2 gives new sessions refresh tokens that carry a signed counter and are not kept in a table; 0 and 1 mean random ones.",
		set: func(c *Config, v string) error {
			if v != "0" && v != "1" && v != "2" {
				return fmt.Errorf("%q is none of 0, 1 and 2", v)
			}
			c.Auth.Sessions.CounterTokens = v == "2"
			return nil
		}},
	{Name: "SUPARUST_REFRESH_TOKEN_UPGRADE_PERCENTAGE", Aliases: []string{"GOTRUE_SECURITY_REFRESH_TOKEN_UPGRADE_PERCENTAGE"}, Default: "0", Help: "Share of the sessions with random refresh tokens that a refresh gives the other kind, 0 to 100; only with version 2.",
		set: func(c *Config, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < 0 || n > 100 {
				return fmt.Errorf("%q is no whole number from 0 to 100", v)
			}
			c.Auth.Sessions.UpgradePercentage = n
			return nil
		}},
	{Name: "SUPARUST_REFRESH_TOKEN_ALLOW_REUSE", Aliases: []string{"GOTRUE_SECURITY_REFRESH_TOKEN_ALLOW_REUSE"}, Default: "false", Help: "Accept used refresh tokens of version 2 at any time.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.Sessions.AllowReuse })},
	{Name: "SUPARUST_SESSIONS_TIMEBOX", Aliases: []string{"GOTRUE_SESSIONS_TIMEBOX"}, Default: "endless", Help: "Longest life of a session.",
		set: durationSetting(func(c *Config) *time.Duration { return &c.Auth.Sessions.Timebox })},
	{Name: "SUPARUST_SESSIONS_INACTIVITY_TIMEOUT", Aliases: []string{"GOTRUE_SESSIONS_INACTIVITY_TIMEOUT"}, Default: "endless", Help: "Longest time without a refresh.",
		set: durationSetting(func(c *Config) *time.Duration { return &c.Auth.Sessions.InactivityTimeout })},
	{Name: "SUPARUST_SESSIONS_ALLOW_LOW_AAL", Aliases: []string{"GOTRUE_SESSIONS_ALLOW_LOW_AAL"}, Default: "endless", Help: "How long a user with a verified second factor may do without it.",
		set: durationSetting(func(c *Config) *time.Duration { return &c.Auth.Sessions.AllowLowAAL })},
	{Name: "SUPARUST_SESSIONS_SINGLE_PER_USER", Aliases: []string{"GOTRUE_SESSIONS_SINGLE_PER_USER"}, Default: "false", Help: "Let only the session that was used last be refreshed.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.Sessions.SinglePerUser })},
	{Name: "SUPARUST_SESSIONS_TAGS", Aliases: []string{"GOTRUE_SESSIONS_TAGS"}, Default: "none", Help: "Tags of sessions, with commas between, each of which has its own single session; the first is that of sessions without a known one.",
		set: listSetting(func(c *Config) *[]string { return &c.Auth.Sessions.Tags })},
}

// factorSettings are about second factors.
var factorSettings = []Setting{
	{Name: "SUPARUST_MFA_MAX_ENROLLED_FACTORS", Aliases: []string{"GOTRUE_MFA_MAX_ENROLLED_FACTORS"}, Default: "10", Help: "Most second factors of a user.",
		set: intSetting(func(c *Config) *int { return &c.Auth.MFA.MaxFactors })},
	{Name: "SUPARUST_MFA_TOTP_ENROLL_ENABLED", Aliases: []string{"GOTRUE_MFA_TOTP_ENROLL_ENABLED"}, Default: "true, beside a project false", Help: "Allow new authenticator apps.",
		set: notSetting(func(c *Config) *bool { return &c.Auth.MFA.DisableTOTPEnroll })},
	{Name: "SUPARUST_MFA_TOTP_VERIFY_ENABLED", Aliases: []string{"GOTRUE_MFA_TOTP_VERIFY_ENABLED"}, Default: "true, beside a project false", Help: "Accept codes of authenticator apps.",
		set: notSetting(func(c *Config) *bool { return &c.Auth.MFA.DisableTOTPVerify })},
	{Name: "SUPARUST_MFA_MAX_VERIFIED_FACTORS", Aliases: []string{"GOTRUE_MFA_MAX_VERIFIED_FACTORS"}, Default: "10", Help: "Most verified second factors of a user.",
		set: intSetting(func(c *Config) *int { return &c.Auth.MFA.MaxVerified })},
	{Name: "SUPARUST_MFA_CHALLENGE_EXPIRY_DURATION", Aliases: []string{"GOTRUE_MFA_CHALLENGE_EXPIRY_DURATION"}, Default: "300", Help: "Seconds that a challenge may be answered in; less than 300 means 300.",
		set: durationSetting(func(c *Config) *time.Duration { return &c.Auth.MFA.ChallengeLife })},
	{Name: "SUPARUST_MFA_FACTOR_EXPIRY_DURATION", Aliases: []string{"GOTRUE_MFA_FACTOR_EXPIRY_DURATION"}, Default: "5m", Help: "How long a factor may stay unverified; less than 5m means 5m.",
		set: durationSetting(func(c *Config) *time.Duration { return &c.Auth.MFA.UnverifiedLife })},
}
