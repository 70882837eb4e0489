package pg

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// installedPatterns are where systems and packagers put the programs of a major version.
var installedPatterns = []string{
	"/usr/lib/postgresql/%d/bin",                       // Debian, Ubuntu
	"/usr/pgsql-%d/bin",                                // PGDG on Red Hat
	"/usr/libexec/postgresql%d",                        // Alpine
	"/usr/lib/postgresql%d/bin",                        // SUSE
	"/opt/homebrew/opt/postgresql@%d/bin",              // Homebrew on Apple silicon
	"/usr/local/opt/postgresql@%d/bin",                 // Homebrew on Intel
	"/home/linuxbrew/.linuxbrew/opt/postgresql@%d/bin", // Homebrew on Linux
	"/Applications/Postgres.app/Contents/Versions/%d/bin",
	"/opt/local/lib/postgresql%d/bin", // MacPorts
	"/Library/PostgreSQL/%d/bin",
	`C:\Program Files\PostgreSQL\%d\bin`,
}

// installedDirs lists the bin directories where an installation of the major version may be, best first. The ones at the
// end hold whatever version they hold.
func installedDirs(major int) []string {
	var dirs []string
	add := func(dir string) {
		if dir == "" || !isFile(filepath.Join(dir, exe("postgres"))) {
			return
		}
		for _, d := range dirs {
			if d == dir {
				return
			}
		}
		dirs = append(dirs, dir)
	}
	for _, pattern := range installedPatterns {
		add(fmt.Sprintf(pattern, major))
	}
	if path, err := exec.LookPath("pg_config"); err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if out, err := exec.CommandContext(ctx, path, "--bindir").Output(); err == nil {
			add(strings.TrimSpace(string(out)))
		}
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			add(filepath.Dir(resolved))
		}
	}
	add("/usr/local/pgsql/bin")
	return dirs
}
