package cmd

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

type stopCommand struct {
	Port    int           `help:"Stop the server on this port, when several run." short:"p" placeholder:"PORT"`
	Workdir string        `help:"Stop the server of the project in DIR, the folder that contains supabase/." placeholder:"DIR" type:"path"`
	Timeout time.Duration `help:"Give up waiting after this time." default:"30s" placeholder:"DURATION"`
}

// Help is shown by `suparust stop --help`.
func (stopCommand) Help() string {
	return `The server finishes the requests it has, stops its PostgreSQL and ends; its data stays.

Examples:

    suparust stop
    suparust --profile test stop
    suparust stop --port 4000
`
}

// Run ends the server that holds the PID file.
func (c stopCommand) Run(a *app) error {
	s, err := a.settings(settingFlags{Port: c.Port, Workdir: c.Workdir})
	if err != nil {
		return err
	}
	server, err := a.runningServer(s, c.Port)
	if err != nil {
		return err
	}
	if server == nil {
		fmt.Fprintln(a.Out, "suparust is not running.")
		return nil
	}
	return a.end(server, c.Timeout)
}

// end lets a server end and waits for it.
func (a *app) end(server *instance, timeout time.Duration) error {
	process, err := os.FindProcess(server.pid)
	if err == nil {
		// what was found has the PID from here on: another process cannot get it unseen
		if err = server.found(); err == nil {
			err = process.Signal(syscall.SIGTERM)
		}
	}
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("no permission to stop the server with PID %d; run `suparust stop` as the user that started it", server.pid)
	case err != nil && !errors.Is(err, os.ErrProcessDone):
		return fmt.Errorf("cannot signal the server with PID %d: %w", server.pid, err)
	}
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		ended, err := server.ended()
		if err != nil {
			return err
		}
		if ended {
			fmt.Fprintf(a.Out, "suparust on port %d (PID %d) has stopped.\n", server.port, server.pid)
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return fmt.Errorf("the server with PID %d has not ended after %v; wait with `suparust stop --timeout 5m`, or end it with `kill -9 %d` (no acknowledged write is lost)",
				server.pid, timeout, server.pid)
		}
	}
}

// found returns an error unless the process still is the server that was looked for.
func (i *instance) found() error {
	var pid int
	var err error
	if i.lost {
		var p *process
		if p, err = listener(i.port); p != nil {
			pid = p.pid
		}
	} else {
		pid, err = runningPID(i.path)
	}
	if err == nil && pid != i.pid {
		err = os.ErrProcessDone
	}
	return err
}

// ended reports whether the server is gone, its PostgreSQL too.
func (i *instance) ended() (bool, error) {
	if i.lost {
		return !lives(i.pid), nil
	}
	pid, err := runningPID(i.path)
	return pid != i.pid, err
}

// choose picks the server on port, or the only one; nil when there is none.
func choose(running []instance, port int) (*instance, error) {
	if port != 0 {
		for i := range running {
			if running[i].port == port {
				return &running[i], nil
			}
		}
		return nil, nil
	}
	switch len(running) {
	case 0:
		return nil, nil
	case 1:
		return &running[0], nil
	}
	text := "several servers run here; choose one with --port:"
	for _, r := range running {
		text += fmt.Sprintf(" %d (PID %d)", r.port, r.pid)
	}
	return nil, usageError{text}
}
