//go:build unix

package pg

import (
	"errors"
	"syscall"
	"testing"
	"time"
)

// A server that was to be replaced and was not is the cluster's as before: its end is told of, and once.
func TestReplacementGivenUp(t *testing.T) {
	t.Parallel()
	cl := startTest(t, Config{})
	given := errors.New("given up")
	for range 2 {
		if err := cl.replaced(t.Context(), func() error { return given }); !errors.Is(err, given) {
			t.Fatal(err)
		}
	}
	if got := queryString(t, cl, superuser, "postgres", "select count(*)::text from notes"); got != "100" {
		t.Errorf("%s notes", got)
	}
	if err := syscall.Kill(cl.current().pid, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-cl.Exited():
	case <-time.After(time.Minute):
		t.Fatal("nobody is told that the server has ended")
	}
	if err := cl.runs(); !errors.Is(err, errEnded) {
		t.Errorf("the cluster runs: %v", err)
	}
}
