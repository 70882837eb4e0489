package cmd

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/suparust/suparust/server"
)

type restartCommand struct {
	Port    int           `help:"Restart the server on this port, when several run." short:"p" placeholder:"PORT"`
	Workdir string        `help:"Restart the server of the project in DIR, the folder that contains supabase/." placeholder:"DIR" type:"path"`
	Timeout time.Duration `help:"Give up waiting for the old server's end after this time." default:"30s" placeholder:"DURATION"`
}

// Help is shown by `suparust restart --help`.
func (restartCommand) Help() string {
	return `Stops the server of this folder and starts it again in the background, with the flags that it was started with, and
on Linux with the settings that it had from its environment; those of the environment of this command win. The
environment file and the project are read anew. Without a running server, one is started.

Examples:

    suparust restart
    suparust restart --profile test
    suparust restart --port 4000
`
}

// Run stops the server and starts it again.
func (c restartCommand) Run(a *app) error {
	s, err := a.settings(settingFlags{Port: c.Port, Workdir: c.Workdir})
	if err != nil {
		return err
	}
	if !s.config.NeedsSecret() {
		if _, err := server.New(s.config); err != nil { // what cannot start again must not be stopped
			return err
		}
	}
	running, err := a.runningServer(s, c.Port)
	if err != nil {
		return err
	}
	start, dir, environ := c.startArgs(a), "", slices.Clone(a.environ)
	if running != nil {
		c.Port = running.port
		start = c.startArgs(a)
		if running.state.known() {
			start, dir = again(running.state.Args), running.state.Dir
		}
		environ = slices.DeleteFunc(environ, isEmpty)
		environ = append(environ, settingsOf(running.pid, environ)...)
		if err := a.end(running, c.Timeout); err != nil {
			return err
		}
		if running.state.known() && !running.state.Daemon {
			fmt.Fprintln(a.Out, "It ran in the foreground and goes on in the background.")
			start = append(start, "--daemon")
		}
	}
	cmd, err := suparustItself(start)
	if err != nil {
		return err
	}
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, environ, a.Out, a.Err
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitStatus(max(exit.ExitCode(), exitFailure)) // it has told why
	}
	if err != nil {
		return fmt.Errorf("the server has stopped and cannot be started again: %w", err)
	}
	return nil
}

// again are the arguments of a start without those that were meant for that one alone: the snapshot that it began with,
// whose data would take the place of what came since, and the starter that it was to end with.
func again(args []string) []string {
	return slices.DeleteFunc(withoutSnapshot(args), func(arg string) bool {
		name, _, _ := strings.Cut(arg, "=")
		return name == "--exit-with-stdin"
	})
}

// startArgs are the arguments of a first start.
func (c restartCommand) startArgs(a *app) []string {
	args := []string{"start", "--daemon"}
	switch {
	case a.id.profile != "":
		args = append(args, "--profile", a.id.profile)
	case a.id.envFile != "":
		args = append(args, "--env-file", a.id.envFile)
	}
	if c.Port != 0 {
		args = append(args, "--port", strconv.Itoa(c.Port))
	}
	if c.Workdir != "" {
		args = append(args, "--workdir", c.Workdir)
	}
	return args
}

// settingsOf are the settings in the environment that a server was started with, but those that environ has.
func settingsOf(pid int, environ []string) []string {
	given := map[string]bool{}
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		given[name] = true
	}
	return slices.DeleteFunc(environOf(pid), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return given[name] || !isSetting(name)
	})
}

// isEmpty reports whether a variable has no value, which is as if it were not there.
func isEmpty(pair string) bool { return strings.HasSuffix(pair, "=") && strings.Count(pair, "=") == 1 }

// isSetting reports whether a variable of that name is a setting of suparust.
func isSetting(name string) bool {
	if strings.HasPrefix(name, "SUPARUST_") || name == "RUST_LOG" {
		return true
	}
	for _, s := range server.Settings() {
		for _, known := range append([]string{s.Name}, s.Aliases...) {
			prefix, family := strings.CutSuffix(known, "*")
			if name == known || family && strings.HasPrefix(name, prefix) {
				return true
			}
		}
	}
	return false
}
