package cmd

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// identity tells servers of one folder apart: each has an environment file, a PID file and nothing of the others.
type identity struct {
	profile string // --profile
	envFile string // --env-file
}

var (
	profileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	notInName   = regexp.MustCompile(`[^A-Za-z0-9]+`)
)

func newIdentity(profile, envFile string) (identity, error) {
	switch {
	case profile != "" && envFile != "":
		return identity{}, usageError{"--profile and --env-file cannot be used together: a profile already names its file, .env." + profile}
	case profile != "" && !profileName.MatchString(profile):
		return identity{}, usageError{fmt.Sprintf("%q cannot name a profile: use letters, digits, dots, dashes and underscores", profile)}
	}
	return identity{profile: profile, envFile: envFile}, nil
}

// file is the one environment file that is read.
func (i identity) file() string {
	switch {
	case i.profile != "":
		return ".env." + i.profile
	case i.envFile != "":
		return i.envFile
	}
	return ".env"
}

// required reports whether the environment file must be there: it must when it was asked for.
func (i identity) required() bool { return i.profile != "" || i.envFile != "" }

// name is what PID files and messages call it: local, profile.test, env.prod_env.
func (i identity) name() string {
	switch {
	case i.profile != "":
		return "profile." + i.profile
	case i.envFile != "":
		return "env." + strings.Trim(notInName.ReplaceAllString(filepath.Base(i.envFile), "_"), "_")
	}
	return "local"
}

// flags are the arguments that choose the identity, for commands shown to the user.
func (i identity) flags() string {
	switch {
	case i.profile != "":
		return " --profile " + i.profile
	case i.envFile != "":
		return " --env-file " + i.envFile
	}
	return ""
}

// pidFile is the name of the PID file of a server on port.
func (i identity) pidFile(port int) string { return fmt.Sprintf(".suparust.%s.%d.pid", i.name(), port) }

// pidFilePort returns the port in the name of a PID file of this identity.
func (i identity) pidFilePort(file string) (port int, ok bool) {
	rest, found := strings.CutPrefix(filepath.Base(file), ".suparust."+i.name()+".")
	digits, suffix := strings.CutSuffix(rest, ".pid")
	if !found || !suffix {
		return 0, false
	}
	if _, err := fmt.Sscanf(digits, "%d", &port); err != nil || fmt.Sprint(port) != digits || port <= 0 {
		return 0, false // another identity whose name begins with this one
	}
	return port, true
}
