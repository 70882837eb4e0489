package auth_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/migrations"
	"github.com/suparust/suparust/server/pg"
)

// template is a PostgreSQL with the platform's database and nothing else.
var template = sync.OnceValues(func() (*pg.Template, error) {
	ctx := context.Background()
	bin, err := pg.Resolve(ctx, pg.ResolveOptions{BinDir: os.Getenv("SUPARUST_PG_BIN")})
	if err != nil {
		return nil, err
	}
	return pg.LoadTemplate(ctx, pg.TemplateSpec{
		Binaries: bin,
		Key:      "auth-test-" + migrations.Version(),
		Build: func(ctx context.Context, dsn func(user, db string) string) error {
			conn, err := pgx.Connect(ctx, dsn("supabase_admin", "postgres"))
			if err != nil {
				return err
			}
			defer conn.Close(ctx)
			return migrations.Apply(ctx, conn, migrations.Options{})
		},
	})
})

// database starts a PostgreSQL of the test's own and returns how to connect.
func database(t testing.TB) func(user string) *pgx.ConnConfig {
	t.Helper()
	tpl, err := template()
	if err != nil {
		t.Fatalf("template: %v", err)
	}
	c, err := pg.Start(t.Context(), pg.Config{Template: tpl, FirstUser: "supabase_auth_admin"})
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return func(user string) *pgx.ConnConfig {
		cfg, err := c.ConnConfig(user, "postgres")
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
}
