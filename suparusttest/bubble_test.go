package suparusttest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/suparust/suparust/suparusttest"
)

// TestBubble says what does not work where time is not the real one.
func TestBubble(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t)
	for _, c := range []struct {
		name string
		do   func(tb testing.TB)
		want string
	}{
		{"Start", func(tb testing.TB) { suparusttest.Start(tb) },
			"suparusttest: Start does not work inside of a testing/synctest bubble, whose clock stands still as long as anything waits for the network: call it in a test without one, and move the time of tokens, codes and limits with Server.Clock"},
		{"a request", func(tb testing.TB) { srv.Client().Get(tb, "/auth/v1/health") },
			"suparusttest: GET /auth/v1/health does not work inside of a testing/synctest bubble, which would wait for its connection without end: do it in a test without one"},
		{"Exec", func(tb testing.TB) { srv.Exec(tb, "select 1") },
			"suparusttest: Pool does not work inside of a testing/synctest bubble, which would wait for its connection without end: do it in a test without one"},
	} {
		var said string
		synctest.Test(t, func(t *testing.T) { said = fatal(t, c.do) })
		want(t, c.name, said, c.want)
	}
	srv.Client().Get(t, "/auth/v1/health").WantStatus(t, 200)
}

// TestClockInThePlaceOfABubble is what to do in the place of a bubble.
func TestClockInThePlaceOfABubble(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t)
	ann := srv.CreateUser(t, "ann@example.com")
	srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, 200)
	srv.Clock.Advance(2 * time.Hour)
	srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, 403)
}
