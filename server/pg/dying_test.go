//go:build unix

package pg

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// users are whom the children run as: us, and when we are root an ordinary user too.
func users() map[string]*syscall.SysProcAttr {
	u := map[string]*syscall.SysProcAttr{"self": nil}
	if os.Geteuid() == 0 {
		uid, gid := unprivilegedIDs()
		u["ordinary user"] = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{}}}
	}
	return u
}

// homeFor makes a home and temporary directory that belongs to whom a child runs as.
func homeFor(tb testing.TB, attr *syscall.SysProcAttr) string {
	tb.Helper()
	dir := publicTempDir(tb)
	if attr != nil && attr.Credential != nil {
		if err := os.Chown(dir, int(attr.Credential.Uid), int(attr.Credential.Gid)); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// TestWaysOfDying ends a process in every way there is and counts what is left of its clusters.
func TestWaysOfDying(t *testing.T) {
	t.Parallel()
	ways := []struct {
		name   string
		args   []string
		signal os.Signal
	}{
		{name: "pass"},
		{name: "stop"},
		{name: "fail"},
		{name: "fatal in goroutine"},
		{name: "panic"},
		{name: "timeout", args: []string{"-test.timeout=4s"}},
		{name: "exit"},
		{name: "SIGINT", signal: syscall.SIGINT},
		{name: "SIGTERM", signal: syscall.SIGTERM},
		{name: "SIGKILL", signal: syscall.SIGKILL},
		{name: "SIGKILL after its servers", signal: syscall.SIGKILL},
	}
	for user, attr := range users() {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			home := homeFor(t, attr) // shared, so that the template is built once
			for _, w := range ways {
				t.Run(w.name, func(t *testing.T) {
					c := startChild(t, "die:"+w.name, childOptions{args: w.args, attr: attr, dir: home})
					var r childReport
					c.Read(t, &r)
					if len(r.Posix) > 0 {
						t.Errorf("the servers use POSIX shared memory, which outlives a kill: %v", r.Posix)
					}
					for _, pid := range r.Pids {
						if runtime.GOOS == "linux" && syscall.Kill(pid, 0) != nil {
							t.Errorf("the server %d does not run to begin with", pid)
						}
					}
					c.Proceed(t)
					if w.name == "SIGKILL after its servers" {
						killClones(t, r)
					}
					if w.signal != nil {
						if err := c.Cmd.Process.Signal(w.signal); err != nil {
							t.Fatal(err)
						}
					}
					err := c.Cmd.Wait()
					if ok := w.name == "pass" || w.name == "stop"; ok != (err == nil) {
						t.Errorf("the child ended with %v", err)
					}
					eventually(t, childPatience, func() error { return leftOf(r) })
					if v, err := dataVersion(r.DataDir); err != nil || v == "" {
						t.Errorf("the durable data directory is gone: %v", err)
					}
					if err := os.RemoveAll(r.DataDir); err != nil {
						t.Error(err)
					}
				})
			}
			if left := libraryLeft(home); len(left) > 0 {
				t.Errorf("left in the temporary directory: %v", left)
			}
		})
	}
}

// killClones kills the servers of clones the hard way, as a machine without memory does. Nobody may do that to a durable
// server and expect its segment to be gone: its next start needs it.
func killClones(t *testing.T, r childReport) {
	t.Helper()
	for _, pid := range r.Pids {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			t.Skipf("processes cannot be told apart here: %v", err)
		}
		if bytes.Contains(line, []byte(r.DataDir)) {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDyingWhileBuilding kills a process whose template's cluster runs: embedded-postgres has made it a daemon.
func TestDyingWhileBuilding(t *testing.T) {
	t.Parallel()
	for user, attr := range users() {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			home := homeFor(t, attr)
			c := startChild(t, "block", childOptions{attr: attr, dir: home})
			var roots []string
			c.Read(t, &roots)
			running := 0
			for _, root := range roots {
				running += len(processesWith(root))
			}
			if len(roots) == 0 || running == 0 {
				t.Fatalf("%d roots with %d processes to begin with", len(roots), running)
			}
			if err := c.Cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			eventually(t, childPatience, func() error {
				for _, root := range roots {
					if exists(root) || len(processesWith(root)) > 0 {
						return fmt.Errorf("left: %s %v", root, processesWith(root))
					}
				}
				return nil
			})
		})
	}
}

func libraryLeft(dir string) []string {
	found, _ := filepath.Glob(filepath.Join(dir, "embedded_postgres_log*"))
	more, _ := filepath.Glob(filepath.Join(dir, "suparust-*"))
	return append(found, more...)
}

// leftOf counts processes, ports, directories and shared memory of a dead process's clusters.
func leftOf(r childReport) error {
	var left []string
	for _, root := range r.Roots {
		if exists(root) {
			return errors.New("left: directory " + root) // the processes are counted when it is gone, for that is slow
		}
	}
	for i, root := range r.Roots {
		left = append(left, processesWith(root)...)
		if portOpen(r.Ports[i]) {
			left = append(left, fmt.Sprintf("port %d", r.Ports[i]))
		}
		if segmentExists(r.Segments[i]) {
			left = append(left, fmt.Sprintf("System V segment %d", r.Segments[i]))
		}
	}
	left = append(left, processesWith(r.DataDir)...)
	if exists(filepath.Join(r.DataDir, "postmaster.pid")) {
		left = append(left, "postmaster.pid")
	}
	for _, pid := range r.Pids {
		for _, dir := range r.Dirs {
			if isPostgresOn(pid, dir) {
				left = append(left, fmt.Sprintf("process %d", pid))
			}
		}
	}
	if len(left) > 0 {
		return errors.New("left: " + strings.Join(left, ", "))
	}
	return nil
}

// TestWatchdogKilledToo kills the watchdog before its process: the kernel stops the servers, the next sweep removes the directory.
func TestWatchdogKilledToo(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("without a parent-death signal the watchdog is the only guard")
	}
	c := startChild(t, "die:SIGKILL", childOptions{dir: homeFor(t, nil)})
	var r childReport
	c.Read(t, &r)
	dogs := 0
	for _, p := range childrenOfThreads(c.Cmd.Process.Pid) {
		if cmdlineHas(p, "suparust-watchdog") {
			dogs++
			if err := syscall.Kill(p, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if dogs != 1 {
		t.Fatalf("%d watchdogs", dogs)
	}
	if err := c.Cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Cmd.Wait()
	eventually(t, childPatience, func() error {
		for _, p := range r.Pids {
			for _, dir := range r.Dirs {
				if isPostgresOn(p, dir) {
					return fmt.Errorf("the server %d lives", p)
				}
			}
		}
		return nil
	})
	slices.Sort(r.Roots)
	for _, root := range slices.Compact(slices.Clone(r.Roots)) {
		if !exists(root) {
			t.Errorf("%s went without a watchdog: the test proves nothing", root)
		}
		sweep(filepath.Dir(root))
	}
	eventually(t, childPatience, func() error { return leftOf(r) })
}

// childrenOfThreads lists the children of all threads of a process.
func childrenOfThreads(pid int) []int {
	var found []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, s := range stats {
		b, err := os.ReadFile(s)
		if err != nil {
			continue
		}
		var p, parent int
		var state string
		rest := string(b[strings.LastIndexByte(string(b), ')')+1:])
		if _, err := fmt.Sscan(rest, &state, &parent); err != nil || parent != pid {
			continue
		}
		if _, err := fmt.Sscan(string(b), &p); err == nil {
			found = append(found, p)
		}
	}
	return found
}

func cmdlineHas(pid int, text string) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(b), text)
}

// TestSweepStopsServers finds a server that nothing stopped: its owner and all guards are gone.
func TestSweepStopsServers(t *testing.T) {
	tmpl := testTemplate(t)
	acct, err := processAccount()
	if err != nil {
		t.Fatal(err)
	}
	base := publicTempDir(t)
	root := filepath.Join(base, runPrefix+"dead")
	dir := filepath.Join(root, "1")
	if err := errors.Join(os.Mkdir(root, 0o711), os.Mkdir(dir, 0o700), acct.chown(dir), os.WriteFile(filepath.Join(root, lockName), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := tmpl.image.writeTo(filepath.Join(dir, dataName), acct); err != nil {
		t.Fatal(err)
	}
	srv, err := launch{bin: tmpl.bin, acct: acct, dataDir: filepath.Join(dir, dataName), sockDir: dir, logPath: filepath.Join(dir, "log"), args: []string{"-c", "fsync=off", "-c", "dynamic_shared_memory_type=mmap"}, onDeath: syscall.SIGQUIT}.start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer srv.stop(syscall.SIGQUIT, stopGrace)
	pf, err := readPidFile(srv.dataDir)
	if err != nil {
		t.Fatal(err)
	}

	young := filepath.Join(base, runPrefix+"young") // its owner has not made the lock yet
	if err := os.Mkdir(young, 0o711); err != nil {
		t.Fatal(err)
	}
	sweep(base)
	if !exists(young) {
		t.Error("a run root that is being made was swept")
	}
	<-srv.exited
	if exists(root) {
		t.Error("the dead root is left")
	}
	if segmentExists(pf.shmID) {
		t.Error("the shared memory segment is left")
	}
}

// TestDeadLeaveSuccessors has a process die whose kept data directory another one has taken already: neither the watchdog
// nor a sweep touches that one's server.
func TestDeadLeaveSuccessors(t *testing.T) {
	t.Parallel()
	cl := startTest(t, Config{DataDir: filepath.Join(publicTempDir(t), "data")})
	for name, clear := range map[string]func(root string) error{
		"watchdog": func(root string) error {
			cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", watchdogScript)
			cmd.Stdin = strings.NewReader("+" + root + "\n")
			return cmd.Run()
		},
		"sweep": func(root string) error {
			sweepRoot(root)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(publicTempDir(t), runPrefix+"dead")
			dir := filepath.Join(root, "1abc")
			if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(root, lockName), nil, 0o600),
				os.WriteFile(filepath.Join(dir, durableName), []byte(cl.DataDir()+"\n"), 0o600)); err != nil {
				t.Fatal(err)
			}
			if err := clear(root); err != nil {
				t.Fatal(err)
			}
			if exists(root) {
				t.Error("the dead root is left")
			}
			if got := queryString(t, cl, superuser, "postgres", "select count(*)::text from notes"); got != "100" || !cl.alive() {
				t.Errorf("%s notes", got)
			}
		})
	}
}
