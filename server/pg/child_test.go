//go:build unix

package pg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/internal/proctest"
)

// A child is this test program again, running one function below: what must be seen from outside, such as a death, or
// what needs another user, happens in it.

type childOptions struct {
	env  []string
	args []string
	attr *syscall.SysProcAttr
	dir  string // home and temporary directory; must be the child user's
}

func startChild(tb testing.TB, what string, o childOptions) *proctest.Child {
	tb.Helper()
	if o.dir == "" {
		o.dir = publicTempDir(tb)
	}
	return proctest.Start(tb, proctest.Options{Args: o.args, Attr: o.attr, Env: append([]string{childEnv + "=" + what, "PATH=" + os.Getenv("PATH"), "HOME=" + o.dir, "TMPDIR=" + o.dir,
		"SUPARUST_PG_CHILD_BIN=" + testBinaries(tb).BinDir, "SUPARUST_PG_CHILD_CACHE=" + o.dir + "/cache", "GOCOVERDIR=" + o.dir}, o.env...)})
}

// childReport is what a child tells about the clusters it runs.
type childReport struct {
	Roots    []string
	Dirs     []string
	Ports    []int
	Pids     []int
	Segments []int
	DataDir  string
	Posix    []string
	Mode     int
}

func TestChild(t *testing.T) {
	what := os.Getenv(childEnv)
	if what == "" {
		t.Skip("runs only as a child of other tests")
	}
	name, arg, _ := strings.Cut(what, ":")
	switch name {
	case "die":
		childDies(t, arg)
	case "load":
		childWrites(t, arg)
	case "build":
		childBuilds(t, arg)
	case "start":
		childStarts(t)
	case "block":
		childBlocks(t)
	case "freeze":
		childFreezes(t, arg)
	case "restore":
		childRestores(t, arg)
	case "next":
		childPreparesNext(t, arg)
	default:
		t.Fatalf("no child %q", what)
	}
}

// childFreezes makes the server of another process stand still and waits for its own end.
func childFreezes(t *testing.T, postmaster string) {
	pid, err := strconv.Atoi(postmaster)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := freeze(t.Context(), pid); err != nil {
		t.Fatal(err)
	}
	proctest.Tell(t, "frozen")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// childDies runs two clones and a durable cluster and ends in some way without stopping any.
func childDies(t *testing.T, way string) {
	tmpl := testTemplate(t)
	r := childReport{DataDir: filepath.Join(os.Getenv("HOME"), "data")}
	var clusters []*Cluster
	for i := range 3 {
		c := Config{Template: tmpl}
		if i == 2 {
			c.DataDir = r.DataDir
		}
		cl, err := Start(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		clusters = append(clusters, cl)
		pf, err := readPidFile(cl.DataDir())
		if err != nil {
			t.Fatal(err)
		}
		r.Roots = append(r.Roots, cl.dir.root.path)
		r.Dirs = append(r.Dirs, cl.Dir(), cl.DataDir())
		r.Ports = append(r.Ports, cl.Port())
		r.Pids = append(r.Pids, pf.pid)
		r.Segments = append(r.Segments, pf.shmID)
		r.Posix = append(r.Posix, posixSegments(pf.pid)...)
	}
	acct, err := processAccount()
	if err != nil {
		t.Fatal(err)
	}
	r.Mode = int(acct.mode)
	proctest.Tell(t, r)
	proctest.Await(t) // until the parent has read the report
	if way == "stop" {
		for _, cl := range clusters {
			if err := cl.Stop(); err != nil {
				t.Error(err)
			}
		}
		return
	}
	proctest.Die(t, way)
}

// childWrites writes rows into a durable cluster and reports each once it is committed, until it is killed.
func childWrites(t *testing.T, dataDir string) {
	cl, err := Start(context.Background(), Config{Template: testTemplate(t), DataDir: dataDir})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	cfg, err := cl.ConnConfig("authenticator", "postgres")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1000; ; i++ {
		if _, err := conn.Exec(ctx, "insert into notes values ($1, repeat('x', 500))", i); err != nil {
			t.Fatal(err)
		}
		proctest.Tell(t, i)
	}
}

// childRestores goes back to a snapshot time and again, adding as many rows in between, until it is killed.
func childRestores(t *testing.T, dataDir string) {
	cl, err := Start(context.Background(), Config{Template: testTemplate(t), DataDir: dataDir})
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenSnapshot(dataDir + "-saved")
	if errors.Is(err, ErrNoSnapshot) {
		s, err = cl.Snapshot(t.Context(), SnapshotOptions{Dir: dataDir + "-saved"})
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		execAll(t, cl, "insert into notes select i, 'later' from generate_series(101, 200) i")
		proctest.Tell(t, i)
		if err := cl.Restore(t.Context(), s, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// childPreparesNext is in the middle of a restore: its server runs beside the data that are to follow.
func childPreparesNext(t *testing.T, dataDir string) {
	cl, err := Start(context.Background(), Config{Template: testTemplate(t), DataDir: dataDir})
	if err != nil {
		t.Fatal(err)
	}
	s, err := cl.Snapshot(t.Context(), SnapshotOptions{})
	if err != nil {
		t.Fatal(err)
	}
	execAll(t, cl, "delete from notes")
	if err := s.writeNext(t.Context(), dataDir, cl.acct); err != nil {
		t.Fatal(err)
	}
	proctest.Tell(t, connect(t, cl, superuser, "postgres").PgConn().PID())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// childBuilds loads a template whose Build leaves a line in a file.
func childBuilds(t *testing.T, file string) {
	s := testSpec(t)
	s.Key = "counted"
	s.Build = func(ctx context.Context, dsn func(user, db string) string) error {
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(f, os.Getpid())
		return errors.Join(err, f.Close(), buildTestSchema(ctx, dsn))
	}
	tmpl, err := LoadTemplate(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	proctest.Tell(t, tmpl.Size())
}

// childBlocks stays in the middle of building a template.
func childBlocks(t *testing.T) {
	s := testSpec(t)
	s.Key = "blocked"
	s.Build = func(ctx context.Context, dsn func(user, db string) string) error {
		if err := buildTestSchema(ctx, dsn); err != nil {
			return err
		}
		rootsMu.Lock()
		defer rootsMu.Unlock()
		var paths []string
		for _, r := range roots {
			paths = append(paths, r.path)
		}
		proctest.Tell(t, paths)
		select {}
	}
	_, err := LoadTemplate(context.Background(), s)
	t.Fatal(err)
}

// childStarts starts and stops one cluster and reports how, or the error.
func childStarts(t *testing.T) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var r struct{ Error, Answer, Mode string }
	err := func() error {
		b, err := Resolve(context.Background(), ResolveOptions{BinDir: os.Getenv("SUPARUST_PG_CHILD_BIN"), Logger: log})
		if err != nil {
			return err
		}
		tmpl, err := LoadTemplate(context.Background(), TemplateSpec{Binaries: b, Key: "child", Build: buildTestSchema, CacheDir: os.Getenv("SUPARUST_PG_CHILD_CACHE"), Logger: log})
		if err != nil {
			return err
		}
		cl, err := Start(context.Background(), Config{Template: tmpl, Logger: log})
		if err != nil {
			return err
		}
		acct, err := processAccount()
		if err != nil {
			return err
		}
		r.Mode = fmt.Sprint(int(acct.mode))
		if r.Answer, err = tryQuery(context.Background(), cl, superuser, "postgres", "select count(*)::text from notes"); err != nil {
			return err
		}
		_, err = tryQuery(context.Background(), cl, superuser, "postgres", "select 1::text")
		return errors.Join(err, cl.Stop())
	}()
	if err != nil {
		r.Error = err.Error()
	}
	proctest.Tell(t, r)
}

const childPatience = 30 * time.Second
