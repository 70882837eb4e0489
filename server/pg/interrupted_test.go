//go:build unix

package pg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// A process that dies while another one's server stands still for it leaves none that does.
func TestKilledWhileFrozen(t *testing.T) {
	t.Parallel()
	cl := startTest(t, Config{})
	pid := cl.current().pid
	c := startChild(t, "freeze:"+strconv.Itoa(pid), childOptions{})
	c.Line(t)
	if still, err := standsStill(pid); err != nil || !still {
		t.Fatalf("the server does not stand still: %v", err)
	}
	if err := c.Cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Cmd.Wait()
	if got := queryString(t, cl, superuser, "postgres", "select count(*)::text from notes"); got != "100" {
		t.Errorf("%s notes", got)
	}
}

// Wherever a restore of a kept data directory is interrupted, the next start has the old data or the new ones, whole.
func TestInterruptedRestore(t *testing.T) {
	t.Parallel()
	names := []string{"PG_VERSION", "base", "global", "pg_wal", "postgresql.conf"}
	fill := func(dir, content string) {
		t.Helper()
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if err := os.WriteFile(filepath.Join(dir, n), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	// the moves of a whole restore, in their order
	var moves []func(dir string) error
	move := func(from, to string) {
		moves = append(moves, func(dir string) error { return os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)) })
	}
	move(restorePart, restoreNext)
	moves = append(moves, func(dir string) error { return os.Mkdir(filepath.Join(dir, restoreOld), 0o700) })
	for _, n := range names {
		move(n, restoreOld+"/"+n)
	}
	move(restoreNext, restoreNow)
	for _, n := range append(names[1:], names[0]) {
		move(restoreNow+"/"+n, n)
	}
	for died := range len(moves) + 1 {
		t.Run(fmt.Sprintf("after %d moves", died), func(t *testing.T) {
			dir := t.TempDir()
			fill(dir, "old")
			fill(filepath.Join(dir, restorePart), "new")
			fill(filepath.Join(dir, restoreSpare), "spare")
			for _, m := range moves[:died] {
				if err := m(dir); err != nil {
					t.Fatal(err)
				}
			}
			log, _ := newTestLog(t)
			d := &durable{path: dir, acct: selfAccount(), log: log}
			if err := d.finishRestore(); err != nil {
				t.Fatal(err)
			}
			want := "old"
			if died > 0 {
				want = "new"
			}
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != len(names) {
				t.Errorf("there are %v, %v", entries, err)
			}
			for _, n := range names {
				if b, err := os.ReadFile(filepath.Join(dir, n)); err != nil || string(b) != want {
					t.Errorf("%s is %q, want %q: %v", n, b, want, err)
				}
			}
		})
	}
}

// A server that does not start from what it is given goes on with what it had.
func TestRestoreOfDamage(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, cl *Cluster) {
		s, err := cl.Snapshot(t.Context(), SnapshotOptions{Dir: filepath.Join(publicTempDir(t), "saved")})
		if err != nil {
			t.Fatal(err)
		}
		execAll(t, cl, "create table later as select 1 as n")
		if cl.durable {
			cl.keepSpare(nil) // of what is damaged only now
		}
		for i, f := range s.info.Files {
			if f.Name == controlName {
				s.info.Files[i].Size = 100 // cut off
			}
		}
		if err := cl.Restore(t.Context(), s, nil); err == nil {
			t.Fatal("a damaged snapshot was restored")
		}
		if got := queryString(t, cl, superuser, "postgres", "select n::text from later"); got != "1" {
			t.Errorf("got %q", got)
		}
		s.info.Files = append(s.info.Files, archiveFile{Name: "base/../../out"})
		if err := cl.Restore(t.Context(), s, nil); err == nil || errors.Is(err, os.ErrExist) {
			t.Errorf("a name that leads out was written: %v", err)
		}
	})
}

// Whenever a process dies that goes back to a snapshot time and again, the database is whole: before or after.
func TestKilledWhileRestoring(t *testing.T) {
	t.Parallel()
	dir := publicTempDir(t)
	data := filepath.Join(dir, "data")
	for round := range 3 {
		c := startChild(t, "restore:"+data, childOptions{dir: dir})
		for range round {
			c.Line(t)
		}
		c.Line(t)
		moment := time.NewTimer(time.Duration(round) * 17 * time.Millisecond)
		<-moment.C // anywhere in a restore
		if err := c.Cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Cmd.Wait()
		cl := startTest(t, Config{DataDir: data})
		wantNothingLeft(t, data)
		got := queryString(t, cl, superuser, "postgres", "select count(*) || ' ' || min(id) || ' ' || max(id) from notes")
		if got != "100 1 100" && got != "200 1 200" {
			t.Errorf("round %d: there are %s", round, got)
		}
		execAll(t, cl, "delete from notes where id > 100")
		if err := cl.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// The server of a process that died while restoring has ended before its files are replaced: it would write its last
// checkpoint into the new ones.
func TestRestoreAwaitsPredecessor(t *testing.T) {
	t.Parallel()
	dir := publicTempDir(t)
	data := filepath.Join(dir, "data")
	c := startChild(t, "next:"+data, childOptions{dir: dir})
	pid, err := strconv.Atoi(c.Line(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil { // a backend, for which the server waits
		t.Fatal(err)
	}
	if err := c.Cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Cmd.Wait()
	cl := startTest(t, Config{DataDir: data})
	wantNothingLeft(t, data)
	if got := queryString(t, cl, superuser, "postgres", "select count(*)::text from notes"); got != "100" {
		t.Errorf("%s notes", got)
	}
}

// A server that was killed is not followed by another: whoever wants its state replaced is told.
func TestRestoreAfterDeath(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, cl *Cluster) {
		s, err := cl.Snapshot(t.Context(), SnapshotOptions{Dir: filepath.Join(publicTempDir(t), "saved")})
		if err != nil {
			t.Fatal(err)
		}
		execAll(t, cl, "create unlogged table quick as select 1 as n")
		srv := cl.current()
		if err := srv.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-cl.Exited()
		wantError(t, cl.Restore(t.Context(), s, nil), "can no longer be started")
		_, err = cl.Snapshot(t.Context(), SnapshotOptions{})
		wantError(t, err, "can no longer be started")
		if !cl.durable {
			wantError(t, cl.Reset(t.Context(), nil), "can no longer be started")
			wantError(t, cl.Mark(t.Context(), nil, nil), "can no longer be started")
		}
		if cl.current() != srv {
			t.Error("another server was started")
		}
		if cl.durable {
			if err := cl.Stop(); err != nil {
				t.Fatal(err)
			}
			wantError(t, cl.Restore(t.Context(), s, nil), "can no longer be started")
			wantNothingLeft(t, cl.DataDir())
			again := startTest(t, Config{DataDir: cl.DataDir(), Binaries: testBinaries(t)})
			if got := queryString(t, again, superuser, "postgres", "select count(*)::text from pg_class where relname = 'quick'"); got != "1" {
				t.Error("the restore that was refused was completed")
			}
		}
	})
}

// After a restore that failed before the old data were moved, no later start completes it.
func TestRestoreRefused(t *testing.T) {
	t.Parallel()
	cl, s := startKept(t)
	execAll(t, cl, "create table later as select 1 as n")
	if err := os.WriteFile(filepath.Join(cl.DataDir(), restoreOld), []byte("in the way"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cl.Restore(t.Context(), s, nil); err == nil {
		t.Fatal("the old data had no place to go to")
	}
	execAll(t, cl, "insert into later values (2)")
	if err := cl.Stop(); err != nil {
		t.Fatal(err)
	}
	wantNothingLeft(t, cl.DataDir())
	again := startTest(t, Config{DataDir: cl.DataDir(), Template: testTemplate(t)})
	if got := queryString(t, again, superuser, "postgres", "select string_agg(n::text, ' ' order by n) from later"); got != "1 2" {
		t.Errorf("there are %s", got)
	}
}

// A restore for which there is no room leaves the server as it was.
func TestRestoreWithoutRoom(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a small disk")
	}
	disk := publicTempDir(t)
	mountTmpfs(t, disk, "size=34m,mode=755")
	cl := startTest(t, Config{DataDir: filepath.Join(disk, "data")})
	s, err := cl.Snapshot(t.Context(), SnapshotOptions{Dir: filepath.Join(publicTempDir(t), "saved")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = cl.Snapshot(t.Context(), SnapshotOptions{Dir: filepath.Join(disk, "saved")})
	wantError(t, err, "no room for the snapshot in "+disk, "SUPARUST_SNAPSHOT_DIR")
	if exists(filepath.Join(disk, "saved")) {
		t.Error("a part of a snapshot is left")
	}
	execAll(t, cl, "create table later as select 1 as n")
	wantError(t, cl.Restore(t.Context(), s, nil), "no space left on device", "free some")
	wantNothingLeft(t, cl.DataDir())
	execAll(t, cl, "insert into later values (2)")
	if err := cl.Stop(); err != nil {
		t.Error(err)
	}
}

// Of a server that was killed nothing goes on: a backend that computes does not notice by itself.
func TestNothingOutlivesThePostmaster(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("this system does not tell whose processes they are")
	}
	eachKind(t, func(t *testing.T, cl *Cluster) {
		conn := connect(t, cl, superuser, "postgres")
		backend, segment := int(conn.PgConn().PID()), segmentOf(t, cl)
		ended := make(chan error, 1)
		go func() {
			_, err := conn.Exec(context.Background(), "do $$ begin loop end loop; end $$")
			ended <- err
		}()
		eventually(t, childPatience, func() error {
			if got := queryString(t, cl, superuser, "postgres", "select state from pg_stat_activity where pid = $1", backend); got != "active" {
				return errors.New(got)
			}
			return nil
		})
		if err := cl.current().cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-cl.Exited()
		if err := cl.Stop(); err != nil {
			t.Error(err)
		}
		defer func() {
			if t.Failed() {
				_ = syscall.Kill(backend, syscall.SIGKILL)
			}
		}()
		eventually(t, 5*time.Second, func() error {
			if still, err := standsStill(backend); err != nil || !still { // one that ends may not have yet
				return errors.Join(errors.New("a backend goes on"), err)
			}
			return nil
		})
		<-ended
		if segmentExists(segment) {
			t.Error("the shared memory segment is left")
		}
	})
}
