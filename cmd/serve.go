package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/suparust/suparust/server"
)

// drain is how long requests under way may take after the signal to stop.
const drain = 10 * time.Second

// serve serves until a signal comes. ready is called once requests are answered.
func (c startCommand) serve(a *app, s *settings, ready func(serverState) error) (err error) {
	log := s.config.Logger
	if s.config.Progress == nil {
		s.config.Progress = a.progress(log)
	}
	s.tell(log)
	ctx, stop := signal.NotifyContext(context.Background(), endSignals()...)
	if c.ExitWithStdin {
		var ended context.CancelFunc
		ctx, ended = untilStdinCloses(ctx)
		defer ended()
	}
	heard := hearSignals() // one that comes early must not end the process
	defer heard.stop()
	var hearing sync.WaitGroup
	defer hearing.Wait()
	defer stop()
	hearing.Go(func() { c.hearLog(ctx, a, s, heard) })

	port := s.config.Port
	var pid *pidFile
	defer func() {
		if pid != nil {
			err = errors.Join(err, pid.remove())
		}
	}()
	if port != 0 {
		if pid, err = c.claim(a, s, port); err != nil {
			return err
		}
	}
	if s.config.NeedsSecret() {
		if err := s.environ.generateSecret(); err != nil {
			return err
		}
		s.config.Keys.JWTSecret, _ = s.environ.lookup(jwtSecret)
		fmt.Fprintf(s.config.Progress, "suparust: wrote a new JWT secret to %s\n", s.environ.path)
	}
	srv, err := server.New(s.config)
	if err != nil {
		return err
	}
	if err := srv.Start(ctx); err != nil {
		if ctx.Err() != nil {
			return errors.New("stopped by a signal before it served")
		}
		return err
	}
	defer func() {
		stop() // a second signal ends the process at once
		end, cancel := context.WithTimeout(context.Background(), drain)
		defer cancel()
		err = errors.Join(err, srv.Shutdown(end))
		if err == nil {
			log.Info("suparust has stopped")
		}
	}()
	if port == 0 {
		port = srv.Port()
		if pid, err = c.claim(a, s, port); err != nil {
			return err
		}
	}
	st, err := c.state(a, s, port)
	if err != nil {
		return err
	}
	if err := st.serves(s, srv); err != nil {
		return err
	}
	if err := pid.writeState(st); err != nil {
		return err
	}
	log.Info("suparust serves", "url", srv.URL(), "version", server.Version, "pid", st.PID)
	if err := ready(st); err != nil {
		return err
	}
	hearing.Go(func() {
		for {
			select {
			case <-heard.schema:
				reload(ctx, s, "schema", srv.ReloadSchema)
			case <-heard.settings:
				reload(ctx, s, "settings", func(ctx context.Context) error {
					return errors.Join(c.reconfigure(ctx, a, s, srv), st.serves(s, srv), pid.writeState(st))
				})
			case <-ctx.Done():
				return
			}
		}
	})
	err = srv.Wait(ctx)
	if err == nil {
		log.Info("stopping: requests under way may end", "within", drain.String())
	}
	stop()
	hearing.Wait()
	return err
}

// hearLog opens the log's file anew whenever SIGHUP asks for it.
func (c startCommand) hearLog(ctx context.Context, a *app, s *settings, heard signals) {
	for {
		select {
		case <-heard.log:
			if !c.Detached {
				s.config.Logger.Info("there is no log file to open anew: this server logs to its standard error")
				continue
			}
			if err := reopenLog(s.logPath(a.id)); err != nil {
				s.config.Logger.Error("the log goes on where it was", "error", err)
				continue
			}
			s.config.Logger.Info("opened the log anew")
		case <-ctx.Done():
			return
		}
	}
}

// reload reads the schema or the settings anew. A failure leaves the server with what it had.
func reload(ctx context.Context, s *settings, what string, read func(context.Context) error) {
	switch err := read(ctx); {
	case err == nil:
		s.config.Logger.Info("read the " + what + " anew")
	case ctx.Err() == nil:
		s.config.Logger.Error("reading the "+what+" anew failed; what was in force stays", "error", err)
	}
}

// reconfigure puts the settings as they are now in force.
func (c startCommand) reconfigure(ctx context.Context, a *app, s *settings, srv *server.Server) error {
	next, err := a.settings(c.settingFlags)
	if err != nil {
		return err
	}
	if next.config.Keys.JWTSecret == "" {
		next.config.Keys.JWTSecret = s.config.Keys.JWTSecret
	}
	return srv.Reconfigure(ctx, next.config)
}

// claim takes the PID file of a server on port and says beside it that it is starting.
func (c startCommand) claim(a *app, s *settings, port int) (*pidFile, error) {
	f, stale, err := lockPIDFile(s.pidPath(a.id, port))
	var running *alreadyRunning
	if errors.As(err, &running) {
		return nil, fmt.Errorf("%w; stop it with `suparust stop%s`, or choose another port with --port", err, a.id.flags())
	}
	if err != nil {
		return nil, err
	}
	if stale {
		s.config.Logger.Warn("replaced a stale PID file: its server has ended without cleaning up", "file", f.path)
	}
	st, err := c.state(a, s, port)
	if err == nil {
		err = f.writeState(st)
	}
	if err != nil {
		return nil, errors.Join(err, f.remove())
	}
	return f, nil
}

// state is what the server tells of itself before it serves.
func (c startCommand) state(a *app, s *settings, port int) (serverState, error) {
	dir, err := os.Getwd()
	if err != nil {
		return serverState{}, fmt.Errorf("the working directory is gone: %w", err)
	}
	folder, err := filepath.Abs(s.base)
	if err != nil {
		return serverState{}, err
	}
	st := serverState{PID: os.Getpid(), Identity: a.id.name(), Version: server.Version, Started: time.Now(),
		Port: port, Folder: folder, Dir: dir, Args: withoutSnapshot(a.args)}
	if c.Detached {
		st.Daemon = true
		st.Args = slices.DeleteFunc(st.Args, func(arg string) bool { return arg == detachedFlag })
		if st.LogFile, err = filepath.Abs(s.logPath(a.id)); err != nil {
			return serverState{}, err
		}
	}
	return st, nil
}

// serves adds how the server is reached.
func (st *serverState) serves(s *settings, srv *server.Server) error {
	mailbox := ""
	if !s.config.Mail.Disabled {
		var err error
		if mailbox, err = srv.MailURL(); err != nil {
			return err
		}
	}
	st.Serving = true
	st.Ephemeral = s.config.Database.DataDir == "" && s.config.Database.URL == ""
	var control server.ControlAccess
	if st.Control = srv.ControlAccess(); st.Control != nil {
		control = *st.Control
	}
	st.Values = values(srv.URL(), srv.DatabaseURL(), mailbox, srv.Keys(), s.config.Storage.S3Protocol, control)
	return nil
}
