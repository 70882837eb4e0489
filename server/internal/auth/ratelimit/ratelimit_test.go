package ratelimit_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth/ratelimit"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC)} }

// allowed counts how often it is allowed out of n times.
func allowed(n int, allow func() bool) (yes int) {
	for range n {
		if allow() {
			yes++
		}
	}
	return yes
}

func TestParseRate(t *testing.T) {
	for s, want := range map[string]string{
		"30": "30 1h0m0s false", "0": "0 1h0m0s false", "13.5": "13.5 1h0m0s false", "360000": "360000 1h0m0s false",
		"10/1s": "10 1s true", "0/5m": "0 5m0s true",
	} {
		r, err := ratelimit.ParseRate(s)
		if err != nil {
			t.Errorf("%q: %v", s, err)
			continue
		}
		if got := fmt.Sprint(r.Events, r.Per, r.Burst); got != want {
			t.Errorf("%q is %s, want %s", s, got, want)
		}
	}
	for _, s := range []string{"", "x", "-1", "NaN", "Inf", "1/", "/1s", "1/x", "-1/1s", "1.5/1s", "1/0s", "1/-1s", "1/1s/1s"} {
		if r, err := ratelimit.ParseRate(s); err == nil {
			t.Errorf("%q is read as %v", s, r)
		}
	}
}

func TestLimiter(t *testing.T) {
	parse := func(s string, now func() time.Time) *ratelimit.Limiter {
		r, err := ratelimit.ParseRate(s)
		if err != nil {
			t.Fatal(err)
		}
		return ratelimit.NewLimiter(r, now)
	}
	for _, c := range []struct {
		rate  string
		steps []string // "after n", how long to wait and how many are allowed then
	}{
		{"3", []string{"0s 3", "30m 0", "29m59s 0", "1s 3", "0s 0", "5h 3"}},
		{"2.9", []string{"0s 2", "1h 2"}},
		{"0", []string{"0s 0", "2h 0"}},
		{"3/20s", []string{"0s 3", "19s 0", "1s 1", "0s 0", "40s 2", "1h 3"}},
		{"0/1s", []string{"0s 0", "1h 0"}},
	} {
		cl := newClock()
		l := parse(c.rate, cl.now)
		if l.None() != (c.rate[0] == '0') {
			t.Errorf("%s: None is %v", c.rate, l.None())
		}
		for i, s := range c.steps {
			var after string
			var want int
			if _, err := fmt.Sscan(s, &after, &want); err != nil {
				t.Fatal(err)
			}
			d, err := time.ParseDuration(after)
			if err != nil {
				t.Fatal(err)
			}
			cl.t = cl.t.Add(d)
			if got := allowed(10, l.Allow); got != want {
				t.Errorf("%s, step %d (%s): %d allowed", c.rate, i, s, got)
			}
		}
	}
	var none *ratelimit.Limiter
	if !none.Allow() || none.None() || ratelimit.NewLimiter(nil, time.Now) != nil {
		t.Error("no rate limits something")
	}
}

func TestClients(t *testing.T) {
	cl := newClock()
	c := ratelimit.NewClients(cl.now,
		ratelimit.Rule{Events: 60, Per: time.Minute, Burst: 3, Forget: time.Hour},
		ratelimit.Rule{Events: 0, Per: time.Minute, Burst: 2, Forget: time.Minute})
	ask := func(rule int, name string, want int) {
		t.Helper()
		if got := allowed(10, func() bool { return c.Allow(rule, name) }); got != want {
			t.Errorf("rule %d, client %s: %d allowed, want %d", rule, name, got, want)
		}
	}
	ask(0, "a", 3)
	ask(0, "b", 3) // its own bucket
	ask(1, "a", 2) // and another for each rule
	cl.t = cl.t.Add(2 * time.Second)
	ask(0, "a", 2)
	cl.t = cl.t.Add(-time.Hour) // a clock that is set back takes nothing away and gives nothing
	ask(0, "a", 0)
	cl.t = cl.t.Add(time.Hour + 57*time.Second)
	ask(1, "a", 0)
	cl.t = cl.t.Add(time.Second)
	ask(1, "a", 2) // forgotten a minute after the first request
	ask(0, "b", 3)
}

// Clients cannot make the limiter grow by naming themselves anew, and those who
// come back all the time are not forgotten for it.
func TestClientsAreBounded(t *testing.T) {
	cl := newClock()
	c := ratelimit.NewClients(cl.now, ratelimit.Rule{Events: 0, Per: time.Minute, Burst: 1, Forget: time.Hour})
	c.Allow(0, "regular")
	for i := range 120_000 {
		c.Allow(0, fmt.Sprint("client ", i))
		if i%1000 == 0 && c.Allow(0, "regular") {
			t.Fatalf("the regular client was forgotten after %d others", i)
		}
	}
	if n := c.Len(); n != 50_000 {
		t.Errorf("%d clients are remembered", n)
	}
}

func TestClientsTogether(t *testing.T) {
	c := ratelimit.NewClients(newClock().now, ratelimit.Rule{Events: 0, Per: time.Minute, Burst: 100, Forget: time.Hour})
	var wg sync.WaitGroup
	counts := make([]int, 8)
	for i := range counts {
		wg.Go(func() { counts[i] = allowed(50, func() bool { return c.Allow(0, "one") }) })
	}
	wg.Wait()
	sum := 0
	for _, n := range counts {
		sum += n
	}
	if sum != 100 {
		t.Errorf("%d of 400 were allowed, not 100", sum)
	}
}
