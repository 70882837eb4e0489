package suparusttest_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/suparust/suparust/suparusttest"
)

// TestVaultOfAProject: the secrets of config.toml are there for its migrations,
// and a function of the API reads them with its owner's rights.
func TestVaultOfAProject(t *testing.T) {
	t.Parallel()
	needsCron(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"supabase/config.toml": "[db.vault]\nplain = \"in the file\"\nsecret = \"env(VAULT_SECRET)\"\nabsent = \"env(NOWHERE_TO_BE_FOUND)\"\n",
		"supabase/.env":        "VAULT_SECRET=from the environment\n",
		"supabase/migrations/20260101000000_init.sql": `
			create extension if not exists "supabase_vault" with schema "vault";
			create table found as select name, decrypted_secret from vault.decrypted_secrets;
			create function secret(name text) returns text language sql security definer set search_path = '' as
				$$ select decrypted_secret from vault.decrypted_secrets s where s.name = $1 $$;
			select vault.create_secret('made by a migration', 'own');`,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	srv := suparusttest.Start(t, suparusttest.WithProject(dir))
	if got := column(t, srv, "select string_agg(name || ': ' || decrypted_secret, ', ' order by name) from found"); got != "plain: in the file, secret: from the environment" {
		t.Errorf("the migration has found %s", got)
	}
	if r := srv.Client().Post(t, "/rest/v1/rpc/secret", map[string]string{"name": "own"}).WantStatus(t, http.StatusOK); string(r.Body) != `"made by a migration"` {
		t.Errorf("the function answers %s", r.Body)
	}
	for _, path := range []string{"/rest/v1/secrets", "/rest/v1/decrypted_secrets"} {
		srv.ServiceClient().Get(t, path).WantStatus(t, http.StatusNotFound) // vault is no schema of the API
	}
	srv.Exec(t, "select vault.update_secret(id, 'changed') from vault.secrets where name = 'own'")
	srv.Reset(t)
	if got := column(t, srv, "select secret('own')"); got != "made by a migration" {
		t.Errorf("after a reset the secret is %s", got)
	}
}
