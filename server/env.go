package server

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Setting is one setting of the environment: its name, the older or foreign
// names it is also read under, and what it does.
type Setting struct {
	Name    string
	Aliases []string
	Default string // for people
	Help    string
	Secret  bool // its value must not be shown
	set     func(c *Config, value string) error
}

// Settings lists every setting, in the order of the documentation.
func Settings() []Setting { return settings }

var settings = []Setting{
	{Name: "SUPARUST_PORT", Aliases: []string{"PORT"}, Default: "3000", Help: "Port of the APIs; 0 takes a free one.",
		set: intSetting(func(c *Config) *int { return &c.Port })},
	{Name: "SUPARUST_BIND_ADDR", Aliases: []string{"BIND_ADDR"}, Default: "0.0.0.0, beside a project 127.0.0.1", Help: "Address the APIs listen on.",
		set: func(c *Config, v string) error {
			if net.ParseIP(v) == nil && v != "localhost" {
				return fmt.Errorf("%q is no IP address", v)
			}
			c.BindAddr = v
			return nil
		}},
	{Name: "SUPARUST_PUBLIC_URL", Aliases: []string{"SUPABASE_PUBLIC_URL", "API_EXTERNAL_URL"}, Default: "the address it listens on", Help: "Address that clients use, for links in mails and documents.",
		set: func(c *Config, v string) error { c.PublicURL = strings.TrimSuffix(v, "/"); return nil }},

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

	{Name: "SUPARUST_DB_URL", Default: "an embedded PostgreSQL", Secret: true, Help: "External PostgreSQL to work on, postgresql://user:password@host:5432/database.",
		set: textSetting(func(c *Config) *string { return &c.Database.URL })},
	{Name: "SUPARUST_DB_MODE", Default: "external with SUPARUST_DB_URL, else embedded", Help: "embedded ignores SUPARUST_DB_URL; external requires it.",
		set: func(c *Config, v string) error {
			switch {
			case v == "embedded":
				c.Database.URL = ""
			case v != "external":
				return fmt.Errorf("%q is neither embedded nor external", v)
			case c.Database.URL == "":
				return fmt.Errorf("external needs SUPARUST_DB_URL")
			}
			return nil
		}},
	{Name: "SUPARUST_DB_BOOTSTRAP", Default: "true", Help: "Create the platform's roles and schemas in an external database.",
		set: boolSetting(func(c *Config) *bool { return &c.Database.Bootstrap })},
	{Name: "SUPARUST_DB_DATA_DIR", Aliases: []string{"DATA_DIR"}, Default: "data/postgres", Help: "Directory of the embedded PostgreSQL's data.",
		set: textSetting(func(c *Config) *string { return &c.Database.DataDir })},
	{Name: "SUPARUST_DB_PORT", Default: "SUPARUST_PORT + 10000", Help: "Port of the embedded PostgreSQL on loopback; 0 takes a free one.",
		set: intSetting(func(c *Config) *int { return &c.Database.Port })},
	{Name: "SUPARUST_DB_LISTEN_ADDR", Default: "127.0.0.1", Help: "Address the embedded PostgreSQL listens on; 0.0.0.0 lets other machines in, with the password.",
		set: func(c *Config, v string) error {
			if net.ParseIP(v) == nil && v != "localhost" {
				return fmt.Errorf("%q is no IP address", v)
			}
			c.Database.ListenAddr = v
			return nil
		}},
	{Name: "SUPARUST_DB_PASSWORD", Aliases: []string{"POSTGRES_PASSWORD"}, Default: "postgres, or that of SUPARUST_DB_URL", Secret: true, Help: "Password of the database's login roles.",
		set: textSetting(func(c *Config) *string { return &c.Database.Password })},
	{Name: "SUPARUST_DB_MAX_CONNS", Default: "8", Help: "Most connections of REST and Storage together, and of Auth.",
		set: intSetting(func(c *Config) *int { return &c.Database.MaxConns })},
	{Name: "SUPARUST_DB_STRICT_POSTGRES_ROLE", Default: "false", Help: "Take SUPERUSER from the role postgres, as hosted projects have it.",
		set: boolSetting(func(c *Config) *bool { return &c.Database.StrictPostgresRole })},
	{Name: "SUPARUST_DB_SAFEUPDATE", Default: "true", Help: "Refuse PATCH and DELETE without a filter, as hosted projects do.",
		set: boolSetting(func(c *Config) *bool { return &c.REST.SafeUpdate })},
	{Name: "SUPARUST_PG_VERSION", Default: "17", Help: "Major version of the embedded PostgreSQL, 15 to 18.",
		set: intSetting(func(c *Config) *int { return &c.Database.Version })},
	{Name: "SUPARUST_PG_BIN", Default: "found or fetched", Help: "Directory with PostgreSQL's programs; nothing else is tried.",
		set: textSetting(func(c *Config) *string { return &c.Database.BinDir })},
	{Name: "SUPARUST_CACHE_DIR", Default: "the user's cache directory", Help: "Directory of fetched programs and prepared templates.",
		set: textSetting(func(c *Config) *string { return &c.Database.CacheDir })},

	{Name: "SUPARUST_DB_SCHEMAS", Aliases: []string{"PGRST_DB_SCHEMAS"}, Default: "public,graphql_public", Help: "Schemas that REST exposes; the first is the default.",
		set: listSetting(func(c *Config) *[]string { return &c.REST.Schemas })},
	{Name: "SUPARUST_DB_EXTRA_SEARCH_PATH", Aliases: []string{"PGRST_DB_EXTRA_SEARCH_PATH"}, Default: "public,extensions", Help: "Schemas behind the request's own in search_path.",
		set: listSetting(func(c *Config) *[]string { return &c.REST.ExtraSearchPath })},
	{Name: "SUPARUST_DB_MAX_ROWS", Aliases: []string{"PGRST_DB_MAX_ROWS"}, Default: "1000", Help: "Most rows of one REST answer; 0 is no limit.",
		set: intSetting(func(c *Config) *int { return &c.REST.MaxRows })},
	{Name: "SUPARUST_DB_ANON_ROLE", Aliases: []string{"PGRST_DB_ANON_ROLE"}, Default: "anon", Help: "Role of REST requests without a token.",
		set: textSetting(func(c *Config) *string { return &c.REST.AnonRole })},

	{Name: "SUPARUST_DB_PLAN_ENABLED", Aliases: []string{"PGRST_DB_PLAN_ENABLED"}, Default: "false", Help: "Answer requests for the plan of a statement.",
		set: boolSetting(func(c *Config) *bool { return &c.REST.Plans })},
	{Name: "SUPARUST_DB_TX_END", Aliases: []string{"PGRST_DB_TX_END"}, Default: "commit", Help: "How REST transactions end: commit, commit-allow-override, rollback or rollback-allow-override.",
		set: func(c *Config, v string) error {
			switch v {
			case "commit", "commit-allow-override", "rollback", "rollback-allow-override":
				c.REST.TxEnd = v
				return nil
			}
			return fmt.Errorf("%q is none of commit, commit-allow-override, rollback and rollback-allow-override", v)
		}},

	{Name: "SUPARUST_SITE_URL", Aliases: []string{"GOTRUE_SITE_URL", "SITE_URL"}, Default: "http://127.0.0.1:3000", Help: "Where links in mails lead when no other target is allowed.",
		set: textSetting(func(c *Config) *string { return &c.Auth.SiteURL })},
	{Name: "SUPARUST_JWT_EXPIRY", Aliases: []string{"GOTRUE_JWT_EXP", "JWT_EXPIRY"}, Default: "3600", Help: "Life of an access token in seconds.",
		set: secondsSetting(func(c *Config) *time.Duration { return &c.Auth.JWTExpiry })},
	{Name: "SUPARUST_DISABLE_SIGNUP", Aliases: []string{"GOTRUE_DISABLE_SIGNUP"}, Default: "false", Help: "Refuse new users but those an admin makes.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.DisableSignup })},
	{Name: "SUPARUST_ANONYMOUS_SIGN_INS", Aliases: []string{"GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED"}, Default: "false", Help: "Allow sign-in without an address.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.AnonymousSignIns })},

	{Name: "SUPARUST_STORAGE_ROOT", Aliases: []string{"STORAGE_ROOT"}, Default: "data/storage", Help: "Directory of stored files.",
		set: textSetting(func(c *Config) *string { return &c.Storage.Root })},
	{Name: "SUPARUST_FILE_SIZE_LIMIT", Aliases: []string{"FILE_SIZE_LIMIT"}, Default: "52428800", Help: "Largest stored file in bytes.",
		set: func(c *Config, v string) error {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil || n <= 0 {
				return fmt.Errorf("%q is no number of bytes above 0", v)
			}
			c.Storage.FileSizeLimit = n
			return nil
		}},
	{Name: "SUPARUST_QUICKSTART", Default: "true without a project", Help: "Give a fresh database the view public.users and open storage policies.",
		set: boolSetting(func(c *Config) *bool { return &c.Quickstart })},
}

// FromEnv sets c from the environment. Empty values count as absent. warn, when not nil,
// hears of settings that were given under another name.
func (c *Config) FromEnv(lookup func(name string) (string, bool), warn func(message string)) error {
	for _, s := range settings {
		name, value := s.find(lookup)
		if value == "" {
			continue
		}
		if name != s.Name && warn != nil {
			warn(fmt.Sprintf("%s is read as %s: use that name", name, s.Name))
		}
		if err := s.set(c, value); err != nil {
			return fmt.Errorf("the setting %s: %w", name, err)
		}
	}
	return nil
}

func (s *Setting) find(lookup func(string) (string, bool)) (name, value string) {
	for _, n := range append([]string{s.Name}, s.Aliases...) {
		if v, ok := lookup(n); ok && v != "" {
			return n, v
		}
	}
	return "", ""
}

func textSetting(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error { *field(c) = v; return nil }
}

func intSetting(field func(*Config) *int) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is no whole number from 0", v)
		}
		*field(c) = n
		return nil
	}
}

func boolSetting(field func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, v string) error {
		b, err := strconv.ParseBool(strings.ToLower(v))
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", v)
		}
		*field(c) = b
		return nil
	}
}

func listSetting(field func(*Config) *[]string) func(*Config, string) error {
	return func(c *Config, v string) error {
		var list []string
		for _, x := range strings.Split(v, ",") {
			if x = strings.TrimSpace(x); x != "" {
				list = append(list, x)
			}
		}
		*field(c) = list
		return nil
	}
}

func secondsSetting(field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n <= 0 || n > 604800 {
			return fmt.Errorf("%q is no number of seconds from 1 to 604800", v)
		}
		*field(c) = time.Duration(n) * time.Second
		return nil
	}
}
