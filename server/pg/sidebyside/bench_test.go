// Package sidebyside_test measures what a test pays for a database of its own,
// in the ways there are.
package sidebyside_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/server/pg"
	"github.com/suparust/suparust/suparusttest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		child()
		return
	}
	os.Exit(suparusttest.Main(m))
}

// way is one way to give a test its own database: begin connects to it as a
// superuser, end takes everything away again.
type way struct {
	name string
	// isolates is what one test cannot do to another.
	isolates string
	// open prepares what the tests have in common.
	open func(tb testing.TB) (test func(work func(url string) error) error)
}

// ways are measured side by side, each with the platform's schema.
var ways = []way{
	{"suparusttest", "everything: roles, settings, schemas, rows, files, ports, clock; and the three APIs are up", startAll},
	{"suparusttest-shared", "schemas, rows, files, ports, clock; roles and PostgreSQL's settings are shared; the three APIs are up", startShared},
	{"pg", "everything of PostgreSQL: roles, settings, schemas, rows", startCluster},
	{"database", "schemas and rows; roles and PostgreSQL's settings are shared: what pgtestdb does", createDatabase},
	{"embedded-postgres", "everything of PostgreSQL; the cluster and the schema are made anew for each test", startEmbedded},
}

// BenchmarkSideBySide gives a test a database with the platform's schema,
// writes a row into a table of its own, reads it, and takes the database away.
func BenchmarkSideBySide(b *testing.B) {
	for _, w := range ways {
		b.Run(w.name, func(b *testing.B) {
			test := w.open(b)
			if err := test(work); err != nil { // the first builds what is kept
				b.Fatal(err)
			}
			for b.Loop() {
				if err := test(work); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/test")
			b.Logf("isolates %s", w.isolates)
		})
	}
}

// TestSideBySide does the same once each, for the figures are worth nothing
// where the work is not done.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("makes a cluster with initdb")
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			if err := w.open(t)(work); err != nil {
				t.Error(err)
			}
		})
	}
}

// work is a small test.
func work(url string) (err error) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	const table = "create table public.notes (id bigint generated always as identity primary key, owner uuid references auth.users, body text not null)"
	if _, err := conn.Exec(ctx, table); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "insert into public.notes (body) values ($1)", "first"); err != nil {
		return err
	}
	var body string
	if err := conn.QueryRow(ctx, "select body from public.notes where id = 1").Scan(&body); err != nil {
		return err
	}
	if body != "first" {
		return fmt.Errorf("the row reads %q", body)
	}
	return nil
}

// one is a testing.TB that cleans up when told, as a test does at its end.
type one struct {
	testing.TB
	todo []func()
}

func (o *one) Cleanup(f func())         { o.todo = append(o.todo, f) }
func (o *one) Context() context.Context { return context.Background() }

func startWith(tb testing.TB, opts ...suparusttest.Option) func(func(url string) error) error {
	return func(work func(url string) error) error {
		test := &one{TB: tb}
		srv := suparusttest.Start(test, opts...)
		err := work(srv.DatabaseURL)
		for i := len(test.todo) - 1; i >= 0; i-- {
			test.todo[i]()
		}
		return err
	}
}

func startAll(tb testing.TB) func(func(url string) error) error { return startWith(tb) }

func startShared(tb testing.TB) func(func(url string) error) error {
	return startWith(tb, suparusttest.WithSharedCluster())
}

// platform is the template with the platform's schema.
func platform(tb testing.TB) *pg.Template {
	tb.Helper()
	cfg := server.DefaultConfig()
	cfg.Ephemeral()
	t, err := server.LoadTemplate(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// superuser owns the platform's objects; password is that of the template.
const superuser, password = "supabase_admin", "postgres"

func startCluster(tb testing.TB) func(func(url string) error) error {
	t := platform(tb)
	return func(work func(url string) error) error {
		cl, err := pg.Start(context.Background(), pg.Config{Template: t})
		if err != nil {
			return err
		}
		defer cl.Stop()
		return work(cl.URL(superuser, password, "postgres"))
	}
}

// databases makes the names of databases differ.
var databases atomic.Int64

func createDatabase(tb testing.TB) func(func(url string) error) error {
	ctx := context.Background()
	cl, err := pg.Start(ctx, pg.Config{Template: platform(tb), FirstUser: superuser})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := cl.Stop(); err != nil {
			tb.Error(err)
		}
	})
	admin := cl.TakeConn()
	tb.Cleanup(func() { admin.Close(ctx) })
	return func(work func(url string) error) error {
		name := fmt.Sprintf("test_%d", databases.Add(1))
		if _, err := admin.Exec(ctx, "create database "+name+" template postgres"); err != nil {
			return err
		}
		if err := work(cl.URL(superuser, password, name)); err != nil {
			return err
		}
		_, err := admin.Exec(ctx, "drop database "+name)
		return err
	}
}
