package server_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

// TestConfigurationPage keeps docs/configuration.md equal to the table of
// settings.
func TestConfigurationPage(t *testing.T) {
	const page = "../docs/configuration.md"
	var b bytes.Buffer
	b.WriteString(`# Configuration

Settings come from, the first that says something wins: flags, the environment, the one environment file
(` + "`.env`, `.env.<profile>` with `--profile`, or the file of `--env-file`" + `), ` + "`supabase/config.toml`" + `, the default.

A project's ` + "`config.toml`" + ` is used when it is found from the working directory upward. Then the server has the
ports, keys and password of Supabase's local stack and listens on loopback, because those keys are public. The shared
names of the third column are read only where there is no project, or in a file that was asked for by ` + "`--profile`" + ` or
` + "`--env-file`" + `.

Truth values are true, false, yes, no, on, off or a number, which is true above 0. The settings of REST from
` + "`SUPARUST_DB_SCHEMAS` to `SUPARUST_SERVER_TIMING_ENABLED` that have a name `PGRST_X`, but those of the application, may stand in the\ndatabase, too, as `pgrst.x`" + ` of the login role (` + "`alter role authenticator set pgrst.db_max_rows = '100'`" + `), and win there; so may
` + "`pgrst.jwt_secret`" + `, for REST alone. They are read with the schema, and after ` + "`notify pgrst, 'reload config'`" + `.

SIGUSR1 lets a running server read the schema anew. SIGUSR2 lets it read the environment file, the files behind @ and the
database's settings anew, and puts in force what they say of REST, of the JWT secret, of the signing keys and of the API keys; the rest of it
takes a restart. Where a setting cannot be, everything stays as it was and the log says why.
SIGHUP lets a server in the background open its log's file anew; it ends a server whose terminal goes away. SIGTERM and SIGINT let
requests under way end, ten seconds at most, and stop PostgreSQL; a second one ends the process at once.

| setting | default | also read as | what it does |
| --- | --- | --- | --- |
`)
	for _, s := range server.Settings() {
		aliases := ""
		if len(s.Aliases) > 0 {
			aliases = "`" + strings.Join(s.Aliases, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Name, s.Default, aliases, s.Help)
	}
	if *update {
		if err := os.WriteFile(page, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, b.Bytes()) {
		t.Errorf("%s is not what server.Settings says: run go test ./server -run TestConfigurationPage -update", page)
	}
}

// TestSettingsAreConsistent: names and aliases are unique, and each has help.
func TestSettingsAreConsistent(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range server.Settings() {
		for _, n := range append([]string{s.Name}, s.Aliases...) {
			if seen[n] {
				t.Errorf("%s is named twice", n)
			}
			seen[n] = true
		}
		if !strings.HasPrefix(s.Name, "SUPARUST_") || s.Help == "" || s.Default == "" {
			t.Errorf("%s lacks its prefix, help or default", s.Name)
		}
	}
}

func TestFromEnv(t *testing.T) {
	for _, c := range []struct {
		name, value string
		check       func(server.Config) bool
		err         string
		warned      bool
	}{
		{name: "SUPARUST_PORT", value: "4000", check: func(c server.Config) bool { return c.Port == 4000 }},
		{name: "PORT", value: "4001", check: func(c server.Config) bool { return c.Port == 4001 }, warned: true},
		{name: "SUPARUST_PORT", value: "x", err: `the setting SUPARUST_PORT: "x" is no whole number from 0`},
		{name: "SUPARUST_BIND_ADDR", value: "here", err: `the setting SUPARUST_BIND_ADDR: "here" is no IP address`},
		{name: "SUPARUST_DB_SAFEUPDATE", value: "False", check: func(c server.Config) bool { return !c.REST.SafeUpdate }},
		{name: "SUPARUST_DB_SAFEUPDATE", value: "perhaps", err: `the setting SUPARUST_DB_SAFEUPDATE: "perhaps" is neither true nor false`},
		{name: "PGRST_DB_SCHEMAS", value: "api, public,", check: func(c server.Config) bool { return fmt.Sprint(c.REST.Schemas) == "[api public]" }, warned: true},
		{name: "SUPARUST_DB_MODE", value: "external", err: "the setting SUPARUST_DB_MODE: external needs SUPARUST_DB_URL, or SUPARUST_DB_HOST"},
		{name: "SUPARUST_JWT_EXPIRY", value: "60", check: func(c server.Config) bool { return c.Auth.JWTExpiry.Seconds() == 60 }},
		{name: "SUPARUST_FILE_SIZE_LIMIT", value: "0", err: `the setting SUPARUST_FILE_SIZE_LIMIT: "0" is no number of bytes above 0`},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			cfg := server.DefaultConfig()
			warned := false
			err := cfg.FromEnv(func(n string) (string, bool) { return c.value, n == c.name }, func(server.Note) { warned = true })
			switch {
			case c.err != "":
				if err == nil || err.Error() != c.err {
					t.Errorf("error %v, want %s", err, c.err)
				}
			case err != nil:
				t.Error(err)
			case !c.check(cfg):
				t.Errorf("not set: %+v", cfg)
			}
			if warned != c.warned {
				t.Errorf("warned %t, want %t", warned, c.warned)
			}
		})
	}
}
