package migrations_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/suparust/suparust/migrations"
	"github.com/suparust/suparust/server/pg"
)

// bare is a template without anything of ours: these tests are about what Apply
// makes of it. several has two databases more, which cannot be made later because
// a template keeps no template database.
var (
	bare    = template("bare")
	several = template("several", "one", "two")
)

func template(name string, databases ...string) func() (*pg.Template, error) {
	return sync.OnceValues(func() (*pg.Template, error) {
		ctx := context.Background()
		bin, err := pg.Resolve(ctx, pg.ResolveOptions{
			BinDir:     os.Getenv("SUPARUST_PG_BIN"),
			Extensions: pg.Extensions{Files: migrations.Extensions(), ID: migrations.ExtensionsVersion()},
		})
		if err != nil {
			return nil, err
		}
		return pg.LoadTemplate(ctx, pg.TemplateSpec{
			Binaries: bin,
			Key:      "migrations-test-" + name,
			Build: func(ctx context.Context, dsn func(user, db string) string) error {
				conn, err := pgx.Connect(ctx, dsn("supabase_admin", "postgres"))
				if err != nil {
					return err
				}
				for _, d := range databases {
					if _, err := conn.Exec(ctx, "create database "+d); err != nil {
						return errors.Join(err, conn.Close(ctx))
					}
				}
				return conn.Close(ctx)
			},
		})
	})
}

// cluster is a PostgreSQL of one test's own.
type cluster struct {
	*pg.Cluster
}

// startBare starts a cluster as initdb leaves it.
func startBare(tb testing.TB) *cluster {
	tb.Helper()
	return startFrom(tb, bare)
}

func startFrom(tb testing.TB, load func() (*pg.Template, error)) *cluster {
	tb.Helper()
	template, err := load()
	if err != nil {
		tb.Fatalf("template: %v", err)
	}
	c, err := pg.Start(tb.Context(), pg.Config{Template: template, FirstUser: "supabase_admin"})
	if err != nil {
		tb.Fatalf("start: %v", err)
	}
	tb.Cleanup(func() {
		if err := c.Stop(); err != nil {
			tb.Errorf("stop: %v", err)
		}
	})
	return &cluster{c}
}

// start starts a cluster and applies the migrations to its database.
func start(tb testing.TB, o migrations.Options) *cluster {
	tb.Helper()
	c := startBare(tb)
	c.apply(tb, o)
	return c
}

// apply runs Apply on a connection of its own.
func (c *cluster) apply(tb testing.TB, o migrations.Options) {
	tb.Helper()
	if err := migrations.Apply(tb.Context(), c.connect(tb, "supabase_admin").Conn, o); err != nil {
		tb.Fatalf("apply: %v\n%s", err, c.LogTail(20))
	}
}

// conn is a connection that fails its test on errors.
type conn struct {
	*pgx.Conn
	tb testing.TB
}

// connect opens a connection to the database postgres over the unix socket.
func (c *cluster) connect(tb testing.TB, user string) *conn {
	tb.Helper()
	return c.connectTo(tb, user, "postgres")
}

func (c *cluster) connectTo(tb testing.TB, user, database string) *conn {
	tb.Helper()
	config, err := c.ConnConfig(user, database)
	if err != nil {
		tb.Fatalf("connection settings: %v", err)
	}
	pc, err := pgx.ConnectConfig(tb.Context(), config)
	if err != nil {
		tb.Fatalf("connect as %s: %v", user, err)
	}
	tb.Cleanup(func() { _ = pc.Close(context.WithoutCancel(tb.Context())) })
	return &conn{pc, tb}
}

// exec runs statements that have to succeed.
func (c *conn) exec(sql string) {
	c.tb.Helper()
	if _, err := c.Exec(c.tb.Context(), sql); err != nil {
		c.tb.Fatalf("%s: %v", sql, err)
	}
}

// fails runs statements that have to fail and returns the error.
func (c *conn) fails(sql string) *pgconn.PgError {
	c.tb.Helper()
	_, err := c.Exec(c.tb.Context(), sql)
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		c.tb.Fatalf("%s: got %v, want an error of PostgreSQL", sql, err)
	}
	return pgErr
}

// lines runs one query and returns its rows as text, the columns parted by " | ".
// A null reads as "∅".
func (c *conn) lines(sql string, args ...any) []string {
	c.tb.Helper()
	mode := []any{pgx.QueryExecModeSimpleProtocol}
	rows, err := c.Query(c.tb.Context(), sql, append(mode, args...)...)
	if err != nil {
		c.tb.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var b strings.Builder
		for i, v := range rows.RawValues() {
			if i > 0 {
				b.WriteString(" | ")
			}
			if v == nil {
				b.WriteString("∅")
			} else {
				b.Write(v)
			}
		}
		out = append(out, b.String())
	}
	if err := rows.Err(); err != nil {
		c.tb.Fatalf("%s: %v", sql, err)
	}
	return out
}

// one runs a query that returns one row, as text.
func (c *conn) one(sql string, args ...any) string {
	c.tb.Helper()
	got := c.lines(sql, args...)
	if len(got) != 1 {
		c.tb.Fatalf("%s: got %d rows, want one", sql, len(got))
	}
	return got[0]
}

// as runs statements in a transaction that is rolled back, as a role and with
// claims as an API request sets them, and returns the last query's rows.
func (c *conn) as(role, claims string, statements ...string) []string {
	c.tb.Helper()
	c.exec("begin")
	defer c.exec("rollback")
	if _, err := c.Exec(c.tb.Context(),
		"select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)", role, claims); err != nil {
		c.tb.Fatalf("become %s: %v", role, err)
	}
	for _, s := range statements[:len(statements)-1] {
		c.exec(s)
	}
	return c.lines(statements[len(statements)-1])
}
