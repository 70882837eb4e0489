//go:build unix

package testclient_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestExamples runs the examples as their README says, with the runners that
// there are: each worker or test has a backend of its own.
func TestExamples(t *testing.T) {
	home := publicTempDir(t)
	if err := os.CopyFS(home, os.DirFS("../examples")); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(home, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	program := "#!/bin/sh\n" + asProgram + `=1 exec "$SUPARUST_BIN" "$@"` + "\n"
	if err := os.WriteFile(filepath.Join(bin, "suparust"), []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, dir, passed, program string, args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), vitestTimeout)
		defer cancel()
		c := npm(ctx, filepath.Join(home, dir), args...)
		if program != "npm" {
			c.Path, c.Args = filepath.Join(bin, program), append([]string{program}, args...)
		}
		c.Env = append(c.Env, "PATH="+bin+":"+os.Getenv("PATH"))
		if out, err := c.CombinedOutput(); err != nil || !regexp.MustCompile(passed).Match(out) {
			t.Errorf("%s: %v (%v)\n%s", dir, err, context.Cause(ctx), out)
		}
	}
	t.Run("vitest", func(t *testing.T) {
		needNode(t)
		modules, err := filepath.Abs(filepath.Join(install(t), "node_modules"))
		if err == nil {
			err = os.Symlink(modules, filepath.Join(home, "vitest", "node_modules"))
		}
		if err != nil {
			t.Fatal(err)
		}
		run(t, "vitest", `Tests\s+2 passed \(2\)`, "npm", "test")
	})
	t.Run("playwright", func(t *testing.T) {
		needNode(t)
		npmInstall(t, filepath.Join(home, "playwright")) // without its browsers: the example needs none
		run(t, "playwright", `3 passed`, "npm", "test")
	})
	t.Run("pytest", func(t *testing.T) {
		if err := exec.CommandContext(t.Context(), "python3", "-c", "import pytest").Run(); err != nil {
			t.Skip("pytest is not installed: python3 -m pip install pytest")
		}
		run(t, "pytest", `3 passed`, "suparust", "exec", "--", "python3", "-m", "pytest", "-q", "-p", "no:cacheprovider")
	})
}
