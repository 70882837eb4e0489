package pg

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// FindClient finds a client program such as psql or pg_dump, of the version atLeast or a newer one: in binDir, which may be
// "", in the PATH, or where systems put it. found are the versions of those that are too old.
func FindClient(ctx context.Context, name, binDir string, atLeast int) (path string, found []string) {
	var candidates []string
	if binDir != "" {
		candidates = append(candidates, filepath.Join(binDir, exe(name)))
	}
	if inPath, err := exec.LookPath(name); err == nil {
		candidates = append(candidates, inPath)
	}
	for major := max(atLeast, MinMajor); major <= MaxMajor; major++ {
		for _, pattern := range installedPatterns {
			candidates = append(candidates, filepath.Join(fmt.Sprintf(pattern, major), exe(name)))
		}
	}
	for _, dir := range []string{"/opt/homebrew/opt/libpq/bin", "/usr/local/opt/libpq/bin"} {
		candidates = append(candidates, filepath.Join(dir, exe(name)))
	}
	for _, path := range candidates {
		if !isFile(path) {
			continue
		}
		version, major := clientVersion(ctx, path)
		if major >= atLeast {
			return path, nil
		}
		found = append(found, fmt.Sprintf("%s (%s)", path, version))
	}
	return "", found
}

// clientVersion is what a client program says its version is; major is 0 when it cannot be run.
func clientVersion(ctx context.Context, path string) (version string, major int) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "cannot be run", 0
	}
	m := versionPattern.FindSubmatch(out)
	if m == nil {
		return "of an unknown version", 0
	}
	major, err = strconv.Atoi(string(m[1]))
	if err != nil {
		return "of an unknown version", 0
	}
	return string(m[1]) + string(m[2]), major
}
