//go:build unix

package pg

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func execAll(tb testing.TB, cl *Cluster, sql ...string) {
	tb.Helper()
	conn := connect(tb, cl, superuser, "postgres")
	for _, s := range sql {
		if _, err := conn.Exec(tb.Context(), s); err != nil {
			tb.Fatalf("%s: %v", s, err)
		}
	}
}

// state is everything that a test database holds, sequences and settings among it.
func state(tb testing.TB, cl *Cluster) string {
	tb.Helper()
	return queryString(tb, cl, superuser, "postgres", `
select string_agg(t.x, E'\n' order by t.x) from (
	select format('%s %s', c.oid::regclass, query_to_xml(format('select * from %s', c.oid::regclass), true, true, '')) as x
	from pg_class c where c.relkind in ('r', 'm') and c.relnamespace = 'public'::regnamespace
	union all
	select format('%s %s', c.oid::regclass, pg_sequence_last_value(c.oid)) from pg_class c where c.relkind = 'S' and c.relnamespace = 'public'::regnamespace
	union all
	select name || ' = ' || setting from pg_settings where name in ('work_mem', 'port')
) t`)
}

const counted = "create table public.counted (id bigint generated always as identity, at timestamptz default clock_timestamp(), key uuid default gen_random_uuid())"

// eachKind runs a test on a cluster that ends with the process, and on one whose data are kept.
func eachKind(t *testing.T, test func(t *testing.T, cl *Cluster)) {
	t.Helper()
	template := testTemplate(t)
	for _, kind := range []string{"ephemeral", "durable"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := Config{Template: template}
			if kind == "durable" {
				c.DataDir = filepath.Join(publicTempDir(t), "data")
			}
			test(t, startTest(t, c))
		})
	}
}

func TestSnapshotAndRestore(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, cl *Cluster) {
		execAll(t, cl, counted, "insert into counted select from generate_series(1, 7)")
		want := state(t, cl)
		open := connect(t, cl, superuser, "postgres")
		s, err := cl.Snapshot(t.Context(), SnapshotOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if s.Stopped() {
			t.Error("the server was stopped for it")
		}
		if _, err := open.Exec(t.Context(), "select 1"); err != nil {
			t.Errorf("a connection did not survive the snapshot: %v", err)
		}
		for round := range 3 {
			execAll(t, cl, "insert into counted select from generate_series(1, 50)", "drop table notes", "create table other as select 1 as n", "checkpoint")
			if err := cl.Restore(t.Context(), s, nil); err != nil {
				t.Fatal(err)
			}
			if got := state(t, cl); got != want {
				t.Fatalf("round %d: got\n%s\nwant\n%s", round, got, want)
			}
		}
		if err := s.Remove(); err != nil {
			t.Fatal(err)
		}
		execAll(t, cl, "create database another")
		if cl.durable {
			if err := cl.Stop(); err != nil {
				t.Fatal(err)
			}
			again := startTest(t, Config{Binaries: testBinaries(t), DataDir: cl.DataDir()})
			if got := queryString(t, again, superuser, "postgres", "select max(id)::text from counted"); got != "7" {
				t.Errorf("after a new start there are %s", got)
			}
			wantNothingLeft(t, cl.DataDir())
		}
	})
}

// A snapshot in a directory is all that another cluster, of either kind, needs.
func TestStartFromSnapshot(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(publicTempDir(t), "saved")
	cl := startTest(t, Config{})
	execAll(t, cl, counted, "insert into counted select from generate_series(1, 7)")
	want := state(t, cl)
	if _, err := cl.Snapshot(t.Context(), SnapshotOptions{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	port := fmt.Sprint(cl.Port())
	if err := cl.Stop(); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSnapshot(dir)
	if err != nil {
		t.Fatal(err)
	}
	same := func(t *testing.T, cl *Cluster) {
		t.Helper()
		got := strings.Replace(state(t, cl), "port = "+fmt.Sprint(cl.Port()), "port = "+port, 1)
		if got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		execAll(t, cl, "create database another")
	}
	t.Run("ephemeral", func(t *testing.T) {
		one, two := startTest(t, Config{Snapshot: s, Binaries: testBinaries(t)}), startTest(t, Config{Snapshot: s, Binaries: testBinaries(t)})
		execAll(t, one, "delete from counted")
		same(t, two)
		if err := one.Reset(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		same(t, one)
	})
	t.Run("the template's own files are gone", func(t *testing.T) {
		gone := *s
		gone.info.Links = map[string]string{template1Dir: "/nonexistent", template0Dir: "/nonexistent"}
		same(t, startTest(t, Config{Snapshot: &gone, Binaries: testBinaries(t)}))
	})
	t.Run("durable", func(t *testing.T) {
		data := filepath.Join(publicTempDir(t), "data")
		if err := RestoreDataDir(t.Context(), data, s); err != nil {
			t.Fatal(err)
		}
		cl := startTest(t, Config{DataDir: data, Binaries: testBinaries(t)})
		same(t, cl)
		if err := RestoreDataDir(t.Context(), data, s); err == nil || !strings.Contains(err.Error(), "another suparust runs") {
			t.Errorf("a data directory in use was replaced: %v", err)
		}
		execAll(t, cl, "drop database another", "delete from counted")
		if err := cl.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := RestoreDataDir(t.Context(), data, s); err != nil {
			t.Fatal(err)
		}
		same(t, startTest(t, Config{DataDir: data, Binaries: testBinaries(t)}))
	})
	t.Run("another major version", func(t *testing.T) {
		other := *s
		other.info.Major = 12
		_, err := Start(t.Context(), Config{Snapshot: &other, Binaries: testBinaries(t)})
		wantError(t, err, "saved by PostgreSQL 12", "SUPARUST_PG_VERSION=12")
	})
}

// Unlogged tables are empty after a recovery: the server is stopped in order for them.
func TestSnapshotOfUnloggedTables(t *testing.T) {
	t.Parallel()
	cl := startTest(t, Config{})
	execAll(t, cl, "create unlogged table quick as select i from generate_series(1, 1000) i")
	want, stopped := state(t, cl), false
	s, err := cl.Snapshot(t.Context(), SnapshotOptions{BeforeStop: func() { stopped = true }})
	if err != nil {
		t.Fatal(err)
	}
	if !stopped || !s.Stopped() {
		t.Error("the server was not stopped")
	}
	if got := state(t, cl); got != want {
		t.Error("the snapshot changed the database")
	}
	execAll(t, cl, "delete from quick")
	if err := cl.Restore(t.Context(), s, nil); err != nil {
		t.Fatal(err)
	}
	if got := state(t, cl); got != want {
		t.Errorf("got\n%s", got)
	}
	if err := s.Remove(); err != nil {
		t.Error(err)
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	template := testTemplate(t)
	big := "create table big as select i, repeat(md5(i::text), 10) from generate_series(1, 60000) i"
	for name, c := range map[string]struct {
		setup    []string // nil marks nothing
		snapshot bool
	}{
		"as started":         {},
		"marked":             {setup: []string{counted, "insert into counted select from generate_series(1, 7)", "alter system set work_mem = '7MB'", "select pg_reload_conf()"}},
		"nothing was done":   {setup: []string{}},
		"much was done":      {setup: []string{counted, big}, snapshot: true},
		"unlogged":           {setup: []string{"create unlogged table quick as select i from generate_series(1, 1000) i"}, snapshot: true},
		"a database more":    {setup: []string{"create database more", "insert into notes values (4711, 'x')"}, snapshot: true},
		"after a checkpoint": {setup: []string{counted, "insert into counted select from generate_series(1, 7)", "checkpoint"}, snapshot: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := startTest(t, Config{Template: template})
			if c.setup != nil {
				execAll(t, cl, c.setup...)
				if err := cl.Mark(t.Context(), nil, nil); err != nil {
					t.Fatal(err)
				}
				if got := cl.base.snapshot != nil; got != c.snapshot {
					t.Errorf("the baseline is a snapshot: %t", got)
				}
			}
			want := state(t, cl)
			for round := range 3 {
				execAll(t, cl, "delete from notes", "create table other as select 1 as n", "alter system set work_mem = '9MB'", "select pg_reload_conf()")
				if strings.Contains(want, "counted") {
					execAll(t, cl, "insert into counted select from generate_series(1, 50)")
				}
				if round == 1 {
					execAll(t, cl, "checkpoint")
				}
				if err := cl.Reset(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				if got := state(t, cl); got != want {
					t.Fatalf("round %d: got\n%s\nwant\n%s", round, got, want)
				}
			}
		})
	}
}

// Writers at full speed see a pause, and the snapshot is of one instant of theirs.
func TestSnapshotUnderWriters(t *testing.T) {
	t.Parallel()
	cl := startTest(t, Config{})
	execAll(t, cl, "create table debit (n bigint primary key)", "create table credit (n bigint primary key)")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 3)
	for w := range cap(ended) {
		conn := connect(t, cl, superuser, "postgres")
		go func() {
			for n := w; ctx.Err() == nil; n += cap(ended) {
				err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
					if _, err := tx.Exec(t.Context(), "insert into debit values ($1)", n); err != nil {
						return err
					}
					_, err := tx.Exec(t.Context(), "insert into credit values ($1)", n)
					return err
				})
				if err != nil {
					ended <- fmt.Errorf("writer %d: %w", w, err)
					return
				}
			}
			ended <- nil
		}()
	}
	count := func(cl *Cluster, table string) string {
		return queryString(t, cl, superuser, "postgres", "select count(*)::text from "+table)
	}
	last := ""
	for range 5 {
		eventually(t, 20*time.Second, func() error {
			if got := count(cl, "debit"); got == last {
				return fmt.Errorf("nothing is written after %s", got)
			}
			return nil
		})
		s, err := cl.Snapshot(t.Context(), SnapshotOptions{})
		if err != nil {
			t.Fatal(err)
		}
		last = count(cl, "debit")
		copied := startTest(t, Config{Snapshot: s, Binaries: testBinaries(t)})
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
		if d, c := count(copied, "debit"), count(copied, "credit"); d != c || d == "0" {
			t.Errorf("%s debits and %s credits", d, c)
		}
		if got := queryString(t, copied, superuser, "postgres", "select count(*)::text from debit d full join credit c using (n) where d is null or c is null"); got != "0" {
			t.Errorf("%s are in one table alone", got)
		}
		if err := copied.Stop(); err != nil {
			t.Error(err)
		}
	}
	stop()
	for range cap(ended) {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
