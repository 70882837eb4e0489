package cmd

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/suparust/suparust/server"
)

type startCommand struct {
	settingFlags
	ExitWithStdin bool `help:"Stop when standard input closes: for a program that starts the server and may be killed." name:"exit-with-stdin"`
}

// Help is shown by `suparust start --help`.
func (startCommand) Help() string {
	return `Serves the project whose supabase/ folder is found from here upward, with its ports and keys; without one, this
folder, on port 3000. A first start makes a JWT secret in .env and the database in data/.

Examples:

    suparust start
    suparust start --port 4000
    suparust --profile test start        settings of .env.test alone
    SUPARUST_LOG_FORMAT=json suparust start
`
}

// drain is how long requests under way may take after the signal to stop.
const drain = 10 * time.Second

// Run serves until a signal comes.
func (c startCommand) Run(a *app) (err error) {
	s, err := a.settings(c.settingFlags)
	if err != nil {
		return err
	}
	if s.config.Logger, err = a.logger(s.environ.lookup); err != nil {
		return err
	}
	s.config.Progress = a.Err
	for _, note := range s.notes {
		s.config.Logger.Warn(note)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if c.ExitWithStdin {
		var ended context.CancelFunc
		ctx, ended = untilStdinCloses(ctx)
		defer ended()
	}
	reloads, noMore := reloadSignals() // one that comes early must not end the process
	defer noMore()

	port := s.config.Port
	var pid *pidFile
	defer func() {
		if pid != nil {
			err = errors.Join(err, pid.remove())
		}
	}()
	if port != 0 {
		if pid, err = a.claim(s, port); err != nil {
			return err
		}
	}
	if s.config.NeedsSecret() {
		if err := s.environ.generateSecret(); err != nil {
			return err
		}
		s.config.Keys.JWTSecret, _ = s.environ.lookup(jwtSecret)
		fmt.Fprintf(a.Err, "Wrote a new JWT secret to %s.\n", s.environ.path)
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
	}()
	if port == 0 {
		if port, err = urlPort(srv.URL()); err != nil {
			return err
		}
		if pid, err = a.claim(s, port); err != nil {
			return err
		}
	}
	st, err := a.state(s, srv, port)
	if err != nil {
		return err
	}
	if err := pid.writeState(st); err != nil {
		return err
	}
	a.banner(st.Values)
	var reloading sync.WaitGroup
	reloading.Go(func() {
		for {
			select {
			case sig := <-reloads:
				c.reload(ctx, a, s, srv, sig)
				st.Values = values(srv.URL(), srv.DatabaseURL(), st.Values["MAILPIT_URL"], srv.Keys(), s.config.Storage.S3Protocol)
				if err := pid.writeState(st); err != nil {
					s.config.Logger.Error("the new keys are in force, but `suparust status` shows the old ones", "error", err)
				}
			case <-ctx.Done():
				return
			}
		}
	})
	err = srv.Wait(ctx)
	stop()
	reloading.Wait()
	return err
}

// reload reads the schema or the settings anew. A failure leaves the server with what it had.
func (c startCommand) reload(ctx context.Context, a *app, s *settings, srv *server.Server, what reloadKind) {
	log := s.config.Logger
	var err error
	if what == reloadSchema {
		err = srv.ReloadSchema(ctx)
	} else {
		var next *settings
		if next, err = a.settings(c.settingFlags); err == nil {
			if next.config.Keys.JWTSecret == "" {
				next.config.Keys.JWTSecret = s.config.Keys.JWTSecret
			}
			err = srv.Reconfigure(ctx, next.config)
		}
	}
	if err != nil {
		if ctx.Err() == nil {
			log.Error("reading the "+string(what)+" anew failed; what was in force stays", "error", err)
		}
		return
	}
	log.Info("read the " + string(what) + " anew")
}

// reloadKind is what a signal asks for.
type reloadKind string

const (
	reloadSchema   reloadKind = "schema"
	reloadSettings reloadKind = "settings"
)

// state is what the server tells of itself once it serves.
func (a *app) state(s *settings, srv *server.Server, port int) (serverState, error) {
	mailbox := ""
	if !s.config.Mail.Disabled {
		var err error
		if mailbox, err = srv.MailURL(); err != nil {
			return serverState{}, err
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		return serverState{}, fmt.Errorf("the working directory is gone: %w", err)
	}
	st := serverState{PID: os.Getpid(), Identity: a.id.name(), Version: server.Version, Started: time.Now(), Serving: true, Port: port, Dir: dir, Args: a.args}
	st.Values = values(srv.URL(), srv.DatabaseURL(), mailbox, srv.Keys(), s.config.Storage.S3Protocol)
	if s.config.Control {
		st.Control = &controlAccess{URL: srv.ControlURL(), Token: srv.ControlToken()}
	}
	return st, nil
}

// banner tells a person everything; where output is kept, in a container's log, it keeps secrets out.
func (a *app) banner(values map[string]string) {
	fmt.Fprintf(a.Out, "suparust is running. Stop it with Ctrl-C or `suparust%s stop`.\n", a.id.flags())
	terminal := isTerminal(a.Out)
	printNames(a.Out, values, terminal)
	if !terminal {
		fmt.Fprintf(a.Out, "`suparust%s status` shows the database's URL and the secret keys.\n", a.id.flags())
	}
}

// claim takes the PID file of a server on port.
func (a *app) claim(s *settings, port int) (*pidFile, error) {
	f, stale, err := lockPIDFile(s.pidPath(a.id, port))
	var running *alreadyRunning
	if errors.As(err, &running) {
		return nil, fmt.Errorf("%w; stop it with `suparust%s stop`, or choose another port with --port", err, a.id.flags())
	}
	if err != nil {
		return nil, err
	}
	if stale {
		fmt.Fprintf(a.Err, "Replaced the stale PID file %s: its server has ended without cleaning up.\n", f.path)
	}
	return f, nil
}

func urlPort(address string) (int, error) {
	u, err := url.Parse(address)
	if err != nil {
		return 0, fmt.Errorf("read the server's own address: %w", err)
	}
	return strconv.Atoi(u.Port())
}
