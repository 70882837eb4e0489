package suparusttest_test

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/suparust/suparust/internal/proctest"
)

// nobody is an ordinary user that exists nearly everywhere.
const nobody = 65534

// users are whom the children run as: us, and when we are root an ordinary
// user too.
func users() map[string]*syscall.SysProcAttr {
	u := map[string]*syscall.SysProcAttr{"self": nil}
	if os.Geteuid() == 0 {
		u["ordinary user"] = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{}}}
	}
	return u
}

// way is a way for a test process to end.
type way struct {
	name   string
	args   []string
	signal os.Signal
	passes bool
}

// TestWaysOfDying ends a test process in every way there is and counts what is
// left of its servers and of the databases that were made ready.
func TestWaysOfDying(t *testing.T) {
	ways := []way{
		{name: "pass", passes: true},
		{name: "without Main", passes: true},
		{name: "fail"},
		{name: "fatal in goroutine"},
		{name: "panic"},
		{name: "panic in goroutine"},
		{name: "exit"},
		{name: "SIGINT", signal: syscall.SIGINT},
		{name: "SIGTERM", signal: syscall.SIGTERM},
		{name: "SIGKILL", signal: syscall.SIGKILL},
	}
	// takes its time, which is long enough for a busy machine to have the servers
	// up before: it begins before the parallel tests, and is looked at among them
	timeout := way{name: "timeout", args: []string{"-test.timeout=12s"}}
	ended := map[string]func(t *testing.T){}
	caches := map[string]string{}
	for user, attr := range users() {
		if attr != nil {
			caches[user] = homeFor(t, attr)
		}
		ended[user] = timeout.try(t, attr, homeFor(t, attr), caches[user])
	}
	t.Parallel()
	for user, attr := range users() {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			home := homeFor(t, attr)
			for _, w := range ways {
				t.Run(w.name, func(t *testing.T) { w.try(t, attr, home, caches[user])(t) })
			}
			t.Run(timeout.name, ended[user])
		})
	}
}

// try starts a child, has it end, and returns what checks the end.
func (w way) try(t *testing.T, attr *syscall.SysProcAttr, home, cache string) (ended func(t *testing.T)) {
	t.Helper()
	c := startChild(t, w.name, childOptions{args: w.args, attr: attr, dir: home, cache: cache})
	left := inspect(t, c.report(t))
	c.Proceed(t)
	if w.signal != nil {
		if err := c.Cmd.Process.Signal(w.signal); err != nil {
			t.Fatal(err)
		}
	}
	return func(t *testing.T) {
		if err := c.Cmd.Wait(); w.passes != (err == nil) {
			t.Errorf("the child ended with %v", err)
		}
		eventually(t, patience, left.check)
		if entries, err := os.ReadDir(filepath.Join(home, "tmp")); err != nil || len(entries) > 0 {
			t.Errorf("left in the temporary directory: %v, %v", entries, err)
		}
	}
}

// remains are the things of a child that must go with it.
type remains struct {
	roots    []string // run directories, with everything in them
	pids     []int
	ports    []string
	segments []int // System V shared memory
}

// inspect waits until the child's servers and the databases made ready run,
// and takes stock of them.
func inspect(t *testing.T, r childReport) *remains {
	t.Helper()
	m := &remains{}
	for _, dir := range r.Dirs {
		if root := filepath.Dir(dir); !slices.Contains(m.roots, root) {
			m.roots = append(m.roots, root)
		}
	}
	ready := len(r.Dirs) + 1 // one at least waits for the next test
	eventually(t, patience, func() error {
		m.pids, m.ports, m.segments = nil, nil, nil
		for _, root := range m.roots {
			files, err := filepath.Glob(filepath.Join(root, "*", "data", "postmaster.pid"))
			if err != nil {
				return err
			}
			for _, f := range files {
				m.addServer(f)
			}
		}
		if len(m.pids) < ready {
			return fmt.Errorf("%d databases run, want %d", len(m.pids), ready)
		}
		return nil
	})
	for _, u := range r.URLs {
		parsed, err := url.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		m.ports = append(m.ports, parsed.Port())
	}
	for _, pid := range m.pids {
		maps, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/maps")
		if err != nil || strings.Contains(string(maps), "/dev/shm/PostgreSQL.") {
			t.Errorf("the server %d does not run or uses shared memory that outlives a kill: %v", pid, err)
		}
	}
	for _, port := range m.ports {
		if !open(port) {
			t.Errorf("port %s is closed to begin with", port)
		}
	}
	for _, id := range m.segments {
		if !segmentExists(id) {
			t.Errorf("shared memory segment %d is not there to begin with", id)
		}
	}
	return m
}

// addServer reads a postmaster.pid: the process, the data directory, the
// start, the port, the socket, the address, the shared memory, the state.
func (m *remains) addServer(file string) {
	b, err := os.ReadFile(file)
	if err != nil {
		return
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) < 8 || !strings.HasPrefix(lines[7], "ready") {
		return
	}
	pid, err := strconv.Atoi(lines[0])
	memory := strings.Fields(lines[6])
	if err != nil || len(memory) != 2 {
		return
	}
	segment, err := strconv.Atoi(memory[1])
	if err != nil {
		return
	}
	m.pids, m.ports, m.segments = append(m.pids, pid), append(m.ports, lines[3]), append(m.segments, segment)
}

// check tells what is still there.
func (m *remains) check() error {
	var left []string
	for _, root := range m.roots {
		if _, err := os.Lstat(root); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("left: the directory %s", root) // the rest is counted when it is gone
		}
		left = append(left, processesWith(root)...)
	}
	for _, port := range m.ports {
		if open(port) {
			left = append(left, "port "+port)
		}
	}
	for _, id := range m.segments {
		if segmentExists(id) {
			left = append(left, fmt.Sprintf("shared memory segment %d", id))
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("left: %s", strings.Join(left, ", "))
	}
	return nil
}

var processesWith = proctest.Mentioning

func open(port string) bool {
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func segmentExists(id int) bool {
	var desc unix.SysvShmDesc
	_, err := unix.SysvShmCtl(id, unix.IPC_STAT, &desc)
	return err == nil
}
