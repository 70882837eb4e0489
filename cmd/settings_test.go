package cmd

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func newApp(t *testing.T, profile string, env ...string) *app {
	t.Helper()
	id, err := newIdentity(profile, "")
	if err != nil {
		t.Fatal(err)
	}
	return &app{Stdio: Stdio{Out: io.Discard, Err: io.Discard}, environ: env, id: id}
}

// TestSettingsPrecedence adds one source after the other; each wins over those before.
func TestSettingsPrecedence(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, ".git/HEAD", "")
	port := func(f settingFlags, env ...string) int {
		t.Helper()
		s, err := newApp(t, "", env...).settings(f)
		if err != nil {
			t.Fatal(err)
		}
		return s.config.Port
	}
	if got := port(settingFlags{}); got != 3000 {
		t.Errorf("default port = %d", got)
	}
	write(t, "supabase/config.toml", "[api]\nport = 5001\n")
	if got := port(settingFlags{}); got != 5001 {
		t.Errorf("with config.toml: %d", got)
	}
	write(t, ".env", "SUPARUST_PORT=5002\n")
	if got := port(settingFlags{}); got != 5002 {
		t.Errorf("with .env: %d", got)
	}
	if got := port(settingFlags{}, "SUPARUST_PORT=5003"); got != 5003 {
		t.Errorf("with the environment: %d", got)
	}
	if got := port(settingFlags{Port: 5004}, "SUPARUST_PORT=5003"); got != 5004 {
		t.Errorf("with a flag: %d", got)
	}
}

// TestAppsVariablesAreNotOurs has a .env as apps of a hosted project have it.
func TestAppsVariablesAreNotOurs(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, ".git/HEAD", "")
	write(t, ".env", "PORT=3000\nJWT_SECRET=of-the-app-and-of-more-than-32-characters\nSUPABASE_ANON_KEY=of-the-hosted-project\nDATA_DIR=x\n")
	s, err := newApp(t, "").settings(settingFlags{})
	if err != nil {
		t.Fatal(err)
	}
	if s.config.Keys.JWTSecret != "of-the-app-and-of-more-than-32-characters" || s.config.Database.DataDir != "x" || len(s.notes) == 0 {
		t.Errorf("without a project the aliases count, with a note: %+v, notes %v", s.config.Database, s.notes)
	}
	write(t, "supabase/config.toml", "")
	if s, err = newApp(t, "").settings(settingFlags{}); err != nil {
		t.Fatal(err)
	}
	keys, err := s.config.Keys.Complete()
	if err != nil {
		t.Fatal(err)
	}
	if s.config.Port != 54321 || !strings.HasSuffix(keys.AnonKey, ".CRXP1A7WOeoJeXxjNni43kdQwgnWNReilDMblYTn_I0") || s.config.Database.DataDir == "x" {
		t.Errorf("beside a project: port %d, data in %s, anon key %s", s.config.Port, s.config.Database.DataDir, keys.AnonKey)
	}
}

func TestProjectIsFoundFromBelow(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, ".git", "HEAD"), "")
	write(t, filepath.Join(root, "supabase", "config.toml"), "[api]\nport = 5001\n")
	write(t, filepath.Join(root, ".env.test"), "SUPARUST_PORT=5002\n")
	write(t, filepath.Join(root, "src", "x"), "")
	t.Chdir(filepath.Join(root, "src"))
	s, err := newApp(t, "test").settings(settingFlags{})
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(root, ".suparust.profile.test.5002.pid"); s.pidPath(identity{profile: "test"}, s.config.Port) != want {
		t.Errorf("PID file = %s, want %s", s.pidPath(identity{profile: "test"}, s.config.Port), want)
	}
	var usage usageError
	if _, err := newApp(t, "").settings(settingFlags{Workdir: filepath.Join(root, "src")}); !errors.As(err, &usage) {
		t.Errorf("--workdir without a supabase folder: %v", err)
	}
	t.Chdir(t.TempDir())
	s, err = newApp(t, "").settings(settingFlags{Workdir: root})
	if err != nil || s.config.Port != 5001 {
		t.Errorf("--workdir: %v, %v", s, err)
	}
}

func TestBadSettingsAreUsageErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, ".git/HEAD", "")
	for _, env := range []string{"SUPARUST_PORT=many", "SUPARUST_QUICKSTART=perhaps", "SUPARUST_JWT_EXPIRY=-1"} {
		name, _, _ := strings.Cut(env, "=")
		var usage usageError
		if _, err := newApp(t, "", env).settings(settingFlags{}); !errors.As(err, &usage) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want a usage error that names it", env, err)
		}
	}
}

// TestFamiliesOfSettings: providers are named by their variables, in the
// environment or in the file, also beside a project.
func TestFamiliesOfSettings(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, ".git/HEAD", "")
	write(t, "supabase/config.toml", "[auth.external.github]\nenabled = true\nsecret = \"of the file\"\n")
	write(t, ".env", "SUPARUST_EXTERNAL_GITHUB_CLIENT_ID=one,two\nSUPARUST_EXTERNAL_GOOGLE_ENABLED=true\n")
	s, err := newApp(t, "", "SUPARUST_EXTERNAL_GOOGLE_ENABLED=false", "SUPARUST_EXTERNAL_GITHUB_SECRET=of the environment").settings(settingFlags{})
	if err != nil {
		t.Fatal(err)
	}
	p := s.config.Auth.OAuth.Providers
	if g := p["github"]; !g.Enabled || len(g.ClientIDs) != 2 || g.Secret != "of the environment" || p["google"].Enabled || len(p) != 2 {
		t.Errorf("%+v", p)
	}
}
