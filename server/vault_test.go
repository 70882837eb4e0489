//go:build unix

package server_test

import (
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server"
)

// TestVaultKeyOfAKeptDatabase: the secrets of a template are readable in each
// database that is made from it, and encrypted with a key of its own in one that
// is kept, which it has after a restart, too.
func TestVaultKeyOfAKeptDatabase(t *testing.T) {
	t.Parallel()
	const secret, text = "select min(decrypted_secret) from vault.decrypted_secrets", "select min(secret) from vault.secrets where name = 'one'"
	ask := func(s *server.Server, sql string) (answer string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), s.DatabaseURL())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return answer
	}
	migration := fstest.MapFS{"001_vault.sql": {Data: []byte("select vault.create_secret('deep', 'one')")}}
	texts := map[string]bool{}
	for range 2 {
		dir := publicTempDir(t)
		cfg := durable(dir)
		cfg.Migrations = migration
		s, stop := serve(t, cfg)
		if ask(s, "select (to_regproc('vault._new_key') is null)::text") == "true" {
			t.Skip("PostgreSQL is an installed one, and has no supabase_vault of the server's")
		}
		before := ask(s, text)
		if got := ask(s, secret); got != "deep" {
			t.Errorf("the secret is %q", got)
		}
		texts[before] = true
		stop()
		s, stop = serve(t, cfg)
		if got := ask(s, secret); got != "deep" || ask(s, text) != before {
			t.Errorf("after a restart the secret is %q", got)
		}
		stop()
	}
	if len(texts) != 2 {
		t.Error("two databases have the key of their template")
	}
}
