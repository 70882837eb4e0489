package server

import "github.com/jackc/pgx/v5"

// goTrueLookup leaves DATABASE_URL out, for many other programs have a variable
// of that name, unless a GoTrue's GOTRUE_DB_DRIVER or SUPARUST_DB_MODE says that
// it is meant.
func goTrueLookup(lookup func(string) (string, bool)) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if name == "DATABASE_URL" {
			driver, _ := lookup("GOTRUE_DB_DRIVER")
			mode, _ := lookup("SUPARUST_DB_MODE")
			if driver != "postgres" && mode != "external" {
				return "", false
			}
		}
		return lookup(name)
	}
}

// asGoTrue completes a configuration that was written for a GoTrue. Its
// database has what Auth needs and its role may not create anything else; and
// a gateway strips the prefix of Auth's paths.
func (c *Config) asGoTrue(lookup func(string) (string, bool)) {
	given := func(name string) bool { v, _ := lookup(name); return v != "" }
	if given("GOTRUE_API_PORT") && !given("SUPARUST_PORT") && !given("SUPARUST_AUTH_AT_ROOT") {
		c.Auth.AtRoot = true
	}
	if c.Database.URL == "" || given("SUPARUST_DB_BOOTSTRAP") {
		return
	}
	if base, err := pgx.ParseConfig(c.Database.URL); err == nil && base.User == authUser {
		c.Plain()
	}
}
