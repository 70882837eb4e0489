// Package testclient_test runs the real supabase-js against the server: npm
// installs it as package-lock.json says and Vitest runs the files in tests/.
package testclient_test

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/suparusttest"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(program())
	}
	os.Exit(suparusttest.Main(m))
}

// vitestTimeout bounds one run of the suite.
const vitestTimeout = 3 * time.Minute

// TestSupabaseJS runs the whole suite twice: with the API keys as JWTs and
// with the opaque ones.
func TestSupabaseJS(t *testing.T) {
	needNode(t)
	readSuite(t)
	dir := install(t)
	for _, mode := range []struct {
		name        string
		anon, admin func(*suparusttest.Server) string
	}{
		{"JWT keys",
			func(s *suparusttest.Server) string { return s.AnonKey },
			func(s *suparusttest.Server) string { return s.ServiceKey }},
		{"opaque keys",
			func(s *suparusttest.Server) string { return s.PublishableKey },
			func(s *suparusttest.Server) string { return s.SecretKey }},
	} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			srv := suparusttest.Start(t, suparusttest.WithProject("."))
			vitest(t, dir, "tests/", append(srv.Environ(), "SUPARUST_TEST_KEY="+mode.anon(srv), "SUPARUST_TEST_ADMIN_KEY="+mode.admin(srv)))
		})
	}
}

// vitest runs one folder of the suite in dir with nothing but env to tell it of
// a server.
func vitest(t *testing.T, dir, folder string, env []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), vitestTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", filepath.Join("node_modules", "vitest", "vitest.mjs"), "run", folder)
	cmd.Dir = dir
	cmd.Env = append(foreign(os.Environ()), append(env, "NO_COLOR=1", "SUPARUST_TEST_RUNNING=1")...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	t.Logf("vitest:\n%s", out)
	if err != nil {
		t.Errorf("vitest: %v (%v)", err, context.Cause(ctx))
	}
}

// foreign leaves out of an environment what tells clients of a server.
func foreign(env []string) []string {
	var kept []string
	for _, v := range env {
		if name, _, _ := strings.Cut(v, "="); !strings.Contains(name, "SUPABASE") && !strings.HasPrefix(name, "VITEST") {
			kept = append(kept, v)
		}
	}
	return kept
}

// readSuite opens every file that Vitest will, so that go test knows of them
// and does not answer from its cache when one has changed.
func readSuite(t *testing.T) {
	t.Helper()
	for _, name := range suiteFiles(t) {
		if _, err := os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
}

// suiteFiles are the files that make up the suite, by their path in this
// folder.
func suiteFiles(t *testing.T) []string {
	t.Helper()
	names := []string{"package.json", "package-lock.json", ".npmrc", "vitest.config.mjs", "server.mjs", "suparust.mjs"}
	for _, folder := range []string{"tests", "quickstart"} {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				names = append(names, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}
