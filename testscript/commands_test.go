package testscript

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/joho/godotenv"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// patience is how long a script waits for anything.
const patience = 60 * time.Second

// commands are what scripts can say beside testscript's own.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"await":     await,
	"awaitsql":  awaitQuery,
	"awaittext": awaitText,
	"awaitfile": awaitFile,
	"ci":        ciScript,
	"closed":    closed,
	"crash":     crash,
	"detached":  detached,
	"exitcode":  exitCode,
	"expand":    expand,
	"gone":      gone,
	"http":      request,
	"httpstart": startRequest,
	"httpwait":  waitRequest,
	"keys":      keys,
	"lock":      lock,
	"logfields": logFields,
	"mode":      mode,
	"occupy":    occupy,
	"replace":   replace,
	"ownpid":    ownPID,
	"readonly":  readOnly,
	"save":      save,
	"setenv":    setEnv,
	"signal":    sendSignal,
	"snippet":   snippet,
	"sql":       query,
	"terminal":  terminal,
	"unlock":    unlock,
}

// setup gives a script free ports, $PORT, $PORT2 and $PORT3, and the machine's cache of PostgreSQL binaries and templates.
func setup(env *testscript.Env) error {
	for _, name := range []string{"PORT", "PORT2", "PORT3"} {
		port, err := freePort()
		if err != nil {
			return err
		}
		env.Setenv(name, strconv.Itoa(port))
		env.Setenv("DB_"+name, strconv.Itoa(port+10000))
		env.Setenv("MAIL_"+name, strconv.Itoa(port+20000))
		env.Setenv("URL"+strings.TrimPrefix(name, "PORT"), fmt.Sprintf("http://127.0.0.1:%d", port))
	}
	env.Setenv("PG_DUMP_MAJOR", pgDumpMajor())
	if cache, err := os.UserCacheDir(); err == nil {
		env.Setenv("XDG_CACHE_HOME", cache)
	}
	for _, name := range []string{"SUPARUST_PG_BIN", "SUPARUST_PG_VERSION", "SUPARUST_CACHE_DIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env.Setenv(name, v)
		}
	}
	// PostgreSQL may run as another user than we: it has to reach the script's folder
	for dir := env.WorkDir; dir != filepath.Dir(dir) && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	work := env.WorkDir
	env.Values[heldKey{}] = &held{requests: map[string]*underWay{}}
	env.Defer(func() {
		for _, pid := range killDaemons(work) {
			env.T().Log(fmt.Sprintf("killed the server in the background that the script left, PID %d", pid))
			defer env.T().FailNow()
		}
		if left := waitGone(work); left != "" {
			env.T().Fatal("left running after the script:\n" + left)
		}
	})
	return nil
}

// freePort finds a port such that the port itself and those 10000 and 20000 above, PostgreSQL's and the mailbox's, are free.
// All are below those that the system gives to connections that leave the machine, which come and go at any moment, and no
// other script of this run has been given them.
func freePort() (int, error) {
	given.Lock()
	defer given.Unlock()
	for range 500 {
		port := 2000 + rand.IntN(10000)
		if !given.ports[port] && available(port) && available(port+10000) && available(port+20000) {
			given.ports[port] = true
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port found")
}

// given are the ports that scripts of this run have.
var given = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

func available(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// await URL waits until the URL answers 200.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await URL")
	}
	var last error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		res, err := http.Get(args[0])
		if last = err; err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
			last = fmt.Errorf("status %s", res.Status)
		}
		for _, c := range ts.BackgroundCmds() {
			if err := c.Process.Signal(syscall.Signal(0)); errors.Is(err, os.ErrProcessDone) {
				ts.Fatalf("%s ended while its URL was awaited", c)
			}
		}
		<-time.After(20 * time.Millisecond)
	}
	ts.Fatalf("%s does not answer: %v", args[0], last)
}

// awaittext URL|FILE PATTERN waits until the URL answers, or the file has, a text that matches.
func awaitText(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: awaittext URL|FILE PATTERN")
	}
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	var last string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if strings.HasPrefix(args[0], "http://") {
			res, err := http.Get(args[0])
			ts.Check(err)
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			ts.Check(err)
			last = string(body)
		} else if text, err := os.ReadFile(ts.MkAbs(args[0])); err == nil {
			last = string(text)
		} else if !errors.Is(err, fs.ErrNotExist) {
			ts.Check(err)
		}
		if pattern.MatchString(last) {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	ts.Fatalf("%s has %s", args[0], last)
}

// signal NAME PIDFILE sends a signal to the process of a PID file.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal NAME PIDFILE")
	}
	sig := unix.SignalNum("SIG" + args[0])
	if sig == 0 {
		ts.Fatalf("no signal is called %s", args[0])
	}
	ts.Check(syscall.Kill(pidOf(ts, args[1]), sig))
}

func pidOf(ts *testscript.TestScript, file string) int {
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(file)))
	ts.Check(err)
	return pid
}

// detached PIDFILE LOG makes sure that a process leads a session of its own, has no terminal, and writes nowhere but into
// its log.
func detached(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: detached PIDFILE LOG")
	}
	pid := pidOf(ts, args[0])
	sid, err := unix.Getsid(pid)
	ts.Check(err)
	if sid != pid {
		ts.Fatalf("the process %d is of the session %d", pid, sid)
	}
	if runtime.GOOS != "linux" {
		return
	}
	for fd, want := range []string{os.DevNull, os.DevNull, ts.MkAbs(args[1])} {
		got, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
		ts.Check(err)
		if got != want {
			ts.Fatalf("the file %d of the process %d is %s, want %s", fd, pid, got, want)
		}
	}
}

// awaitfile GLOB waits until a file matches, ! awaitfile GLOB until none does.
func awaitFile(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] awaitfile GLOB")
	}
	var files []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		var err error
		files, err = filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		if len(files) > 0 != neg {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	ts.Fatalf("%s matches %q", args[0], files)
}

// exitcode N CMD… runs a command that must end with the exit code N.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode N CMD ARGS…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// expand FILE… replaces $NAME in files by the script's variables.
func expand(ts *testscript.TestScript, neg bool, args []string) {
	for _, file := range args {
		text := os.Expand(ts.ReadFile(file), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
	}
}

// gone waits until no process works in the script's folder: no server, no PostgreSQL.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: gone")
	}
	if left := waitGone(ts.Getenv("WORK")); left != "" {
		ts.Fatalf("still running:\n%s", left)
	}
}

// killDaemons ends the servers in the background that a script which failed has left.
func killDaemons(work string) (killed []int) {
	_ = filepath.WalkDir(work, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasPrefix(filepath.Base(path), ".suparust.") || filepath.Ext(path) != ".json" {
			return nil // what cannot be read, holds no server
		}
		data, err := os.ReadFile(path)
		var state struct{ PID int }
		if err != nil || json.Unmarshal(data, &state) != nil {
			return nil
		}
		if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", state.PID)); err == nil && strings.HasPrefix(cwd, work) {
			_ = syscall.Kill(state.PID, syscall.SIGKILL)
			killed = append(killed, state.PID)
		}
		return nil
	})
	return killed
}

func waitGone(work string) string {
	left := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		out, err := exec.Command("ps", "-eo", "pid,args").Output()
		if err != nil {
			return err.Error()
		}
		left = ""
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, work) {
				left += line
			}
		}
		if left == "" {
			return ""
		}
		<-time.After(20 * time.Millisecond)
	}
	return left
}

// keys [ARGS…] puts what `suparust ARGS status -o env` prints into the script's environment, as $SERVER_NAME.
func keys(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(ts.Exec("suparust", append(args, "status", "-o", "env")...))
	values, err := godotenv.Unmarshal(ts.ReadFile("stdout"))
	ts.Check(err)
	for name, value := range values {
		ts.Setenv("SERVER_"+name, value) // the name alone would be a setting of the next start
	}
}

// mode FILE OCTAL compares a file's permissions.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode FILE OCTAL")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("mode of %s is %s, want %s", args[0], got, args[1])
	}
}

// occupy PORT listens on a port until the script ends.
func occupy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: occupy PORT")
	}
	l, err := net.Listen("tcp", ":"+args[0])
	ts.Check(err)
	ts.Defer(func() { l.Close() })
}

// ownpid FILE writes the PID of the process that runs the scripts: alive, and not suparust.
func ownPID(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ownpid FILE")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), fmt.Appendln(nil, os.Getpid()), 0o644))
}

// readonly DIR takes the right to write in a folder away until the script ends.
func readOnly(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: readonly DIR")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.Chmod(dir, 0o555))
	ts.Defer(func() { _ = os.Chmod(dir, 0o755) })
}
