package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
)

// detachedFlag makes a start the server in the background itself.
const detachedFlag = "--detached"

// daemonReport is what a server in the background tells, on its standard output, to who started it: notes while it comes
// up, then either that it serves or why it cannot.
type daemonReport struct {
	Note    string `json:"note,omitempty"`
	Serving bool   `json:"serving,omitempty"`
	Error   string `json:"error,omitempty"`
}

// logPath is the file that a server in the background logs to. Each identity has its own.
func (s *settings) logPath(id identity) string {
	if path, _ := s.environ.lookup("SUPARUST_LOG_FILE"); path != "" {
		return path
	}
	if id == (identity{}) {
		return filepath.Join(s.base, "app.log")
	}
	return filepath.Join(s.base, "app."+id.name()+".log")
}

// startDaemon starts a server in the background and returns when it serves. Where it cannot, the end of its log is
// shown and nothing is left running.
func (c startCommand) startDaemon(a *app, s *settings) error {
	path := s.logPath(a.id)
	log, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("cannot write the log %s: %w; run suparust in a folder that can be written, or set SUPARUST_LOG_FILE", path, pathless(err))
	}
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return errors.Join(fmt.Errorf("cannot append to the log %s: %w", path, pathless(err)), log.Close())
	}
	reports, reporting, err := os.Pipe()
	if err != nil {
		return errors.Join(err, log.Close())
	}
	defer reports.Close()
	ctx, stop := signal.NotifyContext(context.Background(), endSignals()...)
	defer stop()
	child, err := suparustItself(append(slices.Clone(a.args), detachedFlag))
	if err == nil {
		child.Env, child.Stdout, child.Stderr = a.environ, reporting, log
		detach(child)
		err = child.Start()
	}
	if err = errors.Join(err, reporting.Close(), log.Close()); err != nil {
		return fmt.Errorf("cannot start a server in the background: %w", err)
	}
	defer context.AfterFunc(ctx, func() {
		stop()                                    // a second signal ends this command at once
		_ = child.Process.Signal(syscall.SIGTERM) // it says itself why it does not serve, or is gone
	})()
	reason := ""
	for in := json.NewDecoder(reports); ; {
		var report daemonReport
		if err := in.Decode(&report); err != nil {
			break // it has ended
		}
		switch {
		case report.Note != "":
			fmt.Fprintln(a.Err, report.Note)
		case report.Error != "":
			reason = report.Error
		case report.Serving:
			return a.daemonServes(s, child, path)
		}
	}
	state, err := child.Process.Wait()
	if err != nil {
		return fmt.Errorf("the server in the background: %w", err)
	}
	if tail, err := tailOf(path, from, 20); err == nil && tail != "" {
		fmt.Fprintf(a.Err, "The end of %s:\n%s\n", path, tail)
	}
	if reason == "" {
		reason = fmt.Sprintf("the server ended before it served: %s", state)
	}
	return errors.New(reason)
}

// daemonServes tells of the server that was started.
func (a *app) daemonServes(s *settings, child *exec.Cmd, log string) error {
	pid := child.Process.Pid
	if err := child.Process.Release(); err != nil {
		return err
	}
	running, err := s.running(a)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(running, func(i instance) bool { return i.pid == pid })
	if i < 0 {
		return fmt.Errorf("the server in the background has ended again; its log is %s", log)
	}
	fmt.Fprintf(a.Out, "suparust is running in the background (PID %d) and logs to %s. Stop it with `suparust stop%s`.\n", pid, log, a.id.flags())
	a.banner(running[i].state.Values)
	return nil
}

// serveDetached is the server in the background.
func (c startCommand) serveDetached(a *app, s *settings) error {
	ignoreBrokenPipe() // who started it may have ended
	reports := json.NewEncoder(a.Out)
	var served atomic.Bool
	report := func(r daemonReport) {
		if !served.Load() {
			_ = reports.Encode(r) // nobody listens any more: it serves all the same
		}
	}
	s.config.Progress = lineWriter(func(line string) {
		s.config.Logger.Info(line)
		report(daemonReport{Note: line})
	})
	err := c.serve(a, s, func(serverState) error {
		report(daemonReport{Serving: true})
		served.Store(true)
		return closeOutput()
	})
	if err != nil {
		s.config.Logger.Error("suparust has ended", "error", err)
		report(daemonReport{Error: err.Error()})
		return exitStatus(exitFailure)
	}
	return nil
}

// suparustItself is the command that runs this program with other arguments.
func suparustItself(args []string) (*exec.Cmd, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program itself: %w", err)
	}
	cmd := exec.Command(path, args...)
	cmd.Args[0] = os.Args[0]
	return cmd, nil
}

// lineWriter calls a function for every line that is written to it.
type lineWriter func(line string)

// Write takes whole lines.
func (w lineWriter) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		if line = strings.TrimSpace(line); line != "" {
			w(strings.TrimPrefix(line, "suparust: "))
		}
	}
	return len(p), nil
}
