package pg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// neededExtensions are contrib extensions without which the database a project expects cannot be made.
var neededExtensions = []string{"pgcrypto", "uuid-ossp"}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)(\.\d+|beta\d+|rc\d+|devel)`)

// check accepts a directory as PostgreSQL's: its programs run under the account that will run them, and the contrib
// extensions are there.
func (r *resolver) check(ctx context.Context, dir string) (*Binaries, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	postgres := filepath.Join(dir, exe("postgres"))
	info, err := os.Stat(postgres)
	if err != nil {
		return nil, fmt.Errorf("it holds no postgres program: %w", err)
	}
	for _, name := range []string{"initdb", "pg_ctl"} {
		if _, err := os.Stat(filepath.Join(dir, exe(name))); err != nil {
			return nil, fmt.Errorf("it holds no %s program: %w", name, err)
		}
	}
	if err := r.acct.canReach(dir); err != nil {
		return nil, err
	}
	line, err := versionLine(ctx, postgres, r.acct)
	if err != nil {
		return nil, err
	}
	m := versionPattern.FindStringSubmatch(line)
	if m == nil {
		return nil, fmt.Errorf("its version cannot be read from %q", line)
	}
	major, err := strconv.Atoi(m[1])
	if err != nil {
		return nil, err
	}
	b := &Binaries{BinDir: dir, Version: m[1] + m[2], Major: major}
	if b.ShareDir, err = shareDir(ctx, dir, major); err != nil {
		return nil, err
	}
	for _, ext := range neededExtensions {
		if _, err := os.Stat(filepath.Join(b.ShareDir, "extension", ext+".control")); err != nil {
			return nil, fmt.Errorf("PostgreSQL %s in %s lacks the contrib extension %s: install the contrib package", b.Version, dir, ext)
		}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n%d", line, postgres, info.Size(), info.ModTime().UnixNano()))
	b.ID = hex.EncodeToString(sum[:6])
	return b, nil
}

// versionLine runs postgres -V: a build for another libc, missing libraries or a directory closed to the account show here.
func versionLine(ctx context.Context, postgres string, a account) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, postgres, "-V")
	cmd.Dir = os.TempDir()
	if filepath.IsAbs("/") {
		cmd.Dir = "/"
	}
	cmd.Env = childEnviron()
	cmd.SysProcAttr = a.sysProcAttr()
	out, err := cmd.Output()
	if err != nil {
		var ee *exec.ExitError
		if errors.As(err, &ee) && len(ee.Stderr) > 0 {
			return "", fmt.Errorf("postgres -V fails: %s", strings.TrimSpace(string(ee.Stderr)))
		}
		return "", fmt.Errorf("postgres -V fails: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// shareDir finds the directory with the extensions. Builds that can be moved keep it beside bin; distributions put it
// elsewhere and name it through pg_config.
func shareDir(ctx context.Context, bin string, major int) (string, error) {
	n := strconv.Itoa(major)
	candidates := []string{
		filepath.Join(bin, "..", "share", "postgresql"),
		filepath.Join(bin, "..", "share"),
		filepath.Join(bin, "..", "share", "postgresql@"+n),
	}
	if cfg := filepath.Join(bin, exe("pg_config")); isFile(cfg) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if out, err := exec.CommandContext(ctx, cfg, "--sharedir").Output(); err == nil {
			candidates = append([]string{strings.TrimSpace(string(out))}, candidates...)
		}
	}
	candidates = append(candidates, "/usr/share/postgresql/"+n, "/usr/share/postgresql"+n, "/usr/share/postgresql")
	for _, dir := range candidates {
		if isFile(filepath.Join(dir, "extension", "plpgsql.control")) {
			return filepath.Clean(dir), nil
		}
	}
	return "", fmt.Errorf("the share directory of PostgreSQL %d in %s was not found", major, bin)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
