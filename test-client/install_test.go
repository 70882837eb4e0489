package testclient_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

// installTimeout bounds npm ci.
const installTimeout = 5 * time.Minute

// stamp is the file in node_modules that remembers which package-lock.json was
// installed.
const stamp = ".installed"

// needNode skips t where there is no Node.js that runs the suite.
func needNode(t *testing.T) {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not in PATH: install Node.js 20.19 or newer to test with supabase-js", program)
		}
	}
	out, err := exec.CommandContext(t.Context(), "node", "--version").Output()
	if err != nil {
		t.Skipf("node --version: %v: install Node.js 20.19 or newer to test with supabase-js", err)
	}
	if version := strings.TrimSpace(string(out)); !newEnough(version) {
		t.Skipf("Node.js is %s: install 20.19 or newer to test with supabase-js", version)
	}
}

// newEnough says whether the Node.js of a version such as v20.19.1 runs Vite.
func newEnough(version string) bool {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	ma, err := strconv.Atoi(major)
	if err != nil {
		return false
	}
	mi, err := strconv.Atoi(minor)
	if err != nil {
		return false
	}
	switch ma {
	case 20:
		return mi >= 19
	case 21:
		return false
	case 22:
		return mi >= 12
	default:
		return ma > 22
	}
}

func TestNewEnough(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"v18.20.4": false, "v20.18.3": false, "v20.19.0": true, "v20.20.2": true, "v21.7.0": false,
		"v22.11.0": false, "v22.12.0": true, "v24.0.0": true, "v26.1.0": true, "": false, "v": false, "vx.y": false,
	} {
		if got := newEnough(version); got != want {
			t.Errorf("newEnough(%q) = %t, want %t", version, got, want)
		}
	}
}

// install makes sure that what package-lock.json lists is installed, and
// returns the folder it is installed in: this one, or a copy in the user's
// cache where this one is read-only.
func install(t *testing.T) string {
	t.Helper()
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	hash := hex.EncodeToString(sum[:])
	dir := "."
	guard, err := hold(t, dir)
	if err != nil {
		dir = copySuite(t, hash)
		if guard, err = hold(t, dir); err != nil {
			t.Fatal(err)
		}
	}
	defer guard.Unlock()
	if was, err := os.ReadFile(filepath.Join(dir, "node_modules", stamp)); err == nil && string(was) == hash {
		return dir
	}
	npmInstall(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "node_modules", stamp), []byte(hash), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// hold keeps other processes from installing in dir at the same time.
func hold(t *testing.T, dir string) (*flock.Flock, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), installTimeout)
	defer cancel()
	guard := flock.New(filepath.Join(dir, ".install.lock"))
	_, err := guard.TryLockContext(ctx, 100*time.Millisecond)
	return guard, err
}

// copySuite copies the suite to where it can be installed.
func copySuite(t *testing.T, hash string) string {
	t.Helper()
	dir := t.TempDir()
	if cache, err := os.UserCacheDir(); err == nil {
		kept := filepath.Join(cache, "suparust", "test-client", hash[:16])
		if os.MkdirAll(kept, 0o755) == nil {
			dir = kept
		}
	}
	copySuiteTo(t, dir)
	return dir
}

// copySuiteTo copies the suite's files into dir.
func copySuiteTo(t *testing.T, dir string) {
	t.Helper()
	for _, name := range suiteFiles(t) {
		to := filepath.Join(dir, name)
		content, err := os.ReadFile(name)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(to), 0o755)
		}
		if err == nil {
			err = os.WriteFile(to, content, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// unreachable are npm's words for a registry that does not answer.
var unreachable = regexp.MustCompile(`\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|ENOTCACHED)\b`)

// npmInstall runs npm ci in dir. Without a registry that answers it skips t,
// except in CI, where it fails.
func npmInstall(t *testing.T, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), installTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-progress",
		"--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000")
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err == nil {
		return
	}
	offline := unreachable.Match(out) || errors.Is(ctx.Err(), context.DeadlineExceeded)
	if ci, _ := strconv.ParseBool(os.Getenv("CI")); offline && !ci {
		t.Skipf("npm cannot reach its registry: run npm ci in test-client when there is a network\n%s", out)
	}
	t.Fatalf("npm ci: %v\n%s", err, out)
}

// TestLockNamesNoRegistry: package-lock.json works with whatever registry npm
// is set up for.
func TestLockNamesNoRegistry(t *testing.T) {
	t.Parallel()
	locks, err := filepath.Glob("../examples/*/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(locks, "package-lock.json") {
		lock, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.Index(string(lock), `"resolved"`); i >= 0 {
			t.Errorf("%s names where a package comes from: run npm install there, whose .npmrc leaves that out\n%.120s", name, lock[i:])
		}
	}
}
