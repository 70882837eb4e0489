package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is a process of this user that listens on a port.
type process struct {
	pid     int
	program string   // the name of its program's file
	files   []string // the paths it has open; those that were removed, too
}

// pidFileOf returns the PID file that a server holds open, which may be removed by now, and what it tells of itself.
func (p process) pidFileOf(port int) (path string, st serverState) {
	for _, file := range p.files {
		if st, err := readState(file, p.pid); err == nil && st.Port == port {
			return file, st
		}
	}
	for _, file := range p.files {
		if name := filepath.Base(file); strings.HasPrefix(name, ".suparust.") && strings.HasSuffix(name, "."+strconv.Itoa(port)+".pid") {
			return file, serverState{PID: p.pid}
		}
	}
	return "", serverState{}
}

// byPort finds the server of this identity and folder through the port that it listens on, for when its PID file is gone,
// and says so. Whatever else listens there is left alone: nil when it is no suparust of this user, or that of another
// identity or folder.
func (s *settings) byPort(a *app) (*instance, error) {
	port := s.config.Port
	p, err := listener(port)
	if err != nil || p == nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program itself: %w", err)
	}
	path, st := p.pidFileOf(port)
	if path == "" || p.program != filepath.Base(self) && p.program != "suparust" {
		return nil, nil
	}
	ours, err := filepath.Abs(s.pidPath(a.id, port))
	if err != nil {
		return nil, err
	}
	folder, err := filepath.Abs(s.base)
	if err != nil {
		return nil, err
	}
	if path != ours && (st.Identity != a.id.name() || st.Folder != folder) {
		fmt.Fprintf(a.Err, "Port %d is served by another suparust, PID %d with the PID file %s; it is left alone.\n", port, p.pid, path)
		return nil, nil
	}
	held, err := runningPID(path)
	if err != nil {
		return nil, err
	}
	how := "Its PID file is " + path
	if held != p.pid {
		how = "Its PID file is gone"
	}
	fmt.Fprintf(a.Err, "%s; the server was found through its port %d: PID %d.\n", how, port, p.pid)
	return &instance{path: path, pid: p.pid, port: port, lost: held != p.pid, state: st}, nil
}
