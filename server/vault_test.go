//go:build unix

package server_test

import (
	"testing"
	"testing/fstest"
)

// TestVaultKeyOfAKeptDatabase: the secrets of a template are readable in each
// database that is made from it, and encrypted with a key of its own in one that
// is kept, which it has after a restart, too.
func TestVaultKeyOfAKeptDatabase(t *testing.T) {
	t.Parallel()
	const secret, text = "select min(decrypted_secret) from vault.decrypted_secrets", "select min(secret) from vault.secrets where name = 'one'"
	// in a block, for an installed PostgreSQL has no such function
	migration := fstest.MapFS{"001_vault.sql": {Data: []byte(`do $$ begin
		if to_regproc('vault._new_key') is not null then
			perform vault.create_secret('deep', 'one');
		end if;
	end $$`)}}
	texts := map[string]bool{}
	for range 2 {
		dir := publicTempDir(t)
		cfg := durable(dir)
		cfg.Migrations = migration
		s, stop := serve(t, cfg)
		if querySQL(t, s, "select (to_regproc('vault._new_key') is null)::text") == "true" {
			t.Skip("PostgreSQL is an installed one, and has no supabase_vault of the server's")
		}
		before := querySQL(t, s, text)
		if got := querySQL(t, s, secret); got != "deep" {
			t.Errorf("the secret is %q", got)
		}
		texts[before] = true
		stop()
		s, stop = serve(t, cfg)
		if got := querySQL(t, s, secret); got != "deep" || querySQL(t, s, text) != before {
			t.Errorf("after a restart the secret is %q", got)
		}
		stop()
	}
	if len(texts) != 2 {
		t.Error("two databases have the key of their template")
	}
}
