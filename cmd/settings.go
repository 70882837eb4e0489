package cmd

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
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
	flags := map[string]string{"SUPARUST_BIND_ADDR": f.Bind}
	if f.Control {
		flags["SUPARUST_CONTROL"] = "true"
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
	if err := s.config.FromEnv(withFlags, func(n server.Note) { s.notes = append(s.notes, n) }, s.environ.names()...); err != nil {
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

// named is a value under the name that the Supabase CLI gives it, with a title for people.
type named struct {
	name, title string
	secret      bool
}

// names are the addresses and keys of a server, in the order of the Supabase CLI.
var names = []named{
	{"API_URL", "API URL", false},
	{"REST_URL", "", false},
	{"STORAGE_S3_URL", "S3 URL", false},
	{"DB_URL", "Database URL", true},
	{"INBUCKET_URL", "", false},
	{"MAILPIT_URL", "Mailbox", false},
	{"PUBLISHABLE_KEY", "Publishable key", false},
	{"SECRET_KEY", "Secret key", true},
	{"JWT_SECRET", "JWT secret", true},
	{"ANON_KEY", "Anon key", false},
	{"SERVICE_ROLE_KEY", "Service role key", true},
	{"S3_PROTOCOL_ACCESS_KEY_ID", "S3 access key", false},
	{"S3_PROTOCOL_ACCESS_KEY_SECRET", "S3 secret key", true},
	{"S3_PROTOCOL_REGION", "S3 region", false},
}

// values are the addresses and keys of a server, by name. What is not served, and keys that a JWT secret without a shared
// key cannot make, are left out.
func values(api, database, mailbox string, keys server.Keys, s3 server.S3ProtocolConfig) map[string]string {
	s3URL := api + "/storage/v1/s3"
	if s3.Disabled || s3.AccessKeyID == "" {
		s3, s3URL = server.S3ProtocolConfig{}, ""
	}
	all := map[string]string{
		"API_URL":                       api,
		"REST_URL":                      api + "/rest/v1",
		"STORAGE_S3_URL":                s3URL,
		"DB_URL":                        database,
		"INBUCKET_URL":                  mailbox,
		"MAILPIT_URL":                   mailbox,
		"PUBLISHABLE_KEY":               keys.PublishableKey,
		"SECRET_KEY":                    keys.SecretKey,
		"JWT_SECRET":                    keys.JWTSecret,
		"ANON_KEY":                      keys.AnonKey,
		"SERVICE_ROLE_KEY":              keys.ServiceRoleKey,
		"S3_PROTOCOL_ACCESS_KEY_ID":     s3.AccessKeyID,
		"S3_PROTOCOL_ACCESS_KEY_SECRET": s3.SecretAccessKey,
		"S3_PROTOCOL_REGION":            s3.Region,
	}
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	return all
}
