package suparusttest_test

import (
	"cmp"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/suparust/suparust/internal/proctest"
	"github.com/suparust/suparust/server/pg"
	"github.com/suparust/suparust/suparusttest"
)

// A child is this test program again, running one function below: what must be
// seen from outside, such as a death, happens in it.

// childReport is what a child tells of its servers.
type childReport struct {
	URLs, DatabaseURLs, Dirs []string
	Secrets                  []string
	Error                    string
}

type child struct{ *proctest.Child }

type childOptions struct {
	args []string
	attr *syscall.SysProcAttr
	dir  string // its home and temporary directory; must be the child user's
	// cache is "" for this process's own, whose templates spare a child the making
	// of one; a child that is another user needs one of theirs.
	cache string
}

func startChild(tb testing.TB, what string, o childOptions) child {
	tb.Helper()
	bin, err := pg.Resolve(tb.Context(), pg.ResolveOptions{BinDir: os.Getenv("SUPARUST_PG_BIN")})
	if err != nil {
		tb.Fatal(err)
	}
	cache := cmp.Or(o.cache, os.Getenv("SUPARUST_CACHE_DIR"), pg.DefaultCacheDir())
	return child{proctest.Start(tb, proctest.Options{Args: o.args, Attr: o.attr, Env: []string{
		childEnv + "=" + what, "PATH=" + os.Getenv("PATH"), "HOME=" + o.dir, "TMPDIR=" + filepath.Join(o.dir, "tmp"),
		"SUPARUST_PG_BIN=" + bin.BinDir, "SUPARUST_CACHE_DIR=" + cache, "GOCOVERDIR=" + o.dir,
	}})}
}

// report reads what the child reports next.
func (c child) report(tb testing.TB) (r childReport) {
	tb.Helper()
	c.Read(tb, &r)
	return r
}

// homeFor makes a home that belongs to whom a child runs as, in memory when
// there is some: the children write whole databases.
func homeFor(tb testing.TB, attr *syscall.SysProcAttr) string {
	tb.Helper()
	base := ""
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		base = "/dev/shm"
	}
	dir, err := os.MkdirTemp(base, "suparust-test-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	tmp := filepath.Join(dir, "tmp")
	err = errors.Join(os.Chmod(dir, 0o755), os.Mkdir(tmp, 0o755))
	if attr != nil && attr.Credential != nil {
		uid, gid := int(attr.Credential.Uid), int(attr.Credential.Gid)
		err = errors.Join(err, os.Chown(dir, uid, gid), os.Chown(tmp, uid, gid))
	}
	if err != nil {
		tb.Fatal(err)
	}
	return dir
}

// tell reports to the parent and waits for its word.
func tell(t *testing.T, r childReport) {
	t.Helper()
	proctest.Tell(t, r)
	proctest.Await(t)
}

func TestChild(t *testing.T) {
	what := os.Getenv(childEnv)
	if what == "" {
		t.Skip("runs only as a child of other tests")
	}
	switch what {
	case "evidence":
		childFails(t)
	case "leak":
		childLeaks(t)
	case "defaults":
		childDefaults(t)
	case "benchmark":
		childBenchmarks(t)
	case "many":
		childMany(t)
	case "shared":
		childShares(t)
	case "fuzz": // FuzzStart does the work
	default:
		childDies(t, what)
	}
}

func (r *childReport) add(s *suparusttest.Server) {
	r.URLs = append(r.URLs, s.URL)
	r.DatabaseURLs = append(r.DatabaseURLs, s.DatabaseURL)
	r.Dirs = append(r.Dirs, s.ClusterDir())
	r.Secrets = append(r.Secrets, s.AnonKey, s.ServiceKey, s.JWTSecret)
}

// childDies runs three servers and ends in some way.
func childDies(t *testing.T, way string) {
	var r childReport
	for range 3 {
		s := suparusttest.Start(t)
		s.Client().Get(t, "/auth/v1/health").WantStatus(t, http.StatusOK)
		r.add(s)
	}
	tell(t, r)
	if way == "without Main" {
		way = "pass"
	}
	proctest.Die(t, way)
}

// childFails does what leaves something in the logs, and fails.
func childFails(t *testing.T) {
	s := suparusttest.Start(t, suparusttest.WithSQL("create function boom() returns int language plpgsql as $$ begin raise 'the cause of it all'; end $$"))
	ann := s.CreateUser(t, "ann@example.com")
	s.CreateSession(t, "ann@example.com")
	s.ClientAs(ann).Get(t, "/rest/v1/rpc/boom").WantStatus(t, http.StatusBadRequest)
	s.ServiceClient().Get(t, "/rest/v1/missing").WantStatus(t, http.StatusNotFound)
	s.ServiceClient().Get(t, "/auth/v1/admin/users?page=2&apikey="+s.ServiceKey).WantStatus(t, http.StatusOK)
	var r childReport
	r.add(s)
	r.Secrets = append(r.Secrets, ann.AccessToken, ann.RefreshToken, suparusttest.Password)
	tell(t, r)
	t.Error("as wanted")
}

// childLeaks looks for goroutines that are left when a test has ended.
func childLeaks(t *testing.T) {
	own := []goleak.Option{goleak.IgnoreCurrent(), goleak.IgnoreTopFunction("github.com/suparust/suparust/server/pg.spawnForever")}
	t.Run("a test", func(t *testing.T) {
		s := suparusttest.Start(t, suparusttest.WithSQL("create table t (i int)"))
		ann := s.ClientAs(s.CreateUser(t, "ann@example.com"))
		ann.Get(t, "/rest/v1/t").WantStatus(t, http.StatusOK)
		s.ServiceClient().Post(t, "/storage/v1/bucket", map[string]any{"name": "b"}).WantStatus(t, http.StatusOK)
		s.ServiceClient().Post(t, "/storage/v1/object/b/x", "12345").WantStatus(t, http.StatusOK)
		if goleak.Find(append(slices.Clone(own), goleak.IgnoreTopFunction("none"))...) == nil {
			t.Error("a running server has no goroutine: this test sees nothing")
		}
	})
	var r childReport
	if err := errors.Join(suparusttest.ClosePools(), goleak.Find(own...)); err != nil {
		r.Error = err.Error()
	}
	tell(t, r)
}

func TestNoGoroutineIsLeft(t *testing.T) {
	t.Parallel()
	c := startChild(t, "leak", childOptions{dir: homeFor(t, nil)})
	r := c.report(t)
	if r.Error != "" {
		t.Error(r.Error)
	}
	c.Proceed(t)
	if err := c.Cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestEvidence reads what a failed test shows.
func TestEvidence(t *testing.T) {
	t.Parallel()
	home := homeFor(t, nil)
	c := startChild(t, "evidence", childOptions{dir: home, args: []string{"-test.artifacts", "-test.outputdir=" + home}})
	r := c.report(t)
	c.Proceed(t)
	if err := c.Cmd.Wait(); err == nil {
		t.Error("the child has passed")
	}
	said := c.Log()
	for _, part := range []string{
		"the server of this test was " + r.URLs[0],
		"run with -suparust.keep to look into its database: psql \"" + r.DatabaseURLs[0] + `"`,
		"suparust: the server's last log lines:", "/rpc/boom", "status=404",
		"suparust: PostgreSQL's last log lines:", "the cause of it all",
		"suparust: the last requests", "GET /rest/v1/rpc/boom as authenticated: 400", `select "public"."boom"()`,
		"GET /rest/v1/missing as service_role: 404", "GET /auth/v1/admin/users?page=2&apikey=… as service_role: 200", "from auth.users",
	} {
		if !strings.Contains(said, part) {
			t.Errorf("the output lacks %q", part)
		}
	}
	var kept []string
	err := filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if strings.HasPrefix(d.Name(), "suparust-") && !d.IsDir() {
			kept = append(kept, d.Name())
			text, err := os.ReadFile(path)
			if err != nil || len(text) == 0 {
				t.Errorf("%s is empty, %v", path, err)
			}
			said += string(text)
		}
		return err
	})
	if slices.Sort(kept); err != nil || !slices.Equal(kept, []string{"suparust-postgres.log", "suparust-requests.txt", "suparust-server.log"}) {
		t.Errorf("the artifacts are %q, %v", kept, err)
	}
	if strings.Contains(said, "\n          -- ") || strings.Contains(said, "POST /_suparust/") {
		t.Error("the output shows comments of SQL, or what the fixture has asked itself")
	}
	for i, secret := range r.Secrets {
		if strings.Contains(said, secret) {
			t.Errorf("the output shows secret %d", i)
		}
	}
}

// TestKeep looks into the database of a failed test, then lets it end.
func TestKeep(t *testing.T) {
	t.Parallel()
	for what, flag := range map[string]string{"evidence": "-suparust.keep", "pass": "-suparust.serve"} {
		t.Run(flag, func(t *testing.T) { t.Parallel(); keeps(t, what, flag) })
	}
}

func keeps(t *testing.T, what, flag string) {
	c := startChild(t, what, childOptions{dir: homeFor(t, nil), args: []string{flag, "-test.timeout=10m"}})
	r := c.report(t)
	left := inspect(t, r)
	c.Proceed(t)
	eventually(t, patience, func() error {
		if !strings.Contains(c.Log(), "press Ctrl-C to end") {
			return errors.New("it does not say how to end it")
		}
		if !strings.Contains(c.Log(), ", unless it is given -timeout 0") {
			return errors.New("it does not say when it ends by itself")
		}
		return nil
	})
	if !reachable(t.Context(), r.DatabaseURLs[0]) {
		t.Error("the database is gone")
	}
	if res, err := http.Get(r.URLs[0] + "/auth/v1/health"); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("the server is gone: %v", err)
	} else {
		res.Body.Close()
	}
	if err := c.Cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := c.Cmd.Wait(); what != "pass" && (!errors.As(err, &exit) || exit.ExitCode() != 1) || what == "pass" && err != nil {
		t.Errorf("the child ended with %v", err)
	}
	eventually(t, patience, left.check)
}
