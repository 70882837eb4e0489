//go:build unix

package server_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/server/pg"
)

// durable is the configuration of a server that keeps its data in dir.
func durable(dir string) server.Config {
	c := server.DefaultConfig()
	c.Ephemeral()
	c.Database.DataDir, c.Storage.Root = filepath.Join(dir, "postgres"), filepath.Join(dir, "storage")
	c.Auth.CheapPasswords = true
	c.REST.MaxRows = 0
	c.Database.BinDir, c.Database.CacheDir = os.Getenv("SUPARUST_PG_BIN"), os.Getenv("SUPARUST_CACHE_DIR")
	return c
}

// refused starts a server that must not start, and returns what it says.
func refused(t *testing.T, c server.Config) string {
	t.Helper()
	s, err := server.New(c)
	if err == nil {
		err = s.Start(t.Context())
	}
	if err == nil {
		_ = s.Shutdown(t.Context())
		t.Fatal("the server has started")
	}
	if again := s.Shutdown(t.Context()); again != nil {
		t.Errorf("a server that did not start cannot be shut down: %v", again)
	}
	return err.Error()
}

// TestRestart stops a server and starts another on the same data.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := publicTempDir(t)
	s, stop := serve(t, durable(dir))
	execSQL(t, s, "create table t (id int primary key, s text)")
	c := service(s)
	c.Post(t, "/rest/v1/t", `{"id":1,"s":"kept"}`).WantStatus(t, http.StatusCreated)
	c.Post(t, "/storage/v1/bucket", `{"name":"b","public":true}`).WantStatus(t, http.StatusOK)
	c.Post(t, "/storage/v1/object/b/a/file.bin", "bytes").WantStatus(t, http.StatusOK)
	login := map[string]string{"email": "ann@example.com", "password": "long-enough"}
	var session struct {
		AccessToken string `json:"access_token"`
	}
	c.Post(t, "/auth/v1/signup", login).WantStatus(t, http.StatusOK).JSON(t, &session)
	stop()
	if left := serversOn(dir); len(left) > 0 {
		t.Fatalf("left after Shutdown: %v", left)
	}
	s2, stop := serve(t, durable(dir))
	c = service(s2)
	if got := string(c.Get(t, "/rest/v1/t").WantStatus(t, http.StatusOK).Body); got != `[{"id":1,"s":"kept"}]` {
		t.Errorf("the rows are %s", got)
	}
	if got := string(c.Get(t, "/storage/v1/object/public/b/a/file.bin").WantStatus(t, http.StatusOK).Body); got != "bytes" {
		t.Errorf("the file is %q", got)
	}
	c.Do(t, http.MethodGet, "/auth/v1/user", nil, http.Header{"Authorization": {"Bearer " + session.AccessToken}}).WantStatus(t, http.StatusOK)
	c.Post(t, "/auth/v1/token?grant_type=password", login).WantStatus(t, http.StatusOK)
	stop()
	if res, err := http.Get(s2.URL()); err == nil {
		res.Body.Close()
		t.Error("it answers after Shutdown")
	}
}

// TestPortTaken asks for ports that others have.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port

	dir := publicTempDir(t)
	c := durable(dir)
	c.Port = port
	want := fmt.Sprintf("port %d is in use: stop what listens there, or choose another port with SUPARUST_PORT or --port", port)
	if said := refused(t, c); said != want {
		t.Errorf("it says %q, want %q", said, want)
	}
	if _, err := os.Stat(c.Database.DataDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a data directory was made: %v", err)
	}
	c = durable(dir)
	c.Database.Port = port
	if said := refused(t, c); !strings.Contains(said, fmt.Sprintf("PostgreSQL cannot listen on 127.0.0.1:%d", port)) || strings.Count(said, "\n") > 0 {
		t.Errorf("it says %q", said)
	}
	if left := serversOn(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	serve(t, durable(dir)) // nothing is in the way of a good one
}

// TestOtherMajor finds a data directory of another version.
func TestOtherMajor(t *testing.T) {
	t.Parallel()
	dir := publicTempDir(t)
	s, stop := serve(t, durable(dir))
	execSQL(t, s, "create table t (i int); insert into t values (1)")
	stop()

	version := filepath.Join(dir, "postgres", "PG_VERSION")
	right, err := os.ReadFile(version)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(version, []byte("14\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "the data directory " + filepath.Join(dir, "postgres") + " was written by PostgreSQL 14, and this release runs 15 to 18: dump it with version 14 and restore it into a new directory, named by SUPARUST_DB_DATA_DIR"
	if said := refused(t, durable(dir)); said != want {
		t.Errorf("of a version that is too old it says %q, want %q", said, want)
	}
	if err := os.WriteFile(version, right, 0o600); err != nil {
		t.Fatal(err)
	}

	c := durable(dir)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // what is at hand is found at once
	bin, err := pg.Resolve(ctx, pg.ResolveOptions{Major: 15})
	cancel()
	if err == nil && bin.Major == 15 {
		c.Database.Version, c.Database.BinDir = 15, bin.BinDir
		said := refused(t, c)
		for _, part := range []string{"15", strings.TrimSpace(string(right)), c.Database.DataDir} {
			if !strings.Contains(said, part) {
				t.Errorf("of another version it says %q, without %s", said, part)
			}
		}
	} else {
		t.Logf("PostgreSQL 15 is not at hand: %v", err)
	}
	if left := serversOn(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	s, _ = serve(t, durable(dir))
	if got := string(service(s).Get(t, "/rest/v1/t").WantStatus(t, http.StatusOK).Body); got != `[{"i":1}]` {
		t.Errorf("afterwards the table holds %s", got)
	}
}

// TestReadOnlyDirectory gives an ordinary user a directory that is not its own.
func TestReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	dir := publicTempDir(t)
	closed := filepath.Join(dir, "closed")
	err := errors.Join(os.Mkdir(closed, 0o555), os.Chmod(closed, 0o555))
	if err != nil {
		t.Fatal(err)
	}
	var attr *syscall.SysProcAttr
	if os.Geteuid() == 0 {
		const nobody = 65534
		attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{}}}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	c := startChild(t, "start", dir, attr)
	if !c.Reports.Scan() {
		t.Fatal("the child reports nothing")
	}
	said := c.Reports.Text()
	if !strings.Contains(said, closed) || !strings.Contains(said, "permission denied") {
		t.Errorf("it says %q", said)
	}
	_ = c.Cmd.Wait()
	if entries, err := os.ReadDir(closed); err != nil || len(entries) > 0 || len(serversOn(dir)) > 0 {
		t.Errorf("left: %v %v, %v", entries, serversOn(dir), err)
	}
}

// childStarts reports in one line why it cannot start in a directory.
func childStarts(t *testing.T, dir string) {
	s, err := server.New(durable(filepath.Join(dir, "closed")))
	if err == nil {
		err = s.Start(t.Context())
	}
	if err == nil {
		err = s.Shutdown(t.Context())
	}
	fmt.Fprintf(os.NewFile(3, "report"), "%s\n", strings.ReplaceAll(fmt.Sprint(err), "\n", " | "))
}

// writers is how many clients write at once while the server is killed.
const writers = 4

// childWrites serves and writes rows and files to itself, and reports each
// once it is acknowledged, until it is killed.
func childWrites(t *testing.T, dir string) {
	s, _ := serve(t, durable(dir))
	execSQL(t, s, "create table if not exists t (id int primary key, s text)")
	service(s).Post(t, "/storage/v1/bucket", `{"name":"b"}`).WantStatus(t, http.StatusOK)
	report := os.NewFile(3, "report")
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			c := service(s)
			for i := w; ; i += writers {
				n := strconv.Itoa(i)
				if c.Post(t, "/rest/v1/t", `{"id":`+n+`,"s":"row `+n+`"}`).Status == http.StatusCreated {
					fmt.Fprintf(report, "row %d\n", i)
				}
				if c.Post(t, "/storage/v1/object/b/f"+n, content(i)).Status == http.StatusOK {
					fmt.Fprintf(report, "file %d\n", i)
				}
			}
		})
	}
	wg.Wait()
}

func content(i int) string { return strings.Repeat(strconv.Itoa(i)+" ", 5000) }

// TestKillUnderLoad kills a server that writes: what was acknowledged is there
// afterwards.
func TestKillUnderLoad(t *testing.T) {
	t.Parallel()
	dir := publicTempDir(t)
	c := startChild(t, "load", dir, nil)
	var acknowledged []string
	for c.Reports.Scan() {
		acknowledged = append(acknowledged, c.Reports.Text())
		if len(acknowledged) == 150 {
			if err := c.Cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = c.Cmd.Wait()
	if len(acknowledged) < 150 {
		t.Fatalf("only %d writes", len(acknowledged))
	}
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for len(serversOn(dir)) > 0 {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("left: %v", serversOn(dir))
		}
	}

	s, _ := serve(t, durable(dir))
	client := service(s)
	var rows []struct {
		ID int
		S  string
	}
	client.Get(t, "/rest/v1/t").WantStatus(t, http.StatusOK).JSON(t, &rows)
	have := map[int]string{}
	for _, r := range rows {
		have[r.ID] = r.S
	}
	files := 0
	for _, a := range acknowledged {
		kind, number, _ := strings.Cut(a, " ")
		i, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		if kind == "row" {
			if have[i] != "row "+number {
				t.Errorf("row %d was acknowledged and is %q", i, have[i])
			}
			continue
		}
		files++
		if res := client.Get(t, "/storage/v1/object/b/f"+number); res.Status != http.StatusOK || string(res.Body) != content(i) {
			t.Errorf("file %d was acknowledged and answers %d with %d bytes", i, res.Status, len(res.Body))
		}
	}
	if files == 0 || files == len(acknowledged) {
		t.Errorf("%d of %d writes are files: this proves too little", files, len(acknowledged))
	}
	client.Post(t, "/rest/v1/t", `{"id":-1}`).WantStatus(t, http.StatusCreated)
	t.Logf("%d writes were acknowledged, %d of them files", len(acknowledged), files)
}
