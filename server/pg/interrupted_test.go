//go:build unix

package pg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// A process that dies while another one's server stands still for it leaves none that does.
func TestKilledWhileFrozen(t *testing.T) {
	t.Parallel()
	cl := startTest(t, Config{})
	pid := cl.current().pid
	c := startChild(t, "freeze:"+strconv.Itoa(pid), childOptions{})
	c.line(t)
	if still, err := standsStill(pid); err != nil || !still {
		t.Fatalf("the server does not stand still: %v", err)
	}
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait()
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
	template := testTemplate(t)
	for _, kind := range []string{"ephemeral", "durable"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := Config{Template: template}
			if kind == "durable" {
				c.DataDir = filepath.Join(publicTempDir(t), "data")
			}
			cl := startTest(t, c)
			s, err := cl.Snapshot(t.Context(), SnapshotOptions{Dir: filepath.Join(publicTempDir(t), "saved")})
			if err != nil {
				t.Fatal(err)
			}
			execAll(t, cl, "create table later as select 1 as n")
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
}
