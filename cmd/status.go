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
	return `Exits with 0 when the server runs and with 3 when it does not.

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
	running, err := s.running(a)
	if err != nil {
		return err
	}
	server, err := choose(running, c.Port)
	if err != nil {
		return err
	}
	if server == nil {
		if c.Output == "text" {
			fmt.Fprintln(a.Out, "Status: STOPPED")
		}
		return exitStatus(exitStopped)
	}
	keys, err := s.config.CompleteKeys()
	if err != nil {
		return err
	}
	database, err := s.databaseURL()
	if err != nil {
		return err
	}
	list := names(s.apiURL(server.port), database, s.config.Mail.URLBeside(server.port), keys, s.config.Storage.S3Protocol)
	switch c.Output {
	case "json":
		return printJSON(a.Out, list)
	case "env":
		for _, n := range list {
			fmt.Fprintf(a.Out, "%s=%s\n", n.name, strconv.Quote(n.value))
		}
		return nil
	}
	fmt.Fprintf(a.Out, "Status: RUNNING (PID %d, uptime %s)\n", server.pid, uptime(time.Since(server.since)))
	printNames(a.Out, list)
	return nil
}

// printJSON keeps the order of the names.
func printJSON(out io.Writer, names []named) error {
	text := "{"
	for i, n := range names {
		value, err := json.Marshal(n.value)
		if err != nil {
			return err
		}
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf("\n  %q: %s", n.name, value)
	}
	_, err := io.WriteString(out, text+"\n}\n")
	return err
}

func printNames(out io.Writer, names []named) {
	for _, n := range names {
		if n.title != "" {
			fmt.Fprintf(out, "  %-18s %s\n", n.title+":", n.value)
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
