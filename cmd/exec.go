package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/suparust/suparust/server"
)

type execCommand struct {
	Workdir  string   `help:"Use the project in DIR, the folder that contains supabase/, instead of searching upward." placeholder:"DIR" type:"path"`
	Snapshot string   `help:"Start from the snapshot NAME instead of the migrations and seeds." placeholder:"NAME"`
	Keep     bool     `help:"Keep the database and the files afterwards, and say how to open them."`
	Log      string   `help:"Write the server's log to FILE; - is standard error." placeholder:"FILE"`
	Command  []string `arg:"" name:"command" optional:"" passthrough:"partial" help:"The command and its arguments."`
}

// Help is shown by `suparust exec --help`.
func (execCommand) Help() string {
	return `The backend has the project's migrations and seeds, is on free ports of loopback, and shares the prepared template with
the test fixture. The command finds it in its environment:

    SUPABASE_URL SUPABASE_ANON_KEY SUPABASE_SERVICE_ROLE_KEY SUPABASE_PUBLISHABLE_KEY SUPABASE_SECRET_KEY
    SUPABASE_JWT_SECRET SUPABASE_DB_URL DATABASE_URL MAILPIT_URL INBUCKET_URL SUPARUST_CONTROL_URL SUPARUST_CONTROL_TOKEN

and its URL and public keys also as NEXT_PUBLIC_SUPABASE_…, VITE_…, PUBLIC_…, EXPO_PUBLIC_… and NUXT_PUBLIC_….

The exit code is the command's, or 128 and the signal that ended it; 127 when there is no such command, 126 when it cannot
be executed, 125 when the backend could not be started. Signals are passed on. What the command has left running ends, too.
The server's last log lines are shown when the command fails.

Examples:

    suparust exec -- npm test
    suparust exec -- pytest -x
    suparust exec -- sh -c 'psql "$DATABASE_URL" -c "select * from auth.users"'
    suparust --profile test exec --log server.log -- go test ./...
    suparust exec --snapshot seeded -- npm run e2e
    suparust exec --keep -- npm run e2e
`
}

// Exit codes of exec beside those of the command.
const (
	exitBackend       = 125
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignal        = 128 // and the signal's number
)

// execDrain is how long requests may take that are under way when the command has ended.
const execDrain = 200 * time.Millisecond

// execLogLines is how much of the server's log is shown when the command fails.
const execLogLines = 20

// Run starts the backend, runs the command and ends both.
func (c execCommand) Run(a *app) (err error) {
	if len(c.Command) > 0 && c.Command[0] == "--" {
		c.Command = c.Command[1:]
	}
	if len(c.Command) == 0 {
		return usageError{"exec needs a command: suparust exec -- npm test"}
	}
	path, err := a.lookCommand(c.Command[0])
	if err != nil {
		return err
	}
	relay := newRelay()
	defer relay.close()
	s, err := a.settings(settingFlags{Workdir: c.Workdir})
	if err != nil {
		return err
	}
	log, closeLog, err := c.openLog(a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLog()) }()
	kept, err := c.configure(a, s, log)
	var srv *server.Server
	if err == nil {
		srv, err = c.start(relay, s.config)
	}
	if err != nil {
		var status exitStatus
		var usage usageError
		if errors.As(err, &status) || errors.As(err, &usage) {
			return err
		}
		fmt.Fprintf(a.Err, "suparust: the backend could not be started: %s\n", strings.TrimRight(err.Error(), "\n"))
		return exitStatus(exitBackend)
	}
	mailbox, err := srv.MailURL()
	code := exitBackend
	if err == nil {
		env := slices.Concat(a.environ, server.ClientEnviron(srv.URL(), srv.DatabaseURL(), srv.Keys()), []string{"MAILPIT_URL=" + mailbox, "INBUCKET_URL=" + mailbox},
			srv.ControlAccess().Environ())
		code, err = a.runChild(relay, path, c.Command, env)
	}
	ctx, cancel := context.WithTimeout(context.Background(), execDrain)
	defer cancel()
	if stopErr := srv.Shutdown(ctx); stopErr != nil && ctx.Err() == nil {
		err = errors.Join(err, stopErr)
	}
	if err != nil {
		fmt.Fprintf(a.Err, "suparust: %s\n", strings.TrimRight(err.Error(), "\n"))
	}
	if code != exitOK {
		log.show(a.Err, fmt.Sprintf("%s ended with %d; the server's last log lines (--log FILE writes all of them):", c.Command[0], code))
	}
	if kept != "" {
		fmt.Fprintf(a.Err, "Kept the database and the files in %s. To open them, with no other server of this folder running:\n\n    SUPARUST_DB_DATA_DIR=%s SUPARUST_STORAGE_ROOT=%s suparust%s start\n\n",
			kept, shellWord(filepath.Join(kept, "postgres")), shellWord(filepath.Join(kept, "storage")), a.id.flags())
	}
	if code == exitOK && err != nil {
		code = exitBackend
	}
	if code != exitOK {
		return exitStatus(code)
	}
	return nil
}

// lookCommand finds the program of a command before anything is started.
func (a *app) lookCommand(name string) (string, error) {
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrDot) {
		err = fs.ErrNotExist // in the working directory, where a shell does not look either
	}
	if err == nil {
		return path, nil
	}
	code, text := exitNotFound, fmt.Sprintf("the command %s was not found in PATH; install it, or write the path of its file", name)
	if strings.ContainsRune(name, filepath.Separator) {
		info, statErr := os.Stat(name)
		switch {
		case statErr != nil:
			text = fmt.Sprintf("the command %s does not exist; correct its path", name)
		case info.IsDir():
			code, text = exitNotExecutable, fmt.Sprintf("the command %s is a folder; name the program in it", name)
		default:
			code, text = exitNotExecutable, fmt.Sprintf("the command %s cannot be executed; make it so with `chmod +x %s`", name, name)
		}
	}
	fmt.Fprintf(a.Err, "suparust: %s\n", text)
	return "", exitStatus(code)
}

// configure makes the settings those of a backend for one command. kept is the folder that stays, "" when none does.
func (c execCommand) configure(a *app, s *settings, log *execLog) (kept string, err error) {
	cfg := &s.config
	var from *server.Snapshot
	if c.Snapshot != "" {
		if from, err = server.OpenSnapshot(*cfg, c.Snapshot); err != nil {
			return "", err
		}
	}
	cfg.Ephemeral()
	cfg.From = from
	cfg.Progress = a.Err
	cfg.Control = true // as the test fixture: the clock and the users are the command's
	if cfg.Auth.OAuth.Fake == "" {
		cfg.Auth.OAuth.Fake = server.FakeOAuthAll
	}
	if c.Keep {
		kept = filepath.Join("data", "exec", time.Now().Format("20060102-150405.000"))
		if root, err := projectRoot(c.Workdir); err != nil {
			return "", err
		} else if root != "" {
			kept = filepath.Join(root, "supabase", ".temp", "suparust", "exec", filepath.Base(kept))
		}
		if kept, err = filepath.Abs(kept); err != nil {
			return "", err
		}
		cfg.Database.DataDir, cfg.Storage.Root = filepath.Join(kept, "postgres"), filepath.Join(kept, "storage")
	} else {
		cfg.Auth.CheapPasswords = true
		cfg.Auth.Email.MaxFrequency, cfg.Auth.Phone.MaxFrequency = -1, -1
	}
	logging := *a
	logging.Err = log
	cfg.Logger, err = logging.logger(func(name string) (string, bool) {
		v, ok := s.environ.lookup(name)
		if name == "SUPARUST_LOG_FORMAT" && v == "" && c.Log == "" {
			return "pretty", true // for the eyes alone
		}
		return v, ok
	})
	if err != nil {
		return "", err
	}
	s.tell(cfg.Logger)
	return kept, nil
}

// start starts the backend. A signal that comes first ends it.
func (c execCommand) start(r *relay, cfg server.Config) (*server.Server, error) {
	srv, err := server.New(cfg)
	if err != nil {
		return nil, err
	}
	ctx, settled := r.untilSignal()
	err = srv.Start(ctx)
	if sig := settled(); sig != 0 {
		if err == nil {
			end, cancel := context.WithTimeout(context.Background(), execDrain)
			defer cancel()
			_ = srv.Shutdown(end) // the signal is what is told
		}
		return nil, exitStatus(exitSignal + sig)
	}
	return srv, err
}

// openLog opens where the server's log goes.
func (c execCommand) openLog(a *app) (*execLog, func() error, error) {
	switch c.Log {
	case "":
		return &execLog{tail: true}, func() error { return nil }, nil
	case "-":
		return &execLog{out: a.Err}, func() error { return nil }, nil
	}
	f, err := os.OpenFile(c.Log, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot write the log %s: %w; name another file with --log", c.Log, pathless(err))
	}
	return &execLog{out: f}, f.Close, nil
}

// shellWord writes a text so that a shell reads it as one word.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+=,") == "" && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// execLog is the server's log: written out, or its last lines kept.
type execLog struct {
	out   io.Writer
	tail  bool
	mu    sync.Mutex
	lines [][]byte
}

// Write takes one record.
func (l *execLog) Write(record []byte) (int, error) {
	if !l.tail {
		return l.out.Write(record)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, bytes.Clone(record[:min(len(record), 4<<10)]))
	if len(l.lines) > execLogLines {
		l.lines = append(l.lines[:0], l.lines[1:]...)
	}
	return len(record), nil
}

// show writes the kept lines below a title, nothing when there are none.
func (l *execLog) show(out io.Writer, title string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == 0 {
		return
	}
	fmt.Fprintf(out, "suparust: %s\n", title)
	for _, line := range l.lines {
		fmt.Fprintf(out, "  %s\n", bytes.TrimRight(line, "\n"))
	}
}
