package suparusttest

import (
	"log/slog"
	"testing"
	"testing/fstest"
	"time"

	"github.com/suparust/suparust/server"
)

// TestDepth has the number of databases that are kept ready follow the Starts.
func TestDepth(t *testing.T) {
	t.Parallel()
	var d depth
	step := func(what string, hit bool, left, waiting, want int) {
		t.Helper()
		if d.found(hit, left, waiting); d.n != want {
			t.Fatalf("%s: %d are kept ready, want %d", what, d.n, want)
		}
	}
	step("the first test", false, 0, 0, 1)
	for range 10 {
		step("tests that follow each other", true, 0, 0, 1)
	}
	step("a second test at once", false, 0, 0, 2)
	step("two at once, the first", true, 1, 0, 2)
	step("two at once, the second", true, 0, 0, 2)
	for range 2 * spareStarts { // two at once are no more than it takes
		step("two at once, the first", true, 1, 0, 2)
		step("two at once, the second", true, 0, 0, 2)
	}
	step("a crowd", false, 0, 100, deepest())
	step("a crowd", false, 0, 200, deepest())
	for n := deepest(); n > 1; n-- {
		for range spareStarts - 1 {
			step("less than a crowd", true, 1, 0, n)
		}
		step("less than a crowd", true, 1, 0, n-1)
	}
	for range 10 {
		step("one is always kept", true, 1, 0, 1)
	}
}

// TestRest has the databases end that wait for nobody, and the pool begin anew.
func TestRest(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"1_rest.sql": {Data: []byte("create table nobody_else_has_this (i int);")}}
	cfg, err := newOptions(WithMigrations(files)).config(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	template, err := server.LoadTemplate(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := poolOf(template)
	for _, when := range []string{"at first", "after the rest"} {
		c, refill, err := takeCluster(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		refill()
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
		waitReady(t, p, when)
		p.rest()
		if ready, _ := p.Waiting(); ready != 0 || p.depth.n != 0 {
			t.Errorf("%s: %d databases wait although nobody asks, the depth is %d", when, ready, p.depth.n)
		}
	}
}

func waitReady(t *testing.T, p *pool, when string) {
	t.Helper()
	often, late := time.NewTicker(5*time.Millisecond), time.After(20*time.Second)
	defer often.Stop()
	for {
		if ready, _ := p.Waiting(); ready == 1 {
			return
		}
		select {
		case <-often.C:
		case <-late:
			t.Fatalf("%s: none is made ready", when)
		}
	}
}
