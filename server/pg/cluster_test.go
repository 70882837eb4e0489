//go:build unix

package pg

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestEphemeralCluster(t *testing.T) {
	t.Parallel()
	cl := startTest(t, Config{Settings: map[string]string{"work_mem": "5MB"}})

	t.Run("first connection is handed over once", func(t *testing.T) {
		conn := cl.TakeConn()
		if conn == nil {
			t.Fatal("no connection")
		}
		var got string
		if err := conn.QueryRow(t.Context(), "select current_user || ' ' || count(*) from notes").Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != "authenticator 100" {
			t.Errorf("got %q", got)
		}
		if cl.TakeConn() != nil {
			t.Error("the connection was handed over twice")
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("settings", func(t *testing.T) {
		for name, want := range map[string]string{"fsync": "off", "work_mem": "5MB", "dynamic_shared_memory_type": "mmap", "wal_level": "logical", "TimeZone": "UTC", "compute_query_id": "on", "listen_addresses": "127.0.0.1", "server_encoding": "UTF8"} {
			if got := queryString(t, cl, superuser, "postgres", "select current_setting($1)", name); got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
	})
	t.Run("TCP asks for the password", func(t *testing.T) {
		conn, err := pgx.Connect(t.Context(), cl.URL("authenticator", "postgres", "postgres"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if _, err := pgx.Connect(t.Context(), cl.URL("authenticator", "wrong", "postgres")); err == nil {
			t.Error("a wrong password was accepted")
		}
	})
	t.Run("databases can be created from both templates", func(t *testing.T) {
		conn := connect(t, cl, superuser, "postgres")
		for _, sql := range []string{"create database plain", "create database bare template template0 encoding 'UTF8'", "create database same strategy file_copy", "create database twin template postgres"} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
		for _, db := range []string{"plain", "bare", "same"} {
			if got := queryString(t, cl, superuser, db, "select count(*)::text from pg_class where relname = 'notes'"); got != "0" {
				t.Errorf("%s has the project's tables", db)
			}
		}
		if got := queryString(t, cl, superuser, "twin", "select count(*)::text from notes"); got != "100" {
			t.Errorf("got %q notes", got)
		}
		if _, err := tryQuery(t.Context(), cl, superuser, "template1", "select ''"); err == nil {
			t.Error("the shared template1 accepts connections")
		}
	})
	t.Run("what was left out of the clone is not missed", func(t *testing.T) {
		conn := connect(t, cl, superuser, "postgres")
		check := func(when string) {
			t.Helper()
			for _, sql := range []string{
				"select count(*) from pg_class c, lateral verify_heapam(c.oid) where c.relkind in ('r', 't', 'm') and c.relpersistence <> 't'",
				"select count(bt_index_check(i.indexrelid, true)) - count(*) from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam where a.amname = 'btree' and c.relpersistence <> 't'",
			} {
				var bad int
				if err := conn.QueryRow(t.Context(), sql).Scan(&bad); err != nil || bad != 0 {
					t.Errorf("%s: %d findings, %v: %s", when, bad, err, sql)
				}
			}
		}
		for _, sql := range []string{"create extension amcheck", "set enable_seqscan = off"} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		check("as cloned")
		for _, sql := range []string{"delete from notes where id > 90", "insert into notes select i, 'new' from generate_series(1001, 1010) i", "vacuum (analyze)", "checkpoint"} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		check("after writes and vacuum")
		if got := queryString(t, cl, superuser, "postgres", "select count(id)::text from notes where id > 0"); got != "100" {
			t.Errorf("%s notes", got)
		}
	})
	t.Run("the run directory is closed to others", func(t *testing.T) {
		info, err := os.Stat(cl.Dir())
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("mode %v", info.Mode())
		}
	})
	t.Run("log", func(t *testing.T) {
		if tail := cl.LogTail(3); strings.Count(tail, "\n") != 2 {
			t.Errorf("%q is not three lines", tail)
		}
	})
}

func connect(tb testing.TB, cl *Cluster, user, db string) *pgx.Conn {
	tb.Helper()
	cfg, err := cl.ConnConfig(user, db)
	if err != nil {
		tb.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	cl := startTest(t, Config{})
	pf, err := readPidFile(cl.DataDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := cl.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := cl.Stop(); err != nil {
		t.Error("a second stop fails:", err)
	}
	<-cl.Exited()
	if exists(cl.Dir()) {
		t.Error("the run directory is left")
	}
	if isPostgresOn(pf.pid, cl.DataDir()) {
		t.Error("the server is left")
	}
	if segmentExists(pf.shmID) {
		t.Error("the shared memory segment is left")
	}
	if portOpen(cl.Port()) {
		t.Error("the port is left")
	}
}

func TestClonesAreIndependent(t *testing.T) {
	t.Parallel()
	tmpl := testTemplate(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			cl, err := Start(t.Context(), Config{Template: tmpl})
			if err != nil {
				t.Error(err)
				return
			}
			defer func() {
				if err := cl.Stop(); err != nil {
					t.Error(err)
				}
			}()
			got, err := tryQuery(t.Context(), cl, superuser, "postgres", "with gone as (delete from notes where id > 10 returning 1) select count(*)::text from gone")
			if err != nil || got != "90" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	wg.Wait()
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	_, err = Start(t.Context(), Config{Template: testTemplate(t), Port: port})
	wantError(t, err, "cannot listen on 127.0.0.1:", "choose another port")
	if !errors.Is(err, errPortTaken) {
		t.Errorf("not a taken port: %v", err)
	}
}

func TestFirstConnectionRefused(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Config{Template: testTemplate(t), FirstUser: "who"})
	wantError(t, err, "refuses its first connection", `role "who" does not exist`)
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	tmpl := testTemplate(t)
	_, err := Start(t.Context(), Config{Template: tmpl, Settings: map[string]string{"a b": "c"}})
	wantError(t, err, "not the name of a PostgreSQL setting")
	_, err = Start(t.Context(), Config{Template: tmpl, Settings: map[string]string{"work_mem": "plenty"}})
	wantError(t, err, "stopped while starting", "work_mem")
}

func TestStartCancelled(t *testing.T) {
	t.Parallel()
	tmpl := testTemplate(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Config{Template: tmpl}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestServerThatDies(t *testing.T) {
	t.Parallel()
	cl := startTest(t, Config{})
	segment := segmentOf(t, cl)
	if err := cl.srv.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-cl.Exited():
	case <-time.After(10 * time.Second):
		t.Fatal("its end is not told")
	}
	if err := cl.Stop(); err != nil {
		t.Error(err)
	}
	if exists(cl.Dir()) {
		t.Error("the run directory is left")
	}
	eventually(t, 10*time.Second, func() error {
		if segmentExists(segment) { // its last process may just be ending
			return errors.New("the shared memory segment is left")
		}
		return nil
	})
}

// segmentOf is the System V segment of a running server.
func segmentOf(t *testing.T, cl *Cluster) int {
	t.Helper()
	pf, err := readPidFile(cl.dataDir)
	if err != nil || pf.shmID == 0 {
		t.Fatalf("the server has no segment %d: %v", pf.shmID, err)
	}
	return pf.shmID
}

// TestSocketPath keeps the run directories short enough for a unix socket.
func TestSocketPath(t *testing.T) {
	t.Parallel()
	long := filepath.Join(publicTempDir(t), strings.Repeat("long", 20))
	acct, err := processAccount()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(long, 0o755); err != nil {
		t.Fatal(err)
	}
	wantError(t, usableBase(long, acct), "too long for the path of a unix socket")
}

func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write := func(s string) {
		t.Helper()
		if _, err := f.WriteString(s); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	if err := cutLog(path, 5, 3); err != nil {
		t.Fatal(err)
	}
	write("more")
	if err := cutLog(path, 5, 3); err != nil {
		t.Fatal(err)
	}
	write("next")
	for name, want := range map[string]string{path: "next", path + ".1": "ore"} {
		if b, err := os.ReadFile(name); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}

// Whoever can have PostgreSQL execute programs can make links in a run directory: they lead nowhere.
func TestLogIsNoLink(t *testing.T) {
	t.Parallel()
	cl := startTest(t, Config{})
	s, err := cl.Snapshot(t.Context(), SnapshotOptions{})
	if err != nil {
		t.Fatal(err)
	}
	precious := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := cl.current().logPath
	if err := errors.Join(os.Remove(log), os.Symlink(precious, log)); err != nil {
		t.Fatal(err)
	}
	if got := cl.LogTail(10); got != "" {
		t.Errorf("the log says %q", got)
	}
	if err := cutLog(log, 1, 1); err == nil {
		t.Error("another file was cut")
	}
	if err := cl.Restore(t.Context(), s, nil); err == nil {
		t.Error("a server writes its log to another file")
	}
	if err := s.Remove(); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(precious); err != nil || string(b) != "precious" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}
