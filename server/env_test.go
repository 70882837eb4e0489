package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
)

// configured is the default configuration with these variables, "NAME=value".
func configured(t *testing.T, variables ...string) (c server.Config, warnings []string, err error) {
	t.Helper()
	env := map[string]string{}
	var names []string
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
		names = append(names, name)
	}
	c = server.DefaultConfig()
	err = c.FromEnv(func(n string) (string, bool) { v, ok := env[n]; return v, ok }, func(n server.Note) { warnings = append(warnings, n.Text) }, names...)
	return c, warnings, err
}

// Every setting of PostgREST under its own name.
func TestPostgRESTNames(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return "@" + path
	}
	for variable, got := range map[string]func(c server.Config) any{
		"PGRST_DB_SCHEMAS=a, b => [a b]":                                              func(c server.Config) any { return c.REST.Schemas },
		"PGRST_DB_EXTRA_SEARCH_PATH= => []":                                           func(c server.Config) any { return c.REST.ExtraSearchPath },
		"PGRST_DB_ANON_ROLE=web => web":                                               func(c server.Config) any { return c.REST.AnonRole },
		"PGRST_DB_ANON_ROLE= => ":                                                     func(c server.Config) any { return c.REST.AnonRole },
		"PGRST_DB_MAX_ROWS=7 => 7":                                                    func(c server.Config) any { return c.REST.MaxRows },
		"PGRST_MAX_ROWS=8 => 8":                                                       func(c server.Config) any { return c.REST.MaxRows },
		"PGRST_DB_PRE_REQUEST=a.b => a.b":                                             func(c server.Config) any { return c.REST.PreRequest },
		"PGRST_PRE_REQUEST=c => c":                                                    func(c server.Config) any { return c.REST.PreRequest },
		"PGRST_DB_TX_END=rollback => rollback":                                        func(c server.Config) any { return c.REST.TxEnd },
		"PGRST_DB_AGGREGATES_ENABLED=1 => true":                                       func(c server.Config) any { return c.REST.Aggregates },
		"PGRST_DB_AGGREGATES_ENABLED=0 => false":                                      func(c server.Config) any { return c.REST.Aggregates },
		"PGRST_DB_PLAN_ENABLED=TRUE => true":                                          func(c server.Config) any { return c.REST.Plans },
		`PGRST_DB_PLAN_ENABLED="true" => true`:                                        func(c server.Config) any { return c.REST.Plans },
		"PGRST_DB_ROOT_SPEC=root => root":                                             func(c server.Config) any { return c.REST.RootFunction },
		"PGRST_DB_HOISTED_TX_SETTINGS=x,y => [x y]":                                   func(c server.Config) any { return c.REST.HoistedSettings },
		"PGRST_DB_PREPARED_STATEMENTS=false => true":                                  func(c server.Config) any { return c.REST.Unprepared },
		"PGRST_DB_CHANNEL=c => c":                                                     func(c server.Config) any { return c.Database.Channel },
		"PGRST_DB_CHANNEL_ENABLED=false => true":                                      func(c server.Config) any { return c.Database.NoChannel },
		"PGRST_DB_CONFIG=False => true":                                               func(c server.Config) any { return c.Database.NoSettings },
		"PGRST_DB_PRE_CONFIG=f => f":                                                  func(c server.Config) any { return c.Database.PreConfig },
		"PGRST_DB_URI=postgresql:///x => postgresql:///x":                             func(c server.Config) any { return c.Database.URL },
		"PGRST_DB_URI=" + file("uri", "postgresql:///y\n") + " => postgresql:///y":    func(c server.Config) any { return c.Database.URL },
		"PGRST_DB_POOL=3 => 3":                                                        func(c server.Config) any { return c.Database.MaxConns },
		"PGRST_DB_POOL_ACQUISITION_TIMEOUT=4 => 4s":                                   func(c server.Config) any { return c.Database.AcquireTimeout },
		"PGRST_DB_POOL_MAX_IDLETIME=5 => 5s":                                          func(c server.Config) any { return c.Database.MaxIdle },
		"PGRST_DB_POOL_TIMEOUT=6 => 6s":                                               func(c server.Config) any { return c.Database.MaxIdle },
		"PGRST_DB_POOL_MAX_LIFETIME=60 => 1m0s":                                       func(c server.Config) any { return c.Database.MaxLifetime },
		"PGRST_JWT_SECRET=text => text":                                               func(c server.Config) any { return c.Keys.JWTSecret },
		"PGRST_JWT_SECRET=" + file("secret", "in a file\r\n") + " => in a file":       func(c server.Config) any { return c.Keys.JWTSecret },
		"PGRST_JWT_SECRET_IS_BASE64=true => true":                                     func(c server.Config) any { return c.Keys.JWTSecretIsBase64 },
		"PGRST_JWT_AUD=me => me":                                                      func(c server.Config) any { return c.REST.JWTAudience },
		"PGRST_JWT_ROLE_CLAIM_KEY=.a[0] => .a[0]":                                     func(c server.Config) any { return c.REST.RoleClaim },
		"PGRST_ROLE_CLAIM_KEY=.b => .b":                                               func(c server.Config) any { return c.REST.RoleClaim },
		"PGRST_JWT_CACHE_MAX_ENTRIES=0 => 0":                                          func(c server.Config) any { return c.RememberedTokens },
		"PGRST_OPENAPI_MODE=disabled => disabled":                                     func(c server.Config) any { return c.REST.OpenAPI },
		"PGRST_OPENAPI_SECURITY_ACTIVE=true => true":                                  func(c server.Config) any { return c.REST.OpenAPISecurity },
		"PGRST_OPENAPI_SERVER_PROXY_URI=https://x.y => https://x.y":                   func(c server.Config) any { return c.REST.OpenAPIProxy },
		"PGRST_SERVER_CORS_ALLOWED_ORIGINS=http://a, http://b => [http://a http://b]": func(c server.Config) any { return c.REST.CORSOrigins },
		"PGRST_SERVER_TRACE_HEADER=x-trace => X-Trace":                                func(c server.Config) any { return c.REST.TraceHeader },
		"PGRST_SERVER_TIMING_ENABLED=2 => true":                                       func(c server.Config) any { return c.REST.ServerTiming },
		"PGRST_SERVER_HOST=!4 => 0.0.0.0":                                             func(c server.Config) any { return c.BindAddr },
		"PGRST_SERVER_HOST=*6 => ::":                                                  func(c server.Config) any { return c.BindAddr },
		"PGRST_SERVER_PORT=81 => 81":                                                  func(c server.Config) any { return c.Port },
		"PGRST_ADMIN_SERVER_PORT=82 => 82":                                            func(c server.Config) any { return c.AdminPort },
		"PGRST_ADMIN_SERVER_HOST=127.0.0.1 => 127.0.0.1":                              func(c server.Config) any { return c.AdminAddr },
	} {
		set, want, _ := strings.Cut(variable, " => ")
		c, warnings, err := configured(t, set)
		if v := fmt.Sprint(got(c)); err != nil || v != want || len(warnings) != 1 {
			t.Errorf("%s gives %q, %v, warnings %q", set, v, err, warnings)
		}
	}
	if c, _, _ := configured(t, "PGRST_DB_POOL_MAX_LIFETIME=0"); c.Database.MaxLifetime != time.Duration(0) {
		t.Error("no bound is a bound")
	}
}

// What cannot be is refused with the name it was given under.
func TestSettingsRefused(t *testing.T) {
	for variable, says := range map[string]string{
		"PGRST_DB_TX_END=never":                        `"never" is none of commit, commit-allow-override, rollback and rollback-allow-override`,
		"PGRST_DB_SCHEMAS=public,information_schema":   "information_schema cannot be exposed",
		"PGRST_DB_MAX_ROWS=-1":                         "no whole number from 0",
		"PGRST_DB_PLAN_ENABLED=maybe":                  "neither true nor false",
		"PGRST_DB_PREPARED_STATEMENTS=maybe":           "neither true nor false",
		"PGRST_JWT_AUD=a b:c":                          "neither a plain name nor a valid URI",
		"PGRST_JWT_ROLE_CLAIM_KEY=role":                "is wrong at",
		"PGRST_OPENAPI_MODE=none":                      "is none of follow-privileges",
		"PGRST_OPENAPI_SERVER_PROXY_URI=example.com":   "no address of a proxy",
		"PGRST_OPENAPI_SERVER_PROXY_URI=http://x:0/":   "no address of a proxy",
		"PGRST_OPENAPI_SERVER_PROXY_URI=http://u@x/":   "no address of a proxy",
		"PGRST_OPENAPI_SERVER_PROXY_URI=http://x/?a=b": "no address of a proxy",
		"PGRST_SERVER_TRACE_HEADER=a b":                "no name of a header",
		"PGRST_APP_SETTINGS_a-b=1":                     "cannot name a setting",
		"PGRST_DB_POOL_MAX_IDLETIME=-1":                "no whole number of seconds from 0",
		"PGRST_JWT_SECRET=@/nowhere/at/all":            "cannot be read",
		"PGRST_SERVER_HOST=here":                       "no IP address",
	} {
		name, _, _ := strings.Cut(variable, "=")
		if _, _, err := configured(t, variable); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

// A family takes every name that begins with its own; our names win.
func TestAppSettings(t *testing.T) {
	c, warnings, err := configured(t, "PGRST_APP_SETTINGS_a=1", "SUPARUST_APP_SETTINGS_b.c=2", "PGRST_APP_SETTINGS_b.c=3", "PGRST_APP_SETTINGS_=4", "SUPARUST_APP_SETTINGS_d=")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.REST.AppSettings); got != "[{app.settings.a 1} {app.settings.b.c 2}]" {
		t.Error(got)
	}
	if !slices.Equal(warnings, []string{"Using legacy env PGRST_APP_SETTINGS_a. Prefer SUPARUST_APP_SETTINGS_a.", "Both SUPARUST_APP_SETTINGS_b.c and PGRST_APP_SETTINGS_b.c are set. Using SUPARUST_APP_SETTINGS_b.c."}) {
		t.Errorf("%q", warnings)
	}
}
