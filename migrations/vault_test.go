package migrations_test

import (
	"strings"
	"testing"

	"github.com/suparust/suparust/migrations"
)

// TestVault: secrets are readable for who may decrypt them, and for nobody in
// the tables and files.
func TestVault(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]migrations.Options{"superuser": {}, "strict": {StrictPostgresRole: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := start(t, o)
			cl.brings(t)
			c, api := cl.connect(t, "postgres"), cl.connect(t, "authenticator")
			c.exec("create extension if not exists supabase_vault with schema vault; create extension if not exists supabase_vault; comment on extension supabase_vault is 'mine'")
			if got := c.one("select extnamespace::regnamespace, extowner::regrole, extversion from pg_extension where extname = 'supabase_vault'"); got != "vault | postgres | 0.3.1" {
				t.Errorf("the extension is %s", got)
			}
			id := c.one("select vault.create_secret('s3kre3t, ähm', 'unique_name', 'This is the description')")
			c.one("select vault.create_secret(new_secret => '')")
			if got := c.one("select name, description, decrypted_secret, key_id, secret ~ '^[A-Za-z0-9+/=\\s]+$', secret like '%s3kre3t%', length(nonce), updated_at = created_at from vault.decrypted_secrets where id = $1", id); got !=
				"unique_name | This is the description | s3kre3t, ähm | ∅ | t | f | 16 | t" {
				t.Errorf("the secret is %s", got)
			}
			if got := c.one("select decrypted_secret, name, description from vault.decrypted_secrets where id <> $1", id); got != " | ∅ | " {
				t.Errorf("an empty one is %s", got)
			}
			if e := c.fails("select vault.create_secret('again', 'unique_name')"); e.Code != "23505" {
				t.Errorf("a second secret of the name: %v", e)
			}
			c.one("select vault.update_secret($1, 'another')", id)
			c.one("select vault.update_secret(secret_id => $1, new_description => '')", id)
			if got := c.one("select name, description, decrypted_secret, updated_at > created_at from vault.decrypted_secrets where id = $1", id); got != "unique_name |  | another | t" {
				t.Errorf("the changed secret is %s", got)
			}
			// equal secrets are not seen to be
			if got := c.one("select count(distinct secret) from vault.secrets, lateral (select vault.create_secret('same') from generate_series(1, 3)) x where name is null"); got == "0" {
				t.Error("no secrets")
			}
			if got := c.one("select count(distinct secret) = count(*) from vault.secrets"); got != "t" {
				t.Error("equal secrets have equal texts")
			}

			// who may, and who may not
			for _, who := range []struct{ role, read, create string }{{"service_role", "another", ""}, {"authenticated", "42501", "42501"}, {"anon", "42501", "42501"}} {
				if who.create == "" {
					if got := api.as(who.role, "{}", "select decrypted_secret from vault.decrypted_secrets where name = 'unique_name'")[0]; got != who.read {
						t.Errorf("%s reads %s", who.role, got)
					}
					api.as(who.role, "{}", "select vault.create_secret('by an API')")
					continue
				}
				for _, sql := range []string{"select * from vault.decrypted_secrets", "select vault.create_secret('x')", "select vault._crypto_aead_det_decrypt('', '', 0)", "select vault._new_key()"} {
					api.exec("begin; set local role " + who.role)
					if e := api.fails(sql); e.Code != who.read {
						t.Errorf("%s as %s: %v", sql, who.role, e)
					}
					api.exec("rollback")
				}
			}
			if o.StrictPostgresRole {
				for _, sql := range []string{"insert into vault.secrets (secret) values ('x')", "update vault.secrets set secret = 'x'"} {
					if e := c.fails(sql); e.Code != "42501" {
						t.Errorf("%s: %v", sql, e)
					}
				}
			}

			// what was changed, or is another's, is told from what was not
			admin := cl.connect(t, "supabase_admin")
			for _, change := range []string{
				"update vault.secrets set nonce = vault._crypto_aead_det_noncegen()",
				"update vault.secrets set id = gen_random_uuid() where id = (select min(id::text)::uuid from vault.secrets)",
				"update vault.secrets set secret = encode(set_byte(decode(secret, 'base64'), 0, get_byte(decode(secret, 'base64'), 0) # 1), 'base64')",
				"update vault.secrets set secret = encode(substr(decode(secret, 'base64'), 2), 'base64')",
				"update vault.secrets set secret = ''",
				"update vault.root_key set key = sha256('another cluster')",
			} {
				admin.exec("begin; " + change)
				if e := admin.fails("select min(decrypted_secret) from vault.decrypted_secrets"); e.Code != "22000" || e.Message != "invalid ciphertext" || e.Hint == "" {
					t.Errorf("%s: %v", change, e)
				}
				admin.exec("rollback")
			}

			// one that nobody encrypted is in the way of those only who read it
			admin.exec("insert into vault.secrets (name, secret) values ('plain', 's3kre3t_k3y')")
			if got := c.one("select string_agg(name, ',' order by name) from vault.decrypted_secrets where name is not null"); got != "plain,unique_name" {
				t.Errorf("the names are %s", got)
			}
			if got := c.one("select count(*) > 2 from vault.decrypted_secrets"); got != "t" {
				t.Errorf("the secrets are counted %s", got)
			}
			admin.exec("delete from vault.secrets where name = 'plain'")

			// a new key
			admin.exec("insert into vault.secrets (secret) values ('not encrypted')")
			admin.exec("begin; create temporary table before as select id, secret from vault.secrets where name is not null; select vault._new_key()")
			if got := admin.one("select decrypted_secret, secret <> (select b.secret from before b where b.id = s.id) from vault.decrypted_secrets s where id = $1", id); got != "another | t" {
				t.Errorf("with a new key: %s", got)
			}
			admin.exec("rollback")

			// a dump takes the secrets as they are, and leaves the key
			if got := c.one("select string_agg(kept::regclass::text, ',') from pg_extension, unnest(extconfig) kept where extname = 'supabase_vault'"); got != "vault.secrets" {
				t.Errorf("a dump has the rows of %s", got)
			}
			admin.exec("drop extension supabase_vault")
			c.exec("create extension supabase_vault with schema vault")
			if got := c.one("select count(*) from vault.secrets"); got != "0" {
				t.Errorf("%s secrets are left", got)
			}
		})
	}
}

// TestVaultKeys: databases of one template have each a key of their own.
func TestVaultKeys(t *testing.T) {
	t.Parallel()
	texts := map[string]bool{}
	for range 2 {
		cl := start(t, migrations.Options{})
		cl.brings(t)
		c := cl.connect(t, "postgres")
		if got := c.one("select count(*) from vault.root_key"); got != "0" {
			t.Errorf("a new database has %s keys", got)
		}
		texts[c.one("select encode(vault._crypto_aead_det_encrypt('same', 'same', 0, 'pgsodium', '\\x00'), 'hex')")] = true
	}
	if len(texts) != 2 {
		t.Error("two databases have one key")
	}
}

// TestPGJWT: the extension takes the place of the functions that an older
// release has created.
func TestPGJWT(t *testing.T) {
	t.Parallel()
	cl := start(t, migrations.Options{})
	cl.brings(t)
	c := cl.connect(t, "postgres")
	const members = "select count(*) from pg_depend d, pg_extension e where d.refobjid = e.oid and e.extname = 'pgjwt' and d.deptype = 'e'"
	if got := c.one(members); got != "6" {
		t.Errorf("pgjwt has %s objects", got)
	}
	c.exec("create extension if not exists pgjwt; drop extension pgjwt")
	if e := c.fails("create extension pgjwt with schema public"); !strings.Contains(e.Message, "schema of pgcrypto") || !strings.Contains(e.Hint, "extensions") {
		t.Errorf("in another schema: %v", e)
	}
	c.exec(`create function extensions.url_encode(data bytea) returns text language sql as 'select null::text';
		update suparust.migrations set checksum = 'older' where name = '0006_extensions.sql'`)
	cl.apply(t, migrations.Options{})
	if got := c.one(members); got != "6" {
		t.Errorf("after an update pgjwt has %s objects", got)
	}
	if got := c.one("select extensions.url_decode(extensions.url_encode('ähm?>'))::text, extensions.algorithm_sign('a', 'b', 'HS384')"); got != `\xc3a4686d3f3e | QCkqeaKA9gmu9HInLSoqDRSL-4P6GP0oBkQNB9FuMdnw05iJEGPBH2xziR5vZGEG` {
		t.Errorf("got %s", got)
	}
	if got := c.one("select extensions.sign('{}', 'b', null), extensions.sign(null, 'b'), extensions.verify(null, 'b')"); got != "∅ | ∅ | (,,)" {
		t.Errorf("of nulls: %s", got)
	}
}
