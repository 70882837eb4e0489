//go:build unix

package testclient_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// workplace is a copy of the suite and its project, where its servers keep
// their files, PID files and data.
func workplace(t *testing.T, installed string) string {
	t.Helper()
	home := publicTempDir(t)
	copySuiteTo(t, home)
	if err := os.CopyFS(filepath.Join(home, "supabase"), os.DirFS("supabase")); err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.Abs(filepath.Join(installed, "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(home, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return home
}

// npm is a command of npm in home that works with this test's binary.
func npm(ctx context.Context, home string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "npm", args...)
	c.Dir = home
	c.Env = append(foreign(os.Environ()), asProgram+"=1", "SUPARUST_BIN="+os.Args[0], "NO_COLOR=1")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGINT) }
	c.WaitDelay = 10 * time.Second
	return c
}

// passed is how Vitest reports the tests of a run in which none failed or was
// left out.
var passed = regexp.MustCompile(`(?m)^\s*Tests\s+(\d+) passed \(\d+\)\s*$`)

// leastTests is how many tests the suite must have had, at least.
const leastTests = 150

// TestNPM runs both styles side by side the way a developer does, by npm, each
// with a server of its own that comes and goes with it.
func TestNPM(t *testing.T) {
	needNode(t)
	readSuite(t)
	home := workplace(t, install(t))
	port := freePair(t)
	generate := func(args ...string) (string, error) {
		c := npm(t.Context(), home, append([]string{"run", "gen:test", "--"}, args...)...)
		c.Env = append(c.Env, "SUPARUST_CACHE_DIR="+filepath.Join(home, "no-cache")) // --regen clears it
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if out, err := generate("--port", strconv.Itoa(port)); err != nil {
		t.Fatalf("gen:test: %v\n%s", err, out)
	}
	before, err := os.ReadFile(filepath.Join(home, ".env.test"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := generate(); err == nil || !strings.Contains(out, "--regen") {
		t.Errorf("gen:test overwrites: %v\n%s", err, out)
	}

	var both sync.WaitGroup
	for _, script := range []string{"test", "test:compat"} {
		both.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), vitestTimeout)
			defer cancel()
			out, err := npm(ctx, home, "run", script).CombinedOutput()
			count := passed.FindSubmatch(out)
			if err != nil || count == nil {
				t.Errorf("npm run %s: %v (%v)\n%s", script, err, context.Cause(ctx), out)
				return
			}
			if n, err := strconv.Atoi(string(count[1])); err != nil || n < leastTests {
				t.Errorf("npm run %s ran %s tests, want %d and more", script, count[1], leastTests)
			}
		})
	}
	both.Wait()
	wantNothingOf(t, home)

	out, err := generate("--regen", "--port", strconv.Itoa(port))
	if err != nil {
		t.Fatalf("gen:test --regen: %v\n%s", err, out)
	}
	after, err := os.ReadFile(filepath.Join(home, ".env.test"))
	if err != nil || bytes.Equal(before, after) {
		t.Errorf("--regen left the keys as they were: %v", err)
	}
	if _, err := os.Stat(filepath.Join(home, "data", "profile.test")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("--regen left the data: %v\n%s", err, out)
	}
}

// TestKilled: the server of a run ends when Vitest is killed.
func TestKilled(t *testing.T) {
	needNode(t)
	home := workplace(t, install(t))
	const never = "import { writeFileSync } from 'node:fs'\nimport { test } from 'vitest'\n" +
		"test('never ends', async () => { writeFileSync('reached', process.env.SUPABASE_URL); await new Promise(() => {}) }, 1e9)\n"
	if err := os.WriteFile(filepath.Join(home, "tests", "never.test.mjs"), []byte(never), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := npm(t.Context(), home, "run", "gen:test", "--", "--port", strconv.Itoa(freePair(t))).CombinedOutput(); err != nil {
		t.Fatalf("gen:test: %v\n%s", err, out)
	}
	c := npm(t.Context(), home)
	c.Path, c.Args = lookPath(t, "node"), []string{"node", "node_modules/vitest/vitest.mjs", "run", "tests/never"}
	var out output
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = c.Wait(); close(ended) }()
	within(t, 2*time.Minute, "the test that never ends", func() bool {
		select {
		case <-ended:
			t.Fatalf("vitest ended by itself:\n%s", out.String())
		default:
		}
		_, err := os.Stat(filepath.Join(home, "reached"))
		return err == nil
	})
	if len(processesOf(t, home)) == 0 {
		t.Error("no process of the server is seen: the test would see none that stays")
	}
	if err := c.Process.Kill(); err != nil { // Vitest alone, and so that it can do nothing about it
		t.Fatal(err)
	}
	<-ended
	wantNothingOf(t, home)
}

// wantNothingOf waits until no process works on the files in home, and checks
// that no server's files are left.
func wantNothingOf(t *testing.T, home string) {
	t.Helper()
	within(t, time.Minute, "the end of every process", func() bool { return len(processesOf(t, home)) == 0 })
	left, err := filepath.Glob(filepath.Join(home, ".suparust.*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// processesOf lists the processes whose arguments or working directory are in
// home.
func processesOf(t *testing.T, home string) []string {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "pid=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		pid, _, _ := strings.Cut(line, " ")
		cwd, _ := os.Readlink("/proc/" + pid + "/cwd")
		if strings.Contains(line, home) || cwd == home || strings.HasPrefix(cwd, home+"/") {
			found = append(found, line)
		}
	}
	return found
}

// within waits for a condition.
func within(t *testing.T, patience time.Duration, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline.C:
			t.Fatalf("not within %v: %s", patience, what)
		case <-tick.C:
		}
	}
}

// lookPath finds a program.
func lookPath(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// freePair finds two neighbouring ports for two test servers, such that those
// of their databases and mailboxes are free, too.
func freePair(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := freePorts(t)
		if allFree(port+1, port+10001, port+10100, port+10101) {
			return port
		}
	}
	t.Fatal("no two neighbouring free ports")
	return 0
}
