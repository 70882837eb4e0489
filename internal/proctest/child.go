// Package proctest is for tests about whole processes: a test program runs itself
// again as a child, which reports, waits for a word, and dies in some way, so that
// what it leaves is seen from outside.
package proctest

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// Child is this test program again, running its TestChild alone.
type Child struct {
	Cmd *exec.Cmd
	// Reports are the lines that it has told by Tell.
	Reports *bufio.Scanner
	// Input is its standard input.
	Input io.WriteCloser
	log   string
}

// Options of a Child.
type Options struct {
	Env  []string // all of it
	Args []string // beside those that choose TestChild
	Attr *syscall.SysProcAttr
}

// Start starts a child, which is killed when tb ends at the latest. A failed test
// shows what it has said.
func Start(tb testing.TB, o Options) *Child {
	tb.Helper()
	c := &Child{log: filepath.Join(tb.TempDir(), "child.log")}
	log, err := os.Create(c.log) // not a pipe, which whatever it starts could hold open
	if err != nil {
		tb.Fatal(err)
	}
	defer log.Close()
	// by way of /proc: the test program's own directory is closed to other users
	self := "/proc/self/exe"
	if _, err := os.Stat(self); err != nil {
		self = os.Args[0]
	}
	c.Cmd = exec.Command(self, append([]string{"-test.run=^TestChild$"}, o.Args...)...)
	c.Cmd.Dir, c.Cmd.Env, c.Cmd.SysProcAttr = "/", o.Env, o.Attr
	c.Cmd.Stdout, c.Cmd.Stderr = log, log
	r, w, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	defer w.Close()
	c.Cmd.ExtraFiles = []*os.File{w} // reportTo
	if c.Input, err = c.Cmd.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	if err := c.Cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	c.Reports = bufio.NewScanner(r)
	tb.Cleanup(func() {
		c.Input.Close()
		_ = c.Cmd.Process.Kill()
		_ = c.Cmd.Wait()
		r.Close()
		if tb.Failed() {
			tb.Logf("the child said:\n%s", c.Log())
		}
	})
	return c
}

// Log is what the child has said so far.
func (c *Child) Log() string {
	text, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Line is the next line that the child tells.
func (c *Child) Line(tb testing.TB) string {
	tb.Helper()
	if !c.Reports.Scan() {
		_ = c.Cmd.Wait() // its last words
		tb.Fatalf("the child told nothing more: %v\n%s", c.Reports.Err(), c.Log())
	}
	return c.Reports.Text()
}

// Read decodes the next report of the child.
func (c *Child) Read(tb testing.TB, into any) {
	tb.Helper()
	if err := json.Unmarshal([]byte(c.Line(tb)), into); err != nil {
		tb.Fatal(err)
	}
}

// Proceed gives the child the word that it awaits.
func (c *Child) Proceed(tb testing.TB) {
	tb.Helper()
	if _, err := io.WriteString(c.Input, "go\n"); err != nil {
		tb.Fatal(err)
	}
}

// reportTo is the pipe to the parent. It is made once: to lose it would close
// it.
var reportTo = sync.OnceValue(func() *os.File { return os.NewFile(3, "report") })

// Tell has a child report to its parent.
func Tell(tb testing.TB, report any) {
	tb.Helper()
	line, err := json.Marshal(report)
	if err == nil {
		_, err = reportTo().Write(append(line, '\n'))
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// Await has a child wait for its parent's word.
func Await(tb testing.TB) {
	tb.Helper()
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		tb.Fatal(err)
	}
}

// Die ends a test, or the whole of its process, in the way of that name. Any
// other name is that of an end that comes from outside, which it waits for.
func Die(t *testing.T, way string) {
	forever := make(chan struct{})
	switch way {
	case "pass":
	case "fail":
		t.Error("as wanted")
	case "fatal in goroutine":
		done := make(chan struct{})
		fatal := t.Fatal // what vet forbids is what is tried here
		go func() {
			defer close(done)
			fatal("as wanted")
		}()
		<-done
	case "panic":
		panic("as wanted")
	case "panic in goroutine":
		go panic("as wanted")
		<-forever
	case "exit":
		os.Exit(3)
	default:
		<-forever
	}
}
