package suparusttest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/suparust/suparust/internal/proctest"
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

// patience is how long what has ended may take to go.
const patience = 30 * time.Second

var (
	publicTempDir = proctest.TempDir
	eventually    = proctest.Eventually
)
