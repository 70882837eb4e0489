package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"slices"
)

type logsCommand struct {
	Lines   int    `help:"Show the last N lines; 0 shows none." short:"n" default:"50" placeholder:"N"`
	Follow  bool   `help:"Go on with what is logged until the server ends." short:"f"`
	Port    int    `help:"Show the log of the server on this port, when several run." short:"p" placeholder:"PORT"`
	Workdir string `help:"Show the log of the project in DIR, the folder that contains supabase/." placeholder:"DIR" type:"path"`
}

// Help is shown by `suparust logs --help`.
func (logsCommand) Help() string {
	return `Shows the end of the log of the server in the background: of the one that runs, else of the last one. A file that is
rotated away is followed into the new one.

Examples:

    suparust logs
    suparust logs --lines 200
    suparust logs --follow
    suparust logs -n 0 -f --profile test
`
}

// Run shows the log.
func (c logsCommand) Run(a *app) error {
	if c.Lines < 0 {
		return usageError{"--lines takes a number from 0"}
	}
	s, err := a.settings(settingFlags{Port: c.Port, Workdir: c.Workdir})
	if err != nil {
		return err
	}
	server, err := a.runningServer(s, c.Port)
	if err != nil {
		return err
	}
	path := s.logPath(a.id)
	if server != nil {
		if server.state.known() && !server.state.Daemon {
			return fmt.Errorf("the server with PID %d runs in the foreground: its log is where it was started; `suparust restart%s` takes it to the background", server.pid, a.id.flags())
		}
		if server.state.LogFile != "" {
			path = server.state.LogFile
		}
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no log %s; a server that is started with `suparust start%s --daemon` writes one", path, a.id.flags())
	}
	if err != nil {
		return fmt.Errorf("cannot read the log %s: %w", path, pathless(err))
	}
	end, err := showTail(a.Out, f, c.Lines)
	if err != nil || !c.Follow || server == nil {
		return errors.Join(err, f.Close())
	}
	ctx, stop := signal.NotifyContext(context.Background(), endSignals()...)
	defer stop()
	ended := func() bool {
		now, err := s.running(a)
		return err == nil && !slices.ContainsFunc(now, func(i instance) bool { return i.pid == server.pid })
	}
	return follow(ctx, a.Out, f, path, end, ended)
}
