package cmd

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/suparust/suparust/server"
)

type envClientCommand struct {
	Output  string `help:"Print lines for a shell or an environment file (env), or for the file $GITHUB_ENV (github)." short:"o" enum:"env,github" default:"env" placeholder:"FORMAT"`
	Workdir string `help:"Of the server of the project in DIR, the folder that contains supabase/." placeholder:"DIR" type:"path"`
	Port    int    `help:"Of the server on this port, when several run." short:"p" placeholder:"PORT"`
}

// Help is shown by `suparust env client --help`.
func (envClientCommand) Help() string {
	return `Prints what apps and tests find the running server with: SUPABASE_URL, the keys, DATABASE_URL, and what browsers may know
under NEXT_PUBLIC_, VITE_, PUBLIC_, EXPO_PUBLIC_ and NUXT_PUBLIC_; of a server with the control API, SUPARUST_CONTROL_URL and
SUPARUST_CONTROL_TOKEN too. Exits with 3 when no server runs.

Examples:

    suparust env client > .env.local
    eval "$(suparust env client | sed 's/^/export /')"
    suparust env client -o github >> "$GITHUB_ENV"
`
}

// Run prints the environment of the running server's clients.
func (c envClientCommand) Run(a *app) error {
	s, err := a.settings(settingFlags{Port: c.Port, Workdir: c.Workdir})
	if err != nil {
		return err
	}
	running, err := a.runningServer(s, c.Port)
	if err != nil {
		return err
	}
	if running == nil || !running.state.Serving {
		fmt.Fprintf(a.Err, "suparust: no server of this folder serves; start it with `suparust start --daemon%s`\n", a.id.flags())
		return exitStatus(exitStopped)
	}
	v := running.state.Values
	write := shellLine
	if c.Output == "github" {
		write = githubLine
	}
	pairs := server.ClientEnviron(v["API_URL"], v["DB_URL"], server.Keys{
		JWTSecret: v["JWT_SECRET"], AnonKey: v["ANON_KEY"], ServiceRoleKey: v["SERVICE_ROLE_KEY"],
		PublishableKey: v["PUBLISHABLE_KEY"], SecretKey: v["SECRET_KEY"],
	})
	if access := running.access(); access != nil {
		pairs = append(pairs, access.Environ()...)
	}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		if _, err := fmt.Fprint(a.Out, write(name, value)); err != nil {
			return err
		}
	}
	return nil
}

// plainValue needs no quotes in a shell or an environment file.
var plainValue = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]*$`)

// shellLine is NAME=value as shells and readers of environment files take it.
func shellLine(name, value string) string {
	if !plainValue.MatchString(value) {
		value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
	}
	return name + "=" + value + "\n"
}

// githubLine is a variable as GitHub's runner reads it from $GITHUB_ENV and $GITHUB_OUTPUT: as it is, without quotes.
func githubLine(name, value string) string {
	if !strings.Contains(value, "\n") {
		return name + "=" + value + "\n"
	}
	end := "END_OF_" + name
	for strings.Contains(value, end) {
		end += "_"
	}
	return name + "<<" + end + "\n" + value + "\n" + end + "\n"
}
