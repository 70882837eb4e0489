// Package pgtest gives tests a PostgreSQL that knows nothing of the platform, such
// as one that runs elsewhere.
package pgtest

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/pg"
)

// Superuser is the superuser, who logs in without a password unless SQL of Start
// gives one.
const Superuser = "supabase_admin"

// Start starts a PostgreSQL with what sql has made in it; "" leaves it as it is
// at first. It stops when tb ends, and the next one with the same SQL is a copy.
func Start(tb testing.TB, sql string) *pg.Cluster {
	tb.Helper()
	bin, err := pg.Resolve(tb.Context(), pg.ResolveOptions{BinDir: os.Getenv("SUPARUST_PG_BIN")})
	if err != nil {
		tb.Fatal(err)
	}
	template, err := pg.LoadTemplate(tb.Context(), pg.TemplateSpec{
		Binaries: bin,
		Key:      "without the platform " + sql,
		Build: func(ctx context.Context, dsn func(user, db string) string) error {
			conn, err := pgx.Connect(ctx, dsn(Superuser, "postgres"))
			if err != nil {
				return err
			}
			_, err = conn.Exec(ctx, sql)
			return errors.Join(err, conn.Close(ctx))
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	c, err := pg.Start(tb.Context(), pg.Config{Template: template, FirstUser: Superuser})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return c
}
