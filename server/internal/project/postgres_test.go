package project

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/suparust/suparust/migrations"
	"github.com/suparust/suparust/server/pg"
)

// newDatabase starts a PostgreSQL with the platform's schemas, as a project finds it.
func newDatabase(t *testing.T) OpenFunc {
	t.Helper()
	binaries, err := pg.Resolve(t.Context(), pg.ResolveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	template, err := pg.LoadTemplate(t.Context(), pg.TemplateSpec{
		Binaries: binaries,
		Key:      "project-test-" + migrations.Version(),
		Build: func(ctx context.Context, dsn func(user, db string) string) error {
			conn, err := pgx.Connect(ctx, dsn("supabase_admin", "postgres"))
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			return migrations.Apply(ctx, conn, migrations.Options{})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := pg.Start(t.Context(), pg.Config{Template: template})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	})
	return func(ctx context.Context, user, database string) (*pgx.Conn, error) {
		config, err := cluster.ConnConfig(user, database)
		if err != nil {
			return nil, err
		}
		return pgx.ConnectConfig(ctx, config)
	}
}
