//go:build unix

package pg

import (
	_ "embed"
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
	watchdog.tell("!", strconv.Itoa(target)+" "+mark)
	return func() { watchdog.tell("~", "") }
}

func watchdogAdd(root string)    { watchdog.tell("+", root) }
func watchdogRemove(root string) { watchdog.tell("-", root) }

func (w *watchdogPipe) tell(op, root string) {
	if strings.ContainsAny(root, "\n") {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for range 2 {
		if w.pipe == nil {
			if op == "-" || op == "~" || w.start() != nil {
				return
			}
		}
		if _, err := io.WriteString(w.pipe, op+root+"\n"); err == nil {
			return
		}
		// somebody killed it: start another
		_ = w.pipe.Close()
		_ = w.cmd.Wait()
		w.pipe = nil
	}
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
