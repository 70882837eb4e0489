package project

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func environ(pairs ...string) Environ {
	vars := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		vars[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

func decodeFile(t *testing.T, name string, env Environ) (*Config, []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "config", name))
	if err != nil {
		t.Fatal(err)
	}
	c, warnings, err := decodeConfig(name, string(text), env)
	if err != nil {
		t.Fatal(err)
	}
	return c, warnings
}

// TestConfigOfEveryCLI compares what three generations of config.toml mean with the defaults changed by hand.
func TestConfigOfEveryCLI(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	tests := []struct {
		file   string
		env    Environ
		change func(c *Config)
	}{
		{"cli1.toml", environ("TWILIO_TOKEN", "tok", "APPLE_SECRET", ""), func(c *Config) {
			c.API.Schemas = []string{"public", "storage", "graphql_public"}
			c.API.MaxRows = 500
			c.DB.MajorVersion = 15
			c.Studio.APIURL = "http://localhost"
			c.LocalSMTP.Port, c.LocalSMTP.SMTPPort, c.LocalSMTP.POP3Port = 55324, 55325, 55326
			c.Storage.FileSizeLimit = 5 << 20
			c.Auth.SiteURL = "http://localhost:3000"
			c.Auth.AdditionalRedirectURLs = []string{"https://localhost:3000", "app://login"}
			c.Auth.JWTExpiry = 7200
			c.Auth.Email.EnableSignup, c.Auth.Email.DoubleConfirmChanges, c.Auth.Email.EnableConfirmations = false, false, true
			c.Auth.SMS.EnableSignup, c.Auth.SMS.EnableConfirmations = true, true
			c.Auth.SMS.Twilio = SMSProvider{Enabled: true, AccountSID: "AC1", MessageServiceSID: "MG1", AuthToken: "tok"}
			c.Auth.External = map[string]Provider{"apple": {Enabled: true, ClientID: "app.notes", Secret: "env(APPLE_SECRET)"}}
			c.Functions = map[string]Function{"hello": {Enabled: true}}
			c.Analytics = Analytics{Port: 54327, VectorPort: 54328, Backend: "postgres", GCPJWTPath: "supabase/gcloud.json"}
		}},
		{"cli2.toml", environ("SITE_URL", "https://notes.test", "SMTP_PASS", "pw", "FN_TOKEN", "fn", "WEBHOOK_SECRET", "wh"), func(c *Config) {
			c.API.Port, c.DB.Port = 54421, 54422
			c.DB.Migrations.SchemaPaths = []string{"./schemas/*.sql"}
			c.DB.Seed.SQLPaths = []string{"./seeds/*.sql", "./seed.sql"}
			c.DB.Vault = map[string]Secret{"webhook_secret": "wh"}
			c.DB.Settings = map[string]string{"max_connections": "50", "statement_timeout": "10s", "track_commit_timestamp": "true"}
			c.DB.NetworkRestrictions.Enabled = true
			c.DB.NetworkRestrictions.AllowedCIDRs = []string{"10.0.0.0/8"}
			c.Realtime.Enabled, c.Realtime.IPVersion = false, "IPv6"
			c.Storage.FileSizeLimit = 3 << 29
			c.Storage.ImageTransformation.Enabled = true
			c.Storage.Buckets = map[string]Bucket{
				"avatars":    {Public: &yes, FileSizeLimit: 500 << 10, AllowedMIMETypes: []string{"image/png", "image/jpeg"}, ObjectsPath: "./images"},
				"Mixed Case": {},
			}
			c.Auth.SiteURL = "https://notes.test"
			c.Auth.EnableAnonymousSignIns = true
			c.Auth.MinimumPasswordLength, c.Auth.PasswordRequirements = 8, "letters_digits"
			c.Auth.RateLimit.EmailSent = 100
			c.Auth.Email.MaxFrequency, c.Auth.Email.OTPLength, c.Auth.Email.OTPExpiry = time.Minute, 8, 600
			c.Auth.Email.SMTP = &SMTP{Enabled: true, Host: "smtp.example.com", Port: 587, User: "mailer", Pass: "pw",
				AdminEmail: "admin@example.com", SenderName: "Notes"}
			c.Auth.Email.Template = map[string]EmailTemplate{"invite": {Subject: "You are invited", ContentPath: "./supabase/templates/invite.html"}}
			c.Auth.SMS.TestOTP = map[string]string{"4152127777": "123456"}
			c.Auth.Sessions = Sessions{Timebox: 24 * time.Hour, InactivityTimeout: 8 * time.Hour}
			c.Auth.Hook = map[string]Hook{"custom_access_token": {Enabled: true, URI: "pg-functions://postgres/public/token_hook"}}
			c.Auth.MFA.TOTP = MFAFactor{EnrollEnabled: true, VerifyEnabled: true}
			c.Auth.ThirdParty = map[string]ThirdParty{"firebase": {Enabled: true, ProjectID: "fire-1"}}
			c.EdgeRuntime.Policy = "oneshot"
			c.EdgeRuntime.Secrets = map[string]Secret{"token": "fn"}
			c.Functions = map[string]Function{"hello-world": {VerifyJWT: true, ImportMap: "./functions/hello-world/deno.json",
				StaticFiles: []string{"./functions/hello-world/*.html"}}}
			c.Experimental = map[string]any{"orioledb_version": "", "s3_host": "env(S3_HOST)", "webhooks": map[string]any{"enabled": true}}
			c.Remotes = map[string]any{"staging": map[string]any{"project_id": "abcdefghijklmnopqrst", "db": map[string]any{"major_version": int64(15)}}}
		}},
		{"cli3.toml", environ("CAPTCHA_SECRET", "cap"), func(c *Config) {
			c.API.AutoExposeNewTables = &no
			c.DB.HealthTimeout = 30 * time.Second
			c.DB.SSLEnforcement.Enabled = true
			c.LocalSMTP.Port, c.LocalSMTP.SMTPPort = 56324, 56325
			c.Storage.S3Protocol.Enabled = false
			c.Storage.Analytics = map[string]any{"enabled": false, "max_namespaces": int64(5), "buckets": map[string]any{"my-warehouse": map[string]any{}}}
			c.Storage.Vector = map[string]any{"enabled": false}
			c.Auth.SigningKeysPath, c.Auth.JWTIssuer = "./signing_keys.json", "https://auth.example.com"
			c.Auth.Passkey.Enabled = true
			c.Auth.WebAuthn = WebAuthn{RPDisplayName: "Notes", RPID: "localhost", RPOrigins: []string{"http://127.0.0.1:3000"}}
			c.Auth.Email.EnableSignup = false
			c.Auth.SMS.EnableSignup = true
			c.Auth.Email.Notification = map[string]EmailTemplate{"password_changed": {Enabled: true,
				Subject: "Your password has been changed", ContentPath: "./templates/password_changed.html"}}
			c.Auth.Captcha = Captcha{Enabled: true, Provider: "turnstile", Secret: "cap"}
			c.Auth.Web3 = map[string]Toggle{"solana": {Enabled: true}}
			c.Auth.OAuthServer.Enabled, c.Auth.OAuthServer.AllowDynamicRegistration = true, true
		}},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			got, warnings := decodeFile(t, tt.file, tt.env)
			if len(warnings) > 0 {
				t.Errorf("warnings: %q", warnings)
			}
			want := DefaultConfig()
			want.ProjectID = "field-notes"
			tt.change(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnknownKeysAreWarnings(t *testing.T) {
	t.Parallel()
	text := "project_id = \"x\"\n\n[auth]\nsite_url = \"http://a\"\nnew_switch = true\n\n[brand_new]\na = 1\n[functions]\nverify_jwt = false\n"
	c, warnings, err := decodeConfig("config.toml", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"config.toml:10: functions.verify_jwt is not a key this version knows; it is ignored",
		"config.toml:5: auth.new_switch is not a key this version knows; it is ignored",
		"config.toml:7: brand_new is not a key this version knows; it is ignored",
	}
	got := slices.Clone(warnings)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if c.Auth.SiteURL != "http://a" {
		t.Errorf("site_url = %q", c.Auth.SiteURL)
	}
}

func TestBothNamesOfASection(t *testing.T) {
	t.Parallel()
	c, warnings, err := decodeConfig("config.toml", "[local_smtp]\nport = 1\n[inbucket]\nport = 2\nsmtp_port = 3\n", nil)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if c.LocalSMTP.Port != 1 || c.LocalSMTP.SMTPPort != 3 {
		t.Errorf("port, smtp_port = %d, %d; want 1 of the new name, 3 of the old", c.LocalSMTP.Port, c.LocalSMTP.SMTPPort)
	}
}

func TestEnvironmentOverridesConfig(t *testing.T) {
	t.Parallel()
	text := "[api]\nport = 1\n[auth.external.github]\nclient_id = \"file\"\nenabled = true\n[local_smtp]\nport = 9\n"
	c, _, err := decodeConfig("config.toml", text, environ(
		"SUPABASE_API_PORT", "5555",
		"SUPABASE_PROJECT_ID", "from-env",
		"SUPABASE_API_SCHEMAS", "api, public",
		"SUPABASE_AUTH_ENABLE_SIGNUP", "false",
		"SUPABASE_AUTH_EMAIL_MAX_FREQUENCY", "2m",
		"SUPABASE_STORAGE_FILE_SIZE_LIMIT", "7KB",
		"SUPABASE_AUTH_EXTERNAL_GITHUB_CLIENT_ID", "env-id",
		"SUPABASE_API_AUTO_EXPOSE_NEW_TABLES", "false",
		"SUPABASE_INBUCKET_SMTP_PORT", "77",
		"SUPABASE_AUTH_SITE_URL", "", // empty is not set
	))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(c.API.Port, c.ProjectID, c.API.Schemas, c.Auth.EnableSignup, c.Auth.Email.MaxFrequency, c.Storage.FileSizeLimit,
		c.Auth.External["github"].ClientID, c.Auth.External["github"].Enabled, *c.API.AutoExposeNewTables, c.LocalSMTP.SMTPPort, c.Auth.SiteURL)
	want := "5555 from-env [api public] false 2m0s 7168 env-id true false 77 http://127.0.0.1:3000\n"
	if got != want {
		t.Errorf("config = %s\nwant     %s", got, want)
	}
}

func TestConfigThatDoesNotParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text, want string
		env        Environ
	}{
		{text: "[api]\nport = \n", want: "config.toml:2: expected value but found '\\n' instead; correct that line (the file is TOML: key = value, text in quotes)"},
		{text: "[api]\nport = 1\nport = 2\n", want: "config.toml:3: Key 'api.port' has already been defined; correct that line (the file is TOML: key = value, text in quotes)"},
		{text: "[api]\n\nport = \"x\"\n", want: "config.toml:3: api.port must be a number"},
		{text: "[api]\nport = 99999\n", want: "config.toml:2: api.port is 99999; a port is between 0 and 65535"},
		{text: "[api]\nmax_rows = -1\n", want: "config.toml:2: api.max_rows is -1; it cannot be negative"},
		{text: "[api]\nport = true\n", want: "config.toml:2: api.port must be a whole number, not true or false"},
		{text: "[api]\nenabled = \"perhaps\"\n", want: "config.toml:2: api.enabled must be true or false"},
		{text: "[api]\nenabled = 1\n", want: "config.toml:2: api.enabled must be true or false, not a number"},
		{text: "api = 1\n", want: "config.toml:1: api must be a section [api], not a number"},
		{text: "[api]\nschemas = 3\n", want: `config.toml:2: api.schemas must be a list such as ["a", "b"], not a number`},
		{text: "[storage]\nfile_size_limit = \"big\"\n", want: `config.toml:2: storage.file_size_limit "big" is not a size: write it like 50MiB, 500KB or 1048576`},
		{text: "[auth.email]\nmax_frequency = \"often\"\n", want: `config.toml:2: auth.email.max_frequency "often" is not a duration: write it like 30s, 5m or 24h`},
		{text: "[auth.email]\nmax_frequency = 30\n", want: `config.toml:2: auth.email.max_frequency must be a duration such as "30s", not a number`},
		{text: "[auth]\nsite_url = [\"a\"]\n", want: "config.toml:2: auth.site_url must be a text in quotes, not a list"},
		{text: "[db]\nport = \"env(DB_PORT)\"\n", want: "config.toml:2: db.port is env(DB_PORT) but DB_PORT is not set; set it in the environment or in a .env file"},
		{text: "[db]\nport = \"env(DB_PORT)\"\n", env: environ("DB_PORT", "many"), want: "the environment variable DB_PORT: db.port must be a number"},
		{text: "", env: environ("SUPABASE_DB_PORT", "many"), want: "the environment variable SUPABASE_DB_PORT: db.port must be a number"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			_, _, err := decodeConfig("config.toml", tt.text, tt.env)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error = %v\nwant    %s", err, tt.want)
			}
		})
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Size{
		"50MiB": 50 << 20, "5MB": 5 << 20, "500KB": 500 << 10, "32kB": 32 << 10, "1.5g": 3 << 29, "0": 0, "1024": 1024, "10 b": 10, "2TiB": 2 << 40, "1pb": 1 << 50,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MB", "-1", "1XB", "1e3", "99999999PB", "1 2"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", text, got)
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	p := Provider{Secret: "hunter2"}
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "secret", p.Secret, "all", p)
	shown := b.String() + fmt.Sprintf("%v %+v %#v %s", p, p, p, p.Secret)
	if strings.Contains(shown, "hunter2") || !strings.Contains(shown, "[hidden]") {
		t.Errorf("shown as %s", shown)
	}
}

func FuzzConfig(f *testing.F) {
	files, err := filepath.Glob("testdata/config/*.toml")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("a.b.'c.d' = 1\n[[x]]\ny=1")
	f.Fuzz(func(t *testing.T, text string) {
		c, _, err := decodeConfig("config.toml", text, environ("A", "1"))
		if (c == nil) == (err == nil) {
			t.Errorf("config %v with error %v", c, err)
		}
	})
}
