package auth_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/server/pg"
)

// template is a PostgreSQL with the platform's database and nothing else.
var template = sync.OnceValues(func() (*pg.Template, error) {
	cfg := server.DefaultConfig()
	cfg.Ephemeral()
	cfg.Database.BinDir = os.Getenv("SUPARUST_PG_BIN")
	return server.LoadTemplate(context.Background(), cfg)
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
