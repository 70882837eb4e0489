//go:build unix

package pg

import (
	_ "embed"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// The watchdog is one small shell per process that reads from a pipe whose other end only we hold. When we die, by
// whatever cause, it reads end of file, stops the servers in our run roots and removes the roots. It needs nothing of
// the kernel but that, so it works where a parent-death signal does not exist, and it removes directories, which such
// a signal cannot.
//
//go:embed watchdog.sh
var watchdogScript string

type watchdogPipe struct {
	mu   sync.Mutex
	pipe io.WriteCloser
	cmd  *exec.Cmd
}

var watchdog watchdogPipe

// Guard has the processes of a command ended, SIGTERM first, should this process die before release is called, by whatever
// cause. target is what kill(2) takes: a process, or a process group as a negative number. Where the system shows the
// environment of processes, it is those whose environment holds mark, wherever they went. One command is guarded at a time.
func Guard(target int, mark string) (release func()) {
	_ = watchdog.tell("!", strconv.Itoa(target)+" "+mark)
	return func() { _ = watchdog.tell("~", "") }
}

func watchdogAdd(root string)    { _ = watchdog.tell("+", root) }
func watchdogRemove(root string) { _ = watchdog.tell("-", root) }

// watchdogFrozen and watchdogThawed tell of a server that stands still, by its process id: it must go on when we die.
func watchdogFrozen(pid string) error { return watchdog.tell("*", pid) }
func watchdogThawed(pid string)       { _ = watchdog.tell("/", pid) }

func (w *watchdogPipe) tell(op, what string) error {
	if strings.ContainsAny(what, "\n") {
		return errors.New("the watchdog takes no name with a line break")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for range 2 {
		if w.pipe == nil {
			if op == "-" || op == "~" || op == "/" {
				return nil // it knows of nothing
			}
			if err := w.start(); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(w.pipe, op+what+"\n"); err == nil {
			return nil
		}
		// somebody killed it: start another
		_ = w.pipe.Close()
		_ = w.cmd.Wait()
		w.pipe = nil
	}
	return errors.New("the watchdog hears nothing")
}

func (w *watchdogPipe) start() error {
	cmd := exec.Command("/bin/sh", "-c", watchdogScript, "suparust-watchdog")
	cmd.Dir = "/"
	cmd.Env = childEnviron()
	r, pw, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd.Stdin = r
	// neither our output nor our terminal: whoever waits for our output must not wait for the watchdog
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	w.cmd, w.pipe = cmd, pw
	return nil
}
