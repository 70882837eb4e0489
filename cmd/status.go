package cmd

import (
	"fmt"
	"time"
)

type statusCommand struct {
	Output       string   `help:"Print as text (or pretty, its other name), json, env, yaml or toml, with the names of the Supabase CLI." short:"o" enum:"text,pretty,json,env,yaml,toml" default:"text" placeholder:"FORMAT"`
	OverrideName []string `help:"Print a value under another name: api.url=NEXT_PUBLIC_SUPABASE_URL." placeholder:"OPTION=NAME"`
	Workdir      string   `help:"Show the server of the project in DIR, the folder that contains supabase/." placeholder:"DIR" type:"path"`
	Port         int      `help:"Show the server on this port, when several run." short:"p" placeholder:"PORT"`
}

// Help is shown by `suparust status --help`.
func (statusCommand) Help() string {
	return `Exits with 0 when the server runs, and with 3 when it does not or does not serve yet.

Examples:

    suparust status
    suparust status -o env > .env.local
    suparust status -o env --override-name api.url=NEXT_PUBLIC_SUPABASE_URL,auth.anon_key=NEXT_PUBLIC_SUPABASE_ANON_KEY
    suparust --profile test status
`
}

// Run shows the server's state.
func (c statusCommand) Run(a *app) error {
	if _, err := overridden(nil, c.OverrideName); err != nil {
		return err
	}
	s, err := a.settings(settingFlags{Port: c.Port, Workdir: c.Workdir})
	if err != nil {
		return err
	}
	server, err := a.runningServer(s, c.Port)
	if err != nil {
		return err
	}
	if server == nil {
		if encodings[c.Output] == nil {
			fmt.Fprintln(a.Out, "Status: STOPPED")
		}
		return exitStatus(exitStopped)
	}
	if !server.state.known() {
		if encodings[c.Output] == nil {
			fmt.Fprintf(a.Out, "Status: RUNNING (PID %d)\n", server.pid)
		}
		return fmt.Errorf("the file %s, in which the server tells its addresses and keys, was removed; `suparust restart%s` writes it anew", statePath(server.path), a.id.flags())
	}
	if !server.state.Serving {
		if encodings[c.Output] == nil {
			fmt.Fprintf(a.Out, "Status: STARTING (PID %d)\n", server.pid)
		}
		return exitStatus(exitStopped)
	}
	if encode := encodings[c.Output]; encode != nil {
		values, err := overridden(server.state.Values, c.OverrideName)
		if err != nil {
			return err
		}
		return encode(a.Out, values)
	}
	fmt.Fprintf(a.Out, "Status: RUNNING (PID %d, uptime %s)\n", server.pid, uptime(time.Since(server.state.Started)))
	printNames(a.Out, server.state.Values, true)
	return nil
}

// uptime writes 2h 14m 33s.
func uptime(d time.Duration) string {
	d = d.Truncate(time.Second)
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case h > 0:
		return fmt.Sprintf("%dh %dm %ds", h, m, s)
	case m > 0:
		return fmt.Sprintf("%dm %ds", m, s)
	}
	return fmt.Sprintf("%ds", s)
}
