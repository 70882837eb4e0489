package server_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server"
)

// TestOwnSecrets: a server with a password and a secret of its own starts from
// the shared template and has them in the database, not the template's.
func TestOwnSecrets(t *testing.T) {
	t.Parallel()
	const secret = "a secret of this server's own, 32 or more"
	cfg := server.DefaultConfig()
	cfg.Ephemeral()
	cfg.Keys.JWTSecret = secret
	cfg.Auth.JWTExpiry = 2 * time.Minute
	cfg.Database.Password = "its own password"
	srv, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	conn, err := pgx.Connect(t.Context(), srv.DatabaseURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var inDatabase, expiry string
	if err := conn.QueryRow(t.Context(), "select current_setting('app.settings.jwt_secret'), current_setting('app.settings.jwt_exp')").
		Scan(&inDatabase, &expiry); err != nil {
		t.Fatal(err)
	}
	if inDatabase != secret || expiry != "120" {
		t.Errorf("the database has secret %q, expiry %s", inDatabase, expiry)
	}
	wrong, err := pgx.ParseConfig(srv.DatabaseURL())
	if err != nil {
		t.Fatal(err)
	}
	wrong.Password = "postgres"
	if c, err := pgx.ConnectConfig(t.Context(), wrong); err == nil {
		c.Close(context.Background())
		t.Error("the template's password still opens the database")
	}
}
