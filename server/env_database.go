package server

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"
)

// databaseSettings are about PostgreSQL and the connections to it.
var databaseSettings = []Setting{
	{Name: "SUPARUST_DB_URL", Aliases: []string{"PGRST_DB_URI", "GOTRUE_DB_DATABASE_URL", "DATABASE_URL"}, Default: "an embedded PostgreSQL", Secret: true, Help: "External PostgreSQL to work on, postgresql://user:password@host:5432/database; @ and a name reads it from that file. DATABASE_URL is read where SUPARUST_DB_MODE is external or GOTRUE_DB_DRIVER is set.",
		set: fromFile(textSetting(func(c *Config) *string { return &c.Database.URL }))},
	{Name: "SUPARUST_DB_HOST", Aliases: []string{"POSTGRES_HOST"}, Default: "none", Help: "Host of an external PostgreSQL, in the place of SUPARUST_DB_URL, where SUPARUST_DB_MODE is external.",
		set: textSetting(func(c *Config) *string { return &c.Database.external.host })},
	{Name: "SUPARUST_DB_USER", Aliases: []string{"POSTGRES_USER"}, Default: "postgres", Help: "User of that PostgreSQL. The embedded one has the platform's own.",
		set: textSetting(func(c *Config) *string { return &c.Database.external.user })},
	{Name: "SUPARUST_DB_NAME", Aliases: []string{"POSTGRES_DB"}, Default: "postgres", Help: "Database of that PostgreSQL. The embedded one's is postgres.",
		set: textSetting(func(c *Config) *string { return &c.Database.external.name })},
	{Name: "SUPARUST_DB_PORT", Aliases: []string{"POSTGRES_PORT"}, Default: "SUPARUST_PORT + 10000; 5432 of an external PostgreSQL", Help: "Port of the embedded PostgreSQL on loopback, where 0 takes a free one, or of the external one.",
		set: portSetting(func(c *Config) *int { return &c.Database.Port })},
	{Name: "SUPARUST_DB_PASSWORD", Aliases: []string{"POSTGRES_PASSWORD"}, Default: "postgres, or that of SUPARUST_DB_URL", Secret: true, Help: "Password of the database's login roles.",
		set: textSetting(func(c *Config) *string { return &c.Database.Password })},
	{Name: "SUPARUST_DB_MODE", Default: "external with SUPARUST_DB_URL, else embedded", Help: "embedded ignores SUPARUST_DB_URL; external requires it, or SUPARUST_DB_HOST.",
		set: func(c *Config, v string) error {
			switch {
			case v == "embedded":
				c.Database.URL = ""
			case v != "external":
				return fmt.Errorf("%q is neither embedded nor external", v)
			case c.Database.URL != "":
			case c.Database.external.host == "":
				return fmt.Errorf("external needs SUPARUST_DB_URL, or SUPARUST_DB_HOST")
			default:
				c.Database.URL = c.Database.externalURL()
			}
			return nil
		}},
	{Name: "SUPARUST_DB_BOOTSTRAP", Default: "true", Help: "Create the platform's roles and schemas in an external database. false serves the database as it is found, as PostgREST would, at / and at /rest/v1, with PostgREST's own defaults for the settings of REST; Auth and Storage are served where their tables are.",
		set: func(c *Config, v string) error {
			if err := boolSetting(func(c *Config) *bool { return &c.Database.Bootstrap })(c, v); err != nil {
				return err
			}
			if c.plain() {
				c.Plain()
			}
			return nil
		}},
	{Name: "SUPARUST_DB_DATA_DIR", Aliases: []string{"DATA_DIR"}, Default: "data/postgres", Help: "Directory of the embedded PostgreSQL's data.",
		set: textSetting(func(c *Config) *string { return &c.Database.DataDir })},
	{Name: "SUPARUST_SNAPSHOT_DIR", Default: "SUPARUST_DB_DATA_DIR with -snapshots behind it", Help: "Directory of the snapshots that have a name, of database and files.",
		set: textSetting(func(c *Config) *string { return &c.SnapshotDir })},
	{Name: "SUPARUST_DB_LISTEN_ADDR", Default: "127.0.0.1", Help: "Address the embedded PostgreSQL listens on; 0.0.0.0 lets other machines in, with the password.",
		set: addressSetting(func(c *Config) *string { return &c.Database.ListenAddr })},
	{Name: "SUPARUST_DB_MAX_CONNS", Aliases: []string{"PGRST_DB_POOL", "GOTRUE_DB_MAX_POOL_SIZE"}, Default: "8", Help: "Most connections of REST and Storage together, and of Auth.",
		set: intSetting(func(c *Config) *int { return &c.Database.MaxConns })},
	{Name: "SUPARUST_DB_POOL_ACQUISITION_TIMEOUT", Aliases: []string{"PGRST_DB_POOL_ACQUISITION_TIMEOUT"}, Default: "10", Help: "Seconds that a request waits for a free connection.",
		set: waitSetting(func(c *Config) *time.Duration { return &c.Database.AcquireTimeout })},
	{Name: "SUPARUST_DB_POOL_MAX_IDLETIME", Aliases: []string{"PGRST_DB_POOL_MAX_IDLETIME", "PGRST_DB_POOL_TIMEOUT", "GOTRUE_DB_CONN_MAX_IDLE_TIME"}, Default: "0", Help: "Seconds after which a connection that nobody uses is closed; 0 keeps it.",
		set: waitSetting(func(c *Config) *time.Duration { return &c.Database.MaxIdle })},
	{Name: "SUPARUST_DB_POOL_MAX_LIFETIME", Aliases: []string{"PGRST_DB_POOL_MAX_LIFETIME", "GOTRUE_DB_CONN_MAX_LIFETIME"}, Default: "0", Help: "Seconds after which a connection is replaced; 0 keeps it.",
		set: waitSetting(func(c *Config) *time.Duration { return &c.Database.MaxLifetime })},
	{Name: "SUPARUST_DB_STRICT_POSTGRES_ROLE", Default: "false", Help: "Take SUPERUSER from the role postgres, as hosted projects have it.",
		set: boolSetting(func(c *Config) *bool { return &c.Database.StrictPostgresRole })},
	{Name: "SUPARUST_PG_VERSION", Default: "17", Help: "Major version of the embedded PostgreSQL, 15 to 18.",
		set: intSetting(func(c *Config) *int { return &c.Database.Version })},
	{Name: "SUPARUST_PG_BIN", Default: "found or fetched", Help: "Directory with PostgreSQL's programs; nothing else is tried.",
		set: textSetting(func(c *Config) *string { return &c.Database.BinDir })},
	{Name: "SUPARUST_CACHE_DIR", Default: "the user's cache directory", Help: "Directory of fetched programs and prepared templates.",
		set: textSetting(func(c *Config) *string { return &c.Database.CacheDir })},
}

// externalParts are an external PostgreSQL that is not given as an address.
type externalParts struct{ host, user, name string }

// externalURL is the address of those parts.
func (c *DatabaseConfig) externalURL() string {
	port := c.Port
	if port <= 0 {
		port = 5432
	}
	u := url.URL{
		Scheme: "postgresql",
		User:   url.UserPassword(cmp.Or(c.external.user, "postgres"), c.Password),
		Host:   net.JoinHostPort(c.external.host, strconv.Itoa(port)),
		Path:   "/" + cmp.Or(c.external.name, "postgres"),
	}
	return u.String()
}
