//go:build unix

package cmd

import (
	"os"
	"os/signal"
	"syscall"
)

// signals are what a server hears beside the order to end. One that comes while another of its kind is worked on is
// heard after it.
type signals struct {
	schema   chan os.Signal // SIGUSR1: read the schema anew
	settings chan os.Signal // SIGUSR2: read the settings anew
	log      chan os.Signal // SIGHUP: open the log's file anew
}

func hearSignals() signals {
	s := signals{schema: make(chan os.Signal, 1), settings: make(chan os.Signal, 1), log: make(chan os.Signal, 1)}
	signal.Notify(s.schema, syscall.SIGUSR1)
	signal.Notify(s.settings, syscall.SIGUSR2)
	if !hasTerminal() {
		signal.Notify(s.log, syscall.SIGHUP)
	}
	return s
}

func (s signals) stop() {
	signal.Stop(s.schema)
	signal.Stop(s.settings)
	signal.Stop(s.log)
}

// endSignals are those that end a server: SIGHUP too, where it says that the server's terminal went away. Under nohup it
// is ignored and stays so.
func endSignals() []os.Signal {
	list := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if hasTerminal() && !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	return list
}

// hasTerminal reports whether the process hangs on a terminal.
func hasTerminal() bool {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	_ = f.Close() // nothing was written
	return true
}
