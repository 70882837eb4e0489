//go:build unix

package pg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// readyPoll is how often postmaster.pid is read while a server starts. Watching the file with inotify was slower.
const readyPoll = 500 * time.Microsecond

// stopGrace is how long a server may take to stop at once (SIGQUIT) before it is killed. PostgreSQL kills its own
// children after five seconds.
const stopGrace = 8 * time.Second

// launch describes one execution of postgres.
type launch struct {
	bin      *Binaries
	acct     account
	dataDir  string
	sockDir  string
	logPath  string
	listen   string // address; "" = no TCP
	port     int    // 0 = find one
	args     []string
	onDeath  syscall.Signal
	starting func(status string) // called while a server that recovers is not ready yet; may be nil
}

// server is a running postgres.
type server struct {
	cmd     *exec.Cmd
	pid     int
	port    int
	dataDir string
	logPath string
	exited  chan struct{}
	waitErr error // valid once exited is closed
}

var errPortTaken = errors.New("the port is taken")

// start executes postgres and returns when it accepts connections. A free port that was taken by somebody else between
// its choice and its use is replaced by another.
func (l launch) start(ctx context.Context) (*server, error) {
	if l.port != 0 {
		return l.startOn(ctx, l.port)
	}
	var last error
	for range 10 {
		port := 5432 // without TCP it is only a part of the socket's name
		if l.listen != "" {
			var err error
			if port, err = freePort(l.listen); err != nil {
				return nil, err
			}
		}
		s, err := l.startOn(ctx, port)
		if !errors.Is(err, errPortTaken) {
			return s, err
		}
		last = err
	}
	return nil, last
}

func (l launch) startOn(ctx context.Context, port int) (*server, error) {
	logFile, err := openLog(l.logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL's log cannot be written: %w", err)
	}
	defer logFile.Close()
	logStart, err := logFile.Seek(0, 2)
	if err != nil {
		return nil, err
	}
	args := []string{"-D", l.dataDir, "-k", l.sockDir, "-p", strconv.Itoa(port), "-c", "listen_addresses=" + l.listen}
	cmd := exec.Command(filepath.Join(l.bin.BinDir, "postgres"), append(args, l.args...)...)
	cmd.Dir = "/"
	cmd.Env = childEnviron()
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := spawn(cmd, l.acct, l.onDeath); err != nil {
		return nil, fmt.Errorf("PostgreSQL could not be executed: %w", err)
	}
	s := &server{cmd: cmd, pid: cmd.Process.Pid, port: port, dataDir: l.dataDir, logPath: l.logPath, exited: make(chan struct{})}
	go func() {
		s.waitErr = cmd.Wait()
		s.endOrphans()
		close(s.exited)
	}()
	go capLog(l.logPath, s.exited)
	if err := s.awaitReady(ctx, l.starting); err != nil {
		s.stop(syscall.SIGQUIT, stopGrace)
		return nil, explainStart(err, l.logPath, logStart, l.listen, port)
	}
	return s, nil
}

var errServerExited = errors.New("PostgreSQL stopped while starting")

// awaitReady polls postmaster.pid until its last line says ready, and fails at once when the process ends.
func (s *server) awaitReady(ctx context.Context, starting func(string)) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	began, told := time.Now(), time.Duration(0)
	var nudged time.Time
	for {
		if pf, err := readPidFile(s.dataDir); err == nil && pf.pid == s.pid && strings.HasPrefix(pf.status, "ready") {
			return nil
		} else if waited := time.Since(began); err == nil && starting != nil && waited-told > 5*time.Second {
			told = waited
			starting(pf.status)
		} else if err == nil && pf.pid == s.pid {
			// the file is there from before any process that could be nudged
			if nudged.IsZero() {
				nudged = time.Now().Add(nudgeAfter - nudgeEvery)
			} else if time.Since(nudged) > nudgeEvery {
				nudged = time.Now()
				s.nudge()
			}
		}
		select {
		case <-tick.C:
		case <-s.exited:
			return errServerExited
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// explainStart turns a failed start into a sentence with what the server's log says.
func explainStart(err error, logPath string, from int64, listen string, port int) error {
	log := readLogFrom(logPath, from)
	if strings.Contains(log, "could not bind") || strings.Contains(log, "could not create any TCP/IP sockets") {
		return fmt.Errorf("PostgreSQL cannot listen on %s:%d, %w: stop the program that uses it, or choose another port (SUPARUST_DB_PORT)", listen, port, errPortTaken)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("PostgreSQL was not ready in time")
	}
	if log = strings.TrimSpace(log); log != "" {
		return fmt.Errorf("%w; its log says:\n%s", err, log)
	}
	return err
}

// stop signals the server and waits for its end. When it does not come within the grace, the server is killed; its
// shared memory segment is then freed for it.
func (s *server) stop(sig syscall.Signal, grace time.Duration) bool {
	pf, pidErr := readPidFile(s.dataDir)
	if s.waitExited(0) {
		return true
	}
	_ = s.cmd.Process.Signal(sig)
	if s.waitExited(grace) {
		return true
	}
	if sig != syscall.SIGQUIT {
		_ = s.cmd.Process.Signal(syscall.SIGQUIT)
		if s.waitExited(stopGrace) {
			return false
		}
	}
	_ = syscall.Kill(-s.pid, syscall.SIGKILL)
	<-s.exited
	if pidErr == nil {
		removeSharedMemory(pf.shmID)
	}
	return false
}

// orphanPatience is how long the processes of a server that was killed may take to be gone.
const orphanPatience = 5 * time.Second

// endOrphans ends the processes of a server whose postmaster was killed, which ends them else: those that compute would not
// notice.
func (s *server) endOrphans() {
	var exit *exec.ExitError
	if !errors.As(s.waitErr, &exit) || exit.Exited() {
		return // it has waited for them
	}
	for deadline := time.Now().Add(orphanPatience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		pids := backendsIn(s.dataDir)
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // gone meanwhile is as good
		}
	}
}

func (s *server) waitExited(limit time.Duration) bool {
	if limit == 0 {
		select {
		case <-s.exited:
			return true
		default:
			return false
		}
	}
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-s.exited:
		return true
	case <-t.C:
		return false
	}
}
