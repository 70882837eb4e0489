package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/suparust/suparust/server"
)

// serverState is what a living server tells of itself to other commands. It stands beside the PID file, for the eyes of
// this user alone, because the keys are in it.
type serverState struct {
	PID      int       `json:"pid"`
	Identity string    `json:"identity"` // local, profile.test, env.prod_env
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Serving  bool      `json:"serving"` // requests are answered
	Port     int       `json:"port"`

	// Values are the addresses and keys, by the names of the Supabase CLI: API_URL, DB_URL, ANON_KEY, …
	Values map[string]string `json:"values,omitempty"`
	// Control is where the control API is, when it is on.
	Control *server.ControlAccess `json:"control,omitempty"`

	Ephemeral bool `json:"ephemeral,omitempty"` // the database ends with it

	Daemon  bool     `json:"daemon"`             // it runs in the background
	LogFile string   `json:"log_file,omitempty"` // where it logs then
	Folder  string   `json:"folder"`             // whose server it is: the project's, else Dir
	Dir     string   `json:"dir"`                // the working directory it was started in
	Args    []string `json:"args"`               // what was typed, without the program's name
}

// statePath is the state file beside a PID file.
func statePath(pidPath string) string { return strings.TrimSuffix(pidPath, ".pid") + ".json" }

// writeState replaces the state file of a PID file that is held.
func (f *pidFile) writeState(st serverState) error {
	data, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return err
	}
	path := statePath(f.path)
	fail := func(err error) error {
		return fmt.Errorf("cannot write the state file %s: %w; run suparust in a folder that can be written, or set SUPARUST_PID_FILE", path, pathless(err))
	}
	next, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return fail(err)
	}
	_, err = next.Write(append(data, '\n'))
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return fail(errors.Join(err, os.Remove(next.Name())))
	}
	return nil
}

// awaitState reads the state of a server that holds its PID file: it writes it right after it took the file.
func awaitState(pidPath string, pid int) (st serverState, err error) {
	for deadline := time.Now().Add(200 * time.Millisecond); ; time.Sleep(5 * time.Millisecond) {
		if st, err = readState(pidPath, pid); err != nil || st.known() || time.Now().After(deadline) {
			return st, err
		}
	}
}

// known reports whether there is a state: somebody may have removed the file.
func (st *serverState) known() bool { return !st.Started.IsZero() }

// readState returns what the server with this PID wrote beside its PID file, no more than the PID where there is nothing.
func readState(pidPath string, pid int) (serverState, error) {
	path := statePath(pidPath)
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return serverState{PID: pid}, nil
	case err != nil:
		return serverState{}, fmt.Errorf("cannot read the state file %s: %w; run suparust as the user that started the server", path, pathless(err))
	}
	var st serverState
	if json.Unmarshal(data, &st) != nil || st.PID != pid {
		return serverState{PID: pid}, nil // left by a server that was killed
	}
	return st, nil
}

// removeState removes the state file beside a PID file.
func removeState(pidPath string) error {
	if err := os.Remove(statePath(pidPath)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove the state file: %w", err)
	}
	return nil
}

// runningServer returns the server of this identity, that on port or else the only one; nil when none runs. What it
// tells of itself is in its state.
func (a *app) runningServer(s *settings, port int) (*instance, error) {
	running, err := s.running(a)
	if err != nil {
		return nil, err
	}
	server, err := choose(running, port)
	if server != nil || err != nil {
		return server, err
	}
	return s.byPort(a)
}
