package suparusttest_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/suparust/suparust/suparusttest"
)

// childDefaults runs with options that Main was given.
func childDefaults(t *testing.T) {
	s := suparusttest.Start(t, suparusttest.WithFixedCode("456456"), suparusttest.WithSQL("create table here as select * from everywhere"))
	s.ServiceClient().Get(t, "/rest/v1/everywhere").WantStatus(t, http.StatusOK)
	s.ServiceClient().Get(t, "/rest/v1/here").WantStatus(t, http.StatusOK)
	s.Client().Post(t, "/auth/v1/otp", map[string]any{"email": "ann@example.com"}).WantStatus(t, http.StatusOK)
	r := childReport{Error: s.Mail.Wait(t, "ann@example.com").Code}
	r.add(s)
	tell(t, r)
}

// TestMainOptions shows that the options of Main are every Start's, before its
// own.
func TestMainOptions(t *testing.T) {
	t.Parallel()
	c := startChild(t, "defaults", childOptions{dir: homeFor(t, nil)})
	want(t, "the code, of which the later option decides", c.report(t).Error, "456456")
	c.Proceed(t)
	if err := c.Cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// childShares has two servers on one PostgreSQL, with a file, until it is
// killed.
func childShares(t *testing.T) {
	var r childReport
	for range 2 {
		s := suparusttest.Start(t, suparusttest.WithSharedCluster())
		s.ServiceClient().Post(t, "/storage/v1/bucket", map[string]any{"name": "b"}).WantStatus(t, http.StatusOK)
		s.ServiceClient().Post(t, "/storage/v1/object/b/x", "12345").WantStatus(t, http.StatusOK)
		r.Dirs = append(r.Dirs, suparusttest.SharedDir(s))
	}
	tell(t, r)
	select {}
}

// TestSharedClusterKilled kills a process whose tests share a PostgreSQL.
func TestSharedClusterKilled(t *testing.T) {
	t.Parallel()
	home := homeFor(t, nil)
	c := startChild(t, "shared", childOptions{dir: home})
	r := c.report(t)
	if len(r.Dirs) != 2 || r.Dirs[0] != r.Dirs[1] || len(processesWith(r.Dirs[0])) == 0 {
		t.Fatalf("the two servers are on %q", r.Dirs)
	}
	if err := c.Cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Cmd.Wait() // it was killed
	left := &remains{roots: []string{filepath.Dir(r.Dirs[0])}}
	eventually(t, patience, left.check)
	noDatabaseIn(t, home)
}

// leaks finds what a server has left when it has ended.
func leaks(current goleak.Option) string {
	err := errors.Join(suparusttest.ClosePools(),
		goleak.Find(current, goleak.IgnoreTopFunction("github.com/suparust/suparust/server/pg.spawnForever")))
	if err != nil {
		return err.Error()
	}
	return ""
}

// childBenchmarks starts a server in a benchmark.
func childBenchmarks(t *testing.T) {
	current := goleak.IgnoreCurrent()
	starts := 0
	res := testing.Benchmark(func(b *testing.B) {
		s := suparusttest.Start(b)
		starts++
		c := s.Client()
		for b.Loop() {
			c.Get(b, "/auth/v1/health").WantStatus(b, http.StatusOK)
		}
	})
	r := childReport{Error: leaks(current)}
	if starts == 0 || res.N < 2 {
		r.Error += "the benchmark has not run"
	}
	tell(t, r)
}

func TestBenchmarks(t *testing.T) {
	t.Parallel()
	c := startChild(t, "benchmark", childOptions{dir: homeFor(t, nil), args: []string{"-test.benchtime=20x"}})
	want(t, "what a benchmark leaves", c.report(t).Error, "")
	c.Proceed(t)
	if err := c.Cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// FuzzStart is a fuzz target with a server. As a child it looks at what is
// left, in each of its processes.
func FuzzStart(f *testing.F) {
	if os.Getenv(childEnv) == "fuzz" {
		current := goleak.IgnoreCurrent()
		f.Cleanup(func() {
			if left := leaks(current); left != "" {
				f.Error(left)
			}
			note(f, "ended")
		})
	}
	s := suparusttest.Start(f, suparusttest.WithSQL("create table words (word text)"))
	if os.Getenv(childEnv) == "fuzz" {
		note(f, "began")
	}
	c := s.ServiceClient()
	f.Add("a word")
	f.Add(`"'\`)
	f.Fuzz(func(t *testing.T, word string) {
		if os.Getenv(childEnv) == "fuzz" {
			eventually(t, 4*patience, func() error { return fuzzing("began") })
		}
		res := c.Post(t, "/rest/v1/words", map[string]string{"word": word})
		if res.Status != http.StatusCreated && res.Status != http.StatusBadRequest { // a zero byte is no text
			t.Errorf("%q: %d %s", word, res.Status, res.Body)
		}
	})
}

// fuzzing tells that the process that leads and its two workers have said so.
func fuzzing(what string) error {
	files, err := filepath.Glob(filepath.Join(os.Getenv("HOME"), "fuzz-"+what+"-*"))
	if err == nil && len(files) < 3 {
		err = fmt.Errorf("%d processes have %s", len(files), what)
	}
	return err
}

// note leaves a file in the home of a child.
func note(tb testing.TB, what string) {
	tb.Helper()
	file, err := os.CreateTemp(os.Getenv("HOME"), "fuzz-"+what+"-")
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		tb.Error(err)
	}
}

// TestFuzzTargets fuzzes for a while. The process that leads and its workers
// have a server each.
func TestFuzzTargets(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("fuzzes for a second")
	}
	home := homeFor(t, nil)
	c := startChild(t, "fuzz", childOptions{dir: home, args: []string{"-test.fuzz=^FuzzStart$", "-test.fuzztime=300x", "-test.parallel=2", "-test.fuzzcachedir=" + filepath.Join(home, "fuzz")}})
	if err := c.Cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, c.Log())
	}
	if said := c.Log(); !strings.Contains(said, "execs: ") || !strings.Contains(said, "PASS") {
		t.Errorf("the child said\n%s", said)
	}
	for _, what := range []string{"began", "ended"} {
		if files, err := filepath.Glob(filepath.Join(home, "fuzz-"+what+"-*")); err != nil || len(files) != 3 {
			t.Errorf("%d processes have %s with a server, want one and two workers; %v", len(files), what, err)
		}
	}
	noDatabaseIn(t, home)
}

// noDatabaseIn looks for what servers leave in a home, and for processes of it.
func noDatabaseIn(t *testing.T, home string) {
	t.Helper()
	eventually(t, patience, func() error {
		if found := processesWith(home); len(found) > 0 {
			return errors.New("left: " + strings.Join(found, ", "))
		}
		entries, err := os.ReadDir(filepath.Join(home, "tmp"))
		if errors.Is(err, fs.ErrNotExist) || len(entries) == 0 {
			return nil
		}
		names := slices.Collect(func(yield func(string) bool) {
			for _, e := range entries {
				if !yield(e.Name()) {
					return
				}
			}
		})
		return errors.New("left in the temporary directory: " + strings.Join(names, ", "))
	})
}
