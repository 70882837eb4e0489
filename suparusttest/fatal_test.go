package suparusttest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// failing is a testing.TB that another test lets fail.
type failing struct {
	testing.TB
	mu     sync.Mutex
	failed bool
	said   bytes.Buffer
	out    bytes.Buffer // its log
	todo   []func()
}

// fatal runs f as a test that must fail at once, cleans up after it, and
// returns what it said.
func fatal(tb testing.TB, f func(testing.TB)) string {
	tb.Helper()
	inner := &failing{TB: tb}
	done := make(chan struct{})
	returned := false
	go func() {
		defer close(done)
		f(inner)
		returned = true
	}()
	<-done
	for i := len(inner.todo) - 1; i >= 0; i-- {
		inner.todo[i]()
	}
	if returned {
		tb.Error("what must fail has gone on")
	}
	return inner.said.String()
}

func (f *failing) Helper()                  {}
func (f *failing) Context() context.Context { return context.Background() }
func (f *failing) Cleanup(do func())        { f.todo = append(f.todo, do) }
func (f *failing) Output() io.Writer        { return &f.out }

func (f *failing) Failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

func (f *failing) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = true
	fmt.Fprintf(&f.said, format, args...)
}

func (f *failing) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

// publicTempDir is a temporary directory that PostgreSQL's account can reach;
// that of testing.TB is closed to it under root.
func publicTempDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "suparust-test-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return dir
}

// patience is how long what has ended may take to go.
const patience = 30 * time.Second

// eventually waits for a condition and fails with its last reason.
func eventually(tb testing.TB, limit time.Duration, condition func() error) {
	tb.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			tb.Fatal(err)
		}
	}
}
