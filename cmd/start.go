package cmd

import "fmt"

type startCommand struct {
	settingFlags
	Snapshot string `help:"Begin with the database and the files of the snapshot NAME; they replace what is there." placeholder:"NAME"`

	Daemon bool `help:"Serve in the background: return when requests are answered, and log to app.log." short:"d"`

	ExitWithStdin bool `help:"Stop when standard input closes: for a program that starts the server and may be killed." name:"exit-with-stdin"`

	Detached bool `hidden:"" help:"Be the server in the background that start --daemon waits for."`
}

// Help is shown by `suparust start --help`.
func (startCommand) Help() string {
	return `Serves the project whose supabase/ folder is found from here upward, with its ports and keys; without one, this
folder, on port 3000. A first start makes a JWT secret in .env and the database in data/.

With --daemon the server runs in the background, in a session of its own, and logs to app.log, beside a profile test to
app.profile.test.log; SUPARUST_LOG_FILE names another file. SIGHUP lets it open that file anew, for logrotate. When it
cannot serve, the end of its log is shown, and nothing is left running.

Examples:

    suparust start
    suparust start --port 4000
    suparust start --daemon
    suparust start --profile test        settings of .env.test alone
    suparust start --snapshot demo       begin as saved by suparust snapshot save demo
    SUPARUST_LOG_FORMAT=json suparust start
`
}

// Run serves until a signal comes, or starts a server in the background.
func (c startCommand) Run(a *app) error {
	if c.Daemon && c.ExitWithStdin {
		return usageError{"--daemon and --exit-with-stdin cannot be used together: a server in the background has no standard input"}
	}
	s, err := a.settings(c.settingFlags)
	if err != nil {
		return err
	}
	if s.config.Logger, err = a.logger(s.environ.lookup); err != nil {
		return err
	}
	s.config.Snapshot = c.Snapshot
	switch {
	case c.Detached:
		return c.serveDetached(a, s)
	case c.Daemon:
		return c.startDaemon(a, s)
	}
	return c.serve(a, s, func(st serverState) error {
		fmt.Fprintf(a.Out, "suparust is running. Stop it with Ctrl-C or `suparust stop%s`.\n", a.id.flags())
		a.banner(st.Values)
		return nil
	})
}

// banner tells a person everything; where output is kept, in a container's log, it keeps secrets out.
func (a *app) banner(values map[string]string) {
	terminal := isTerminal(a.Out)
	printNames(a.Out, values, terminal)
	if !terminal {
		fmt.Fprintf(a.Out, "`suparust status%s` shows the database's URL and the secret keys.\n", a.id.flags())
	}
}
