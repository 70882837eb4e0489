package server_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
)

// notesOf are the notes about these variables, "NAME=value".
func notesOf(t *testing.T, variables ...string) []server.Note {
	t.Helper()
	env := map[string]string{}
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	var notes []server.Note
	c := server.DefaultConfig()
	if err := c.FromEnv(func(n string) (string, bool) { v, ok := env[n]; return v, ok }, func(n server.Note) { notes = append(notes, n) }); err != nil {
		t.Fatal(err)
	}
	return notes
}

// TestNotes: a foreign name is a warning, two names for one thing are told, and neither tells a value.
func TestNotes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		variables []string
		want      []server.Note
	}{
		{[]string{"SUPARUST_DB_PASSWORD=a"}, nil},
		{[]string{"POSTGRES_PASSWORD=a"}, []server.Note{{slog.LevelWarn, "Using legacy env POSTGRES_PASSWORD. Prefer SUPARUST_DB_PASSWORD."}}},
		{[]string{"POSTGRES_PASSWORD=a", "SUPARUST_DB_PASSWORD=b"}, []server.Note{{slog.LevelInfo, "Both SUPARUST_DB_PASSWORD and POSTGRES_PASSWORD are set. Using SUPARUST_DB_PASSWORD."}}},
		{[]string{"POSTGRES_PASSWORD=a", "SUPARUST_DB_PASSWORD="}, []server.Note{{slog.LevelWarn, "Using legacy env POSTGRES_PASSWORD. Prefer SUPARUST_DB_PASSWORD."}}},
		{[]string{"JWT_EXPIRY=7", "GOTRUE_JWT_EXP=8"}, []server.Note{
			{slog.LevelWarn, "Using legacy env GOTRUE_JWT_EXP. Prefer SUPARUST_JWT_EXPIRY."},
			{slog.LevelInfo, "Both GOTRUE_JWT_EXP and JWT_EXPIRY are set. Using GOTRUE_JWT_EXP."}}},
		{[]string{"SUPARUST_SERVICE_KEY=a"}, nil}, // a name of its own, only another
	} {
		if got := notesOf(t, c.variables...); !slices.Equal(got, c.want) {
			t.Errorf("%q: the notes are %v, want %v", c.variables, got, c.want)
		}
	}
}

// TestFaultsAllAtOnce: whoever corrects a file learns of everything in it.
func TestFaultsAllAtOnce(t *testing.T) {
	t.Parallel()
	_, _, err := configured(t, "SUPARUST_PORT=x", "DISABLE_SIGNUP=perhaps", "SUPARUST_APP_SETTINGS_a-b=1", "SUPARUST_JWT_EXPIRY=-1", "SUPARUST_SITE_URL=http://x", "SUPARUST_MAIL_PORT=65536")
	want := `the setting SUPARUST_PORT: "x" is no whole number from 0
the setting SUPARUST_APP_SETTINGS_a-b: `
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Fatalf("%v, want it to begin with %s", err, want)
	}
	for _, fault := range []string{`DISABLE_SIGNUP: "perhaps" is neither true nor false`, `SUPARUST_JWT_EXPIRY: "-1" is no number of seconds`, `SUPARUST_MAIL_PORT: "65536" is no port from 0 to 65535`} {
		if !strings.Contains(err.Error(), fault) {
			t.Errorf("%s is not told of in %v", fault, err)
		}
	}
	if n := strings.Count(err.Error(), "the setting "); n != 5 {
		t.Errorf("%d faults: %v", n, err)
	}
}

// TestExternalDatabaseNames: parts and the shared name count only where an external database is asked for.
func TestExternalDatabaseNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		variables string
		url       string
		port      int
	}{
		{"DATABASE_URL=postgres://app@db/x", "", -1},
		{"DATABASE_URL=postgres://app@db/x SUPARUST_DB_MODE=external", "postgres://app@db/x", -1},
		{"POSTGRES_HOST=db POSTGRES_PORT=5433 POSTGRES_DB=x", "", 5433},
		{"SUPARUST_DB_MODE=external POSTGRES_HOST=db", "postgresql://postgres:postgres@db:5432/postgres", -1},
		{"SUPARUST_DB_MODE=external SUPARUST_DB_HOST=10.0.0.1 SUPARUST_DB_PORT=5433 SUPARUST_DB_USER=me SUPARUST_DB_PASSWORD=a/b SUPARUST_DB_NAME=x",
			"postgresql://me:a%2Fb@10.0.0.1:5433/x", 5433},
		{"SUPARUST_DB_MODE=external SUPARUST_DB_URL=postgres://b/c SUPARUST_DB_HOST=10.0.0.1", "postgres://b/c", -1},
		{"SUPARUST_DB_MODE=embedded SUPARUST_DB_HOST=10.0.0.1", "", -1},
	} {
		cfg, _, err := configured(t, strings.Fields(c.variables)...)
		if err != nil || cfg.Database.URL != c.url || cfg.Database.Port != c.port {
			t.Errorf("%s: %q, port %d, %v; want %q, port %d", c.variables, cfg.Database.URL, cfg.Database.Port, err, c.url, c.port)
		}
	}
}

// TestFirstNames: every name of the tables in docs/migrating-from-supabase.md that says something about a server does
// so, under both of its names.
func TestFirstNames(t *testing.T) {
	t.Parallel()
	for variables, got := range map[string]func(c server.Config) any{
		"SUPARUST_PORT PORT=7 => 7":                                                                    func(c server.Config) any { return c.Port },
		"SUPARUST_JWT_SECRET JWT_SECRET=s => s":                                                        func(c server.Config) any { return c.Keys.JWTSecret },
		"SUPARUST_ANON_KEY ANON_KEY=s => s":                                                            func(c server.Config) any { return c.Keys.AnonKey },
		"SUPARUST_SERVICE_KEY SERVICE_ROLE_KEY=s => s":                                                 func(c server.Config) any { return c.Keys.ServiceRoleKey },
		"SUPARUST_DB_DATA_DIR DATA_DIR=d => d":                                                         func(c server.Config) any { return c.Database.DataDir },
		"SUPARUST_STORAGE_ROOT STORAGE_ROOT=d => d":                                                    func(c server.Config) any { return c.Storage.Root },
		"SUPARUST_BIND_ADDR BIND_ADDR=127.0.0.2 => 127.0.0.2":                                          func(c server.Config) any { return c.BindAddr },
		"SUPARUST_JWT_EXPIRY JWT_EXPIRY=60 => 1m0s":                                                    func(c server.Config) any { return c.Auth.JWTExpiry },
		"SUPARUST_API_URL API_EXTERNAL_URL=http://x => http://x":                                       func(c server.Config) any { return c.PublicURL },
		"SUPARUST_SITE_URL SITE_URL=http://x => http://x":                                              func(c server.Config) any { return c.Auth.SiteURL },
		"SUPARUST_DB_PASSWORD POSTGRES_PASSWORD=p => p":                                                func(c server.Config) any { return c.Database.Password },
		"SUPARUST_DB_PORT POSTGRES_PORT=7 => 7":                                                        func(c server.Config) any { return c.Database.Port },
		"SUPARUST_DB_SCHEMAS PGRST_DB_SCHEMAS=a,b => [a b]":                                            func(c server.Config) any { return c.REST.Schemas },
		"SUPARUST_DISABLE_SIGNUP DISABLE_SIGNUP=true => true":                                          func(c server.Config) any { return c.Auth.DisableSignup },
		"SUPARUST_ENABLE_EMAIL_SIGNUP ENABLE_EMAIL_SIGNUP=false => true":                               func(c server.Config) any { return c.Auth.Email.Disabled },
		"SUPARUST_ENABLE_EMAIL_AUTOCONFIRM ENABLE_EMAIL_AUTOCONFIRM=false => true":                     func(c server.Config) any { return c.Auth.Email.RequireConfirmation },
		"SUPARUST_ENABLE_ANONYMOUS_USERS ENABLE_ANONYMOUS_USERS=true => true":                          func(c server.Config) any { return c.Auth.AnonymousSignIns },
		"SUPARUST_SMTP_HOST SMTP_HOST=h => h":                                                          func(c server.Config) any { return c.Mail.SMTP.Host },
		"SUPARUST_SMTP_PORT SMTP_PORT=25 => 25":                                                        func(c server.Config) any { return c.Mail.SMTP.Port },
		"SUPARUST_SMTP_USER SMTP_USER=u => u":                                                          func(c server.Config) any { return c.Mail.SMTP.User },
		"SUPARUST_SMTP_PASS SMTP_PASS=p => p":                                                          func(c server.Config) any { return c.Mail.SMTP.Password },
		"SUPARUST_SMTP_ADMIN_EMAIL SMTP_ADMIN_EMAIL=a@b.c => a@b.c":                                    func(c server.Config) any { return c.Mail.From.Address },
		"SUPARUST_SMTP_SENDER_NAME SMTP_SENDER_NAME=n => n":                                            func(c server.Config) any { return c.Mail.From.Name },
		"SUPARUST_REDIRECT_URLS ADDITIONAL_REDIRECT_URLS=http://x/*,http://y => [http://x/* http://y]": func(c server.Config) any { return c.Auth.RedirectURLs },
		"SUPARUST_S3_PROTOCOL_ACCESS_KEY_ID S3_PROTOCOL_ACCESS_KEY_ID=i => i":                          func(c server.Config) any { return c.Storage.S3Protocol.AccessKeyID },
		"SUPARUST_S3_PROTOCOL_ACCESS_KEY_SECRET S3_PROTOCOL_ACCESS_KEY_SECRET=i => i":                  func(c server.Config) any { return c.Storage.S3Protocol.SecretAccessKey },
	} {
		names, rest, _ := strings.Cut(variables, "=")
		value, want, _ := strings.Cut(rest, " => ")
		for _, name := range strings.Fields(names) {
			c, _, err := configured(t, name+"="+value)
			if err != nil || fmt.Sprint(got(c)) != want {
				t.Errorf("%s=%s: %v, %v; want %s", name, value, got(c), err, want)
			}
		}
	}
	for _, variables := range []string{"SUPARUST_S3_BUCKET=b SUPARUST_S3_REGION=r", "GLOBAL_S3_BUCKET=b REGION=r"} {
		c, _, err := configured(t, append(strings.Fields(variables), "SUPARUST_STORAGE_BACKEND=s3")...)
		if err != nil || c.Storage.S3.Bucket != "b" || c.Storage.S3.Region != "r" {
			t.Errorf("%s: %+v, %v", variables, c.Storage.S3, err)
		}
	}
}
