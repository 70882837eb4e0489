package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"
)

type statusCommand struct {
	Output  string `help:"Print as text, json or env, with the names of the Supabase CLI." short:"o" enum:"text,json,env" default:"text" placeholder:"FORMAT"`
	Workdir string `help:"Show the server of the project in DIR, the folder that contains supabase/." placeholder:"DIR" type:"path"`
	Port    int    `help:"Show the server on this port, when several run." short:"p" placeholder:"PORT"`
}

// Help is shown by `suparust status --help`.
func (statusCommand) Help() string {
	return `Exits with 0 when the server runs, and with 3 when it does not or does not serve yet.

Examples:

    suparust status
    suparust status -o env > .env.local
    suparust --profile test status
`
}

// Run shows the server's state.
func (c statusCommand) Run(a *app) error {
	s, err := a.settings(settingFlags{Port: c.Port, Workdir: c.Workdir})
	if err != nil {
		return err
	}
	server, err := a.runningServer(s, c.Port)
	if err != nil {
		return err
	}
	if server == nil {
		if c.Output == "text" {
			fmt.Fprintln(a.Out, "Status: STOPPED")
		}
		return exitStatus(exitStopped)
	}
	if !server.state.known() {
		if c.Output == "text" {
			fmt.Fprintf(a.Out, "Status: RUNNING (PID %d)\n", server.pid)
		}
		return fmt.Errorf("the file %s, in which the server tells its addresses and keys, was removed; `suparust restart%s` writes it anew", statePath(server.path), a.id.flags())
	}
	if !server.state.Serving {
		if c.Output == "text" {
			fmt.Fprintf(a.Out, "Status: STARTING (PID %d)\n", server.pid)
		}
		return exitStatus(exitStopped)
	}
	switch c.Output {
	case "json":
		return printJSON(a.Out, server.state.Values)
	case "env":
		for _, n := range names {
			if v, ok := server.state.Values[n.name]; ok {
				fmt.Fprintf(a.Out, "%s=%s\n", n.name, strconv.Quote(v))
			}
		}
		return nil
	}
	fmt.Fprintf(a.Out, "Status: RUNNING (PID %d, uptime %s)\n", server.pid, uptime(time.Since(server.state.Started)))
	printNames(a.Out, server.state.Values, true)
	return nil
}

// printJSON keeps the order of the names.
func printJSON(out io.Writer, values map[string]string) error {
	text, between := "{", ""
	for _, n := range names {
		v, ok := values[n.name]
		if !ok {
			continue
		}
		value, err := json.Marshal(v)
		if err != nil {
			return err
		}
		text += fmt.Sprintf("%s\n  %q: %s", between, n.name, value)
		between = ","
	}
	_, err := io.WriteString(out, text+"\n}\n")
	return err
}

func printNames(out io.Writer, values map[string]string, secrets bool) {
	for _, n := range names {
		if v, ok := values[n.name]; ok && n.title != "" && (secrets || !n.secret) {
			fmt.Fprintf(out, "  %-18s %s\n", n.title+":", v)
		}
	}
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
