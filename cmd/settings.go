package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"

	"github.com/suparust/suparust/server"
)

// settingFlags are the settings that commands take as flags; they win over the environment.
type settingFlags struct {
	Port    int    `help:"Serve on PORT instead of SUPARUST_PORT or the project's port." short:"p" placeholder:"PORT"`
	Bind    string `help:"Listen on ADDR instead of SUPARUST_BIND_ADDR." placeholder:"ADDR"`
	Control bool   `help:"Answer what only tests ask for below /_suparust/v1: clock, mails, faults, snapshots."`

	ControlListen string `help:"Answer it on ADDR:PORT alone; beyond loopback only with SUPARUST_CONTROL_TOKEN." placeholder:"ADDR:PORT"`
	Ephemeral     bool   `help:"Keep nothing: the database and the files end with the server."`

	Workdir string `help:"Use the project in DIR, the folder that contains supabase/, instead of searching upward." placeholder:"DIR" type:"path"`
}

// settings are what a server of this identity is configured with.
type settings struct {
	config  server.Config
	environ *environ
	base    string // where PID files are, and .env: the project's folder, else the working directory
	notes   []server.Note
	project bool // there is a supabase/ folder
	own     bool // names that other programs use, too, are the app's
}

// settings reads the project, the environment and the flags, in this order: what comes later wins.
func (a *app) settings(f settingFlags) (*settings, error) {
	root, err := projectRoot(f.Workdir)
	if err != nil {
		return nil, err
	}
	s := &settings{config: server.DefaultConfig(), base: orDot(root)}
	if s.environ, err = readEnviron(a.environ, a.id, s.base); err != nil {
		return nil, err
	}
	lookup := s.environ.lookup
	if root != "" {
		warnings, err := s.config.LoadProject(root, lookup)
		if err != nil {
			return nil, usageError{err.Error()}
		}
		for _, text := range warnings {
			s.notes = append(s.notes, server.Note{Level: slog.LevelWarn, Text: text})
		}
		s.project, s.own = true, !a.id.required()
		lookup = s.environ.ownNames(a.id.required())
	}
	flags := map[string]string{"SUPARUST_BIND_ADDR": f.Bind, "SUPARUST_CONTROL_ADDR": f.ControlListen}
	if f.Control || f.ControlListen != "" {
		flags["SUPARUST_CONTROL"] = "true"
	}
	if f.Ephemeral {
		flags["SUPARUST_EPHEMERAL"] = "true"
	}
	if f.Port != 0 {
		flags["SUPARUST_PORT"] = strconv.Itoa(f.Port)
	}
	withFlags := func(name string) (string, bool) {
		if v := flags[name]; v != "" {
			return v, true
		}
		return lookup(name)
	}
	err = s.config.FromEnv(withFlags, func(n server.Note) { s.notes = append(s.notes, n) }, s.environ.names()...)
	_, logErr := readLogSettings(s.environ.lookup)
	var keyErr error
	if s.config.Keys.JWTSecret != "" {
		_, keyErr = s.config.CompleteKeys()
	}
	if err = errors.Join(err, keyErr, logErr); err != nil { // all that cannot be, at once
		return nil, usageError{err.Error()}
	}
	return s, nil
}

// tell logs the notes about the settings.
func (s *settings) tell(log *slog.Logger) {
	for _, n := range s.notes {
		log.Log(context.Background(), n.Level, n.Text)
	}
}

// projectRoot is the folder that contains supabase/, "" when there is none.
func projectRoot(workdir string) (string, error) {
	if workdir != "" {
		if _, err := os.Stat(filepath.Join(workdir, "supabase")); err != nil {
			return "", usageError{fmt.Sprintf("--workdir: %s has no supabase folder", workdir)}
		}
		return workdir, nil
	}
	root, _, err := server.FindProject(".")
	return root, err
}

func orDot(dir string) string {
	if dir == "" {
		return "."
	}
	return dir
}

// pidPath is where the PID file of a server on port is.
func (s *settings) pidPath(id identity, port int) string {
	if path, ok := s.environ.lookup("SUPARUST_PID_FILE"); ok && path != "" {
		return path
	}
	return filepath.Join(s.base, id.pidFile(port))
}

// running lists the identity's servers, and tells of stale PID files that were removed.
func (s *settings) running(a *app) ([]instance, error) {
	var list []instance
	var stale []string
	var err error
	if path, ok := s.environ.lookup("SUPARUST_PID_FILE"); ok && path != "" {
		list, stale, err = inspect(nil, nil, path, s.config.Port)
	} else {
		list, stale, err = instances(s.base, a.id)
	}
	for _, path := range stale {
		fmt.Fprintf(a.Err, "Removed the stale PID file %s: its server has ended without cleaning up.\n", path)
	}
	return list, err
}
