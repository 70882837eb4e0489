//go:build unix

package pg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestDurableCluster(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(publicTempDir(t), "deep", "data")
	tmpl := testTemplate(t)
	if major, err := DataDirMajor(dir); major != 0 || err != nil {
		t.Fatalf("a missing directory has version %d, %v", major, err)
	}
	cl := startTest(t, Config{Template: tmpl, DataDir: dir})
	for name, want := range map[string]string{"fsync": "on", "full_page_writes": "on", "autovacuum": "on", "shared_buffers": "128MB", "max_connections": "100", "effective_cache_size": "128MB", "jit": "on", "data_directory": dir} {
		if got := queryString(t, cl, superuser, "postgres", "select current_setting($1)", name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	conn := connect(t, cl, superuser, "postgres")
	for _, sql := range []string{"create database other", "create database bare template template0", "insert into notes values (101, 'kept')"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("one server at a time", func(t *testing.T) {
		_, err := Start(t.Context(), Config{Template: tmpl, DataDir: dir})
		wantError(t, err, "another suparust runs on the data directory "+dir)
	})
	if err := cl.Stop(); err != nil {
		t.Fatal(err)
	}
	if exists(filepath.Join(dir, "postmaster.pid")) {
		t.Error("not shut down cleanly")
	}
	if info, err := os.Lstat(filepath.Join(dir, template1Dir)); err != nil || !info.IsDir() {
		t.Errorf("template1 of a durable cluster is no directory of its own: %v", err)
	}
	if major, err := DataDirMajor(dir); major != tmpl.bin.Major || err != nil {
		t.Fatalf("version %d, %v", major, err)
	}

	// again, now with binaries only: the data directory exists
	cl = startTest(t, Config{Binaries: tmpl.bin, DataDir: dir, LoadTemplate: func(context.Context) (*Template, error) {
		return nil, errors.New("the template was loaded for nothing")
	}})
	if got := queryString(t, cl, superuser, "postgres", "select string_agg(datname, ' ' order by datname) from pg_database"); got != "bare other postgres template0 template1" {
		t.Errorf("databases %q", got)
	}
	if got := queryString(t, cl, "authenticator", "postgres", "select body from notes where id = 101"); got != "kept" {
		t.Errorf("got %q", got)
	}
}

// TestDurableSurvivesKill kills the process under load and looks for every row whose commit was told.
func TestDurableSurvivesKill(t *testing.T) {
	t.Parallel()
	home := publicTempDir(t)
	dir := filepath.Join(home, "data")
	c := startChild(t, "load:"+dir, childOptions{dir: home})
	last := 0
	for range 300 {
		n, err := strconv.Atoi(c.Line(t))
		if err != nil {
			t.Fatal(err)
		}
		last = n
	}
	if err := c.Cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for c.Reports.Scan() { // what it told before it died
		if n, err := strconv.Atoi(c.Reports.Text()); err == nil {
			last = n
		}
	}
	_ = c.Cmd.Wait()
	// at once: the killed process's server may still be stopping
	cl := startTest(t, Config{Template: testTemplate(t), DataDir: dir})
	want := strconv.Itoa(last - 1000 + 1)
	if got := queryString(t, cl, superuser, "postgres", "select count(*)::text from notes where id between 1000 and $1", last); got != want {
		t.Errorf("%s of %s acknowledged rows are there", got, want)
	}
}

// TestDurableRecovers kills the server itself, so that its next start must replay the log.
func TestDurableRecovers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(publicTempDir(t), "data")
	tmpl := testTemplate(t)
	cl := startTest(t, Config{Template: tmpl, DataDir: dir})
	conn := connect(t, cl, superuser, "postgres")
	if _, err := conn.Exec(t.Context(), "insert into notes select i, 'x' from generate_series(1000, 1999) i"); err != nil {
		t.Fatal(err)
	}
	if err := cl.srv.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-cl.Exited()
	_ = cl.Stop()
	cl = startTest(t, Config{Template: tmpl, DataDir: dir})
	if got := queryString(t, cl, superuser, "postgres", "select count(*)::text from notes where id >= 1000"); got != "1000" {
		t.Errorf("%s of 1000 rows are there", got)
	}
	if tail := cl.LogTail(50); !strings.Contains(tail, "automatic recovery in progress") {
		t.Errorf("nothing was recovered, so the test proves nothing:\n%s", tail)
	}
}

func TestDurableWrongMajor(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(publicTempDir(t), "data")
	tmpl := testTemplate(t)
	cl := startTest(t, Config{Template: tmpl, DataDir: dir})
	if err := cl.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "PG_VERSION"), []byte("14\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Config{Template: tmpl, DataDir: dir})
	wantError(t, err, "written by PostgreSQL 14", "PostgreSQL "+tmpl.bin.Version, "SUPARUST_PG_VERSION=14")
	var dv *DataVersionError
	if !errors.As(err, &dv) {
		t.Errorf("%T", err)
	}
}

func TestStalePidFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(publicTempDir(t), "data")
	tmpl := testTemplate(t)
	cl := startTest(t, Config{Template: tmpl, DataDir: dir})
	if err := cl.Stop(); err != nil {
		t.Fatal(err)
	}
	acct, err := processAccount()
	if err != nil {
		t.Fatal(err)
	}
	// a process of the same user that is no server: by itself PostgreSQL would take it for one
	other := exec.Command("sleep", "60")
	other.Dir = "/"
	other.SysProcAttr = acct.sysProcAttr()
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	}()
	for name, content := range map[string]string{
		"another process": fmt.Sprintf("%d\n%s\n1700000000\n5432\n/tmp\n127.0.0.1\n  1234 999999\nready   \n", other.Process.Pid, dir),
		"no process":      fmt.Sprintf("%d\n%s\n", 1<<22-1, dir),
		"ourselves":       fmt.Sprintf("%d\n%s\n", os.Getpid(), dir),
		"empty":           "",
		"garbage":         "what\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "postmaster.pid")
			if err := errors.Join(os.WriteFile(path, []byte(content), 0o600), acct.chown(path)); err != nil {
				t.Fatal(err)
			}
			cl := startTest(t, Config{Template: tmpl, DataDir: dir})
			if err := cl.Stop(); err != nil {
				t.Error(err)
			}
			if err := other.Process.Signal(syscall.Signal(0)); err != nil {
				t.Errorf("the other process was hurt: %v", err)
			}
		})
	}
}

// TestForeignServer meets a server on the data directory that somebody else started, and leaves it alone.
func TestForeignServer(t *testing.T) {
	t.Parallel()
	base := publicTempDir(t)
	dir := filepath.Join(base, "data")
	tmpl := testTemplate(t)
	cl := startTest(t, Config{Template: tmpl, DataDir: dir})
	if err := cl.Stop(); err != nil {
		t.Fatal(err)
	}
	acct, err := processAccount()
	if err != nil {
		t.Fatal(err)
	}
	sock := filepath.Join(base, "s")
	if err := errors.Join(os.Mkdir(sock, 0o700), acct.chown(sock)); err != nil {
		t.Fatal(err)
	}
	srv, err := launch{bin: tmpl.bin, acct: acct, dataDir: dir, sockDir: sock, logPath: filepath.Join(base, "log"), onDeath: syscall.SIGQUIT}.start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer srv.stop(syscall.SIGINT, time.Minute)
	_, err = Start(t.Context(), Config{Template: tmpl, DataDir: dir})
	wantError(t, err, "that suparust did not start", strconv.Itoa(srv.pid), "stop it first")
	if srv.waitExited(0) {
		t.Error("it was stopped")
	}
}

// TestInterruptedCreation starts over where an earlier process died while it filled the directory.
func TestInterruptedCreation(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(publicTempDir(t), "data")
	tmpl := testTemplate(t)
	for _, name := range []string{dataPartName + "/base/5", "base/1", "global"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "base/1/1259"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	cl := startTest(t, Config{Template: tmpl, DataDir: dir})
	if got := queryString(t, cl, superuser, "postgres", "select count(*)::text from notes"); got != "100" {
		t.Errorf("%s notes", got)
	}
	if exists(filepath.Join(dir, dataPartName)) {
		t.Error("the mark of an unfinished creation is left")
	}
}

func TestDataDirThatIsNotOurs(t *testing.T) {
	t.Parallel()
	dir := publicTempDir(t)
	tmpl := testTemplate(t)
	precious := filepath.Join(dir, "thesis.txt")
	if err := os.WriteFile(precious, []byte("long"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Config{Template: tmpl, DataDir: dir})
	wantError(t, err, "not a PostgreSQL database (thesis.txt)")
	if b, err := os.ReadFile(precious); err != nil || string(b) != "long" {
		t.Errorf("it was touched: %v", err)
	}
	_, err = Start(t.Context(), Config{Template: tmpl, DataDir: precious})
	wantError(t, err, "is not a directory")
}

func TestReadOnlyDataDir(t *testing.T) {
	t.Parallel()
	dir := readOnlyDir(t)
	_, err := Start(t.Context(), Config{Template: testTemplate(t), DataDir: filepath.Join(dir, "data")})
	wantError(t, err, "cannot be made", "SUPARUST_DB_DATA_DIR")
	_, err = Start(t.Context(), Config{Template: testTemplate(t), DataDir: dir})
	wantError(t, err, "cannot be written", "SUPARUST_DB_DATA_DIR")
}

// readOnlyDir returns a directory nobody can write to: permissions do not stop root, a mount does.
func readOnlyDir(tb testing.TB) string {
	tb.Helper()
	dir := publicTempDir(tb)
	if os.Geteuid() != 0 {
		if err := os.Chmod(dir, 0o555); err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = os.Chmod(dir, 0o755) })
		return dir
	}
	mountTmpfs(tb, dir, "ro")
	return dir
}

func mountTmpfs(tb testing.TB, dir, options string) {
	tb.Helper()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
		tb.Skipf("no tmpfs can be mounted here: %v: %s", err, out)
	}
	tb.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			tb.Errorf("umount: %v: %s", err, out)
		}
	})
}

// TestDataDirOwners covers whose the data directory is when we are root.
func TestDataDirOwners(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root meets directories of others that it may use")
	}
	tmpl := testTemplate(t)
	owner := func(t *testing.T, path string) int {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return int(info.Sys().(*syscall.Stat_t).Uid)
	}
	run := func(t *testing.T, dir string) {
		t.Helper()
		for range 2 { // filled, and found
			cl := startTest(t, Config{Template: tmpl, DataDir: dir})
			if got := queryString(t, cl, superuser, "postgres", "select count(*)::text from notes"); got != "100" {
				t.Errorf("%s notes", got)
			}
			if err := cl.Stop(); err != nil {
				t.Fatal(err)
			}
		}
	}
	uid, _ := unprivilegedIDs()
	t.Run("made by us", func(t *testing.T) {
		dir := filepath.Join(publicTempDir(t), "data")
		run(t, dir)
		if got := owner(t, dir); got != uid {
			t.Errorf("owner %d, want %d", got, uid)
		}
	})
	t.Run("empty and root's, as a mounted volume is", func(t *testing.T) {
		dir := publicTempDir(t)
		if err := os.Mkdir(filepath.Join(dir, "lost+found"), 0o700); err != nil {
			t.Fatal(err)
		}
		run(t, dir)
	})
	t.Run("another user's", func(t *testing.T) {
		dir := publicTempDir(t)
		if err := os.Chown(dir, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		run(t, dir)
		if got := owner(t, filepath.Join(dir, "PG_VERSION")); got != 12345 {
			t.Errorf("owner %d, want 12345", got)
		}
	})
	t.Run("below a closed directory", func(t *testing.T) {
		closed := filepath.Join(publicTempDir(t), "closed")
		if err := os.Mkdir(closed, 0o700); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(closed, "data")
		if err := probeAccount(mappedAccount()); err != nil {
			_, err := Start(t.Context(), Config{Template: tmpl, DataDir: dir})
			wantError(t, err, "is closed to uid", "SUPARUST_DB_DATA_DIR")
			return
		}
		run(t, dir)
		if got := owner(t, filepath.Join(dir, "PG_VERSION")); got != 0 {
			t.Errorf("owner %d, want 0", got)
		}
	})
}
