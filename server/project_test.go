package server_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
)

// TestLoadProject: what config.toml says reaches the server's configuration,
// and the rest is the platform's local stack.
func TestLoadProject(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(root, "supabase", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("templates/invite.html", "<p>{{ .Token }}</p>")
	write("signing_keys.json", "[]")
	write("config.toml", `
project_id = "shop"
[api]
port = 55321
schemas = ["api"]
max_rows = 7
[db]
port = 55322
major_version = 15
[storage]
file_size_limit = "5MiB"
[auth]
site_url = "https://shop.example"
jwt_expiry = 60
enable_signup = false
minimum_password_length = 9
password_requirements = "letters_digits"
refresh_token_reuse_interval = 0
signing_keys_path = "./signing_keys.json"
[auth.email]
enable_confirmations = true
otp_length = 8
[auth.email.template.invite]
subject = "Welcome"
content_path = "./supabase/templates/invite.html"
[auth.email.template.farewell]
subject = "Bye"
`)
	c := server.DefaultConfig()
	warnings, err := c.LoadProject(root, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		name      string
		got, want any
	}{
		{"bind address", c.BindAddr, "127.0.0.1"},
		{"port", c.Port, 55321},
		{"database port", c.Database.Port, 55322},
		{"version", c.Database.Version, 15},
		{"schema", c.REST.Schemas[0], "api"},
		{"max rows", c.REST.MaxRows, 7},
		{"secret", c.Keys.JWTSecret, server.DemoJWTSecret},
		{"file size", c.Storage.FileSizeLimit, int64(5 << 20)},
		{"data", c.Database.DataDir, filepath.Join(root, "supabase", ".temp", "suparust", "postgres")},
		{"quickstart", c.Quickstart, false},
		{"site", c.Auth.SiteURL, "https://shop.example"},
		{"expiry", c.Auth.JWTExpiry, time.Minute},
		{"signing keys", string(c.Auth.SigningKeys), "[]"},
		{"sign-up", c.Auth.DisableSignup, true},
		{"password length", c.Auth.Password.MinLength, 9},
		{"password sets", len(c.Auth.Password.RequiredCharacters), 2},
		{"no reuse", c.Auth.Sessions.ReuseInterval, time.Duration(-1)},
		{"confirmation", c.Auth.Email.RequireConfirmation, true},
		{"code length", c.Auth.Email.CodeLength, 8},
		{"invitation", c.Auth.Email.Templates["invite"], server.MailTemplate{Subject: "Welcome", HTML: "<p>{{ .Token }}</p>"}},
	} {
		if f.got != f.want {
			t.Errorf("%s is %v, want %v", f.name, f.got, f.want)
		}
	}
	if !slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, "farewell") }) {
		t.Errorf("the unknown mail was not mentioned: %q", warnings)
	}
}
