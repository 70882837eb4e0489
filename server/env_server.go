package server

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// serverSettings are about where the server listens and what it begins with.
var serverSettings = []Setting{
	{Name: "SUPARUST_PORT", Aliases: []string{"PORT", "PGRST_SERVER_PORT", "GOTRUE_API_PORT"}, Default: "3000", Help: "Port of the APIs; 0 takes a free one.",
		set: portSetting(func(c *Config) *int { return &c.Port })},
	{Name: "SUPARUST_BIND_ADDR", Aliases: []string{"BIND_ADDR", "PGRST_SERVER_HOST", "GOTRUE_API_HOST"}, Default: "0.0.0.0, beside a project 127.0.0.1", Help: "Address the APIs listen on.",
		set: addressSetting(func(c *Config) *string { return &c.BindAddr })},
	{Name: "SUPARUST_ADMIN_PORT", Aliases: []string{"PGRST_ADMIN_SERVER_PORT"}, Default: "none", Help: "Port where /live, /ready, /schema_cache and /metrics are answered, to anybody who reaches it.",
		set: portSetting(func(c *Config) *int { return &c.AdminPort })},
	{Name: "SUPARUST_ADMIN_ADDR", Aliases: []string{"PGRST_ADMIN_SERVER_HOST"}, Default: "SUPARUST_BIND_ADDR", Help: "Address that port listens on.",
		set: addressSetting(func(c *Config) *string { return &c.AdminAddr })},
	{Name: "SUPARUST_PUBLIC_URL", Aliases: []string{"SUPARUST_API_URL", "SUPABASE_PUBLIC_URL", "API_EXTERNAL_URL"}, Default: "the address it listens on", Help: "Address that clients use, for links in mails and documents. One that ends with /auth/v1, as a GoTrue has it, means what is before.",
		set: func(c *Config, v string) error {
			c.PublicURL = strings.TrimSuffix(strings.TrimSuffix(v, "/"), "/auth/v1")
			return nil
		}},
	{Name: "SUPARUST_CONTROL", Default: "false", Help: "Answer, below /_suparust/v1, what only tests ask for: see docs/control.md. Only on loopback, or with SUPARUST_CONTROL_ADDR.",
		set: boolSetting(func(c *Config) *bool { return &c.Control })},
	{Name: "SUPARUST_CONTROL_TOKEN", Default: "made at each start", Help: "What requests to the control API bring as Authorization: Bearer; `suparust status` shows it. At least 16 characters.",
		set: func(c *Config, v string) error { c.ControlToken = v; return nil }},
	{Name: "SUPARUST_CONTROL_ADDR", Default: "that of the APIs", Help: "IP address and port of the control API alone, such as 127.0.0.1:3001, where the APIs are for others, too. Beyond loopback only with SUPARUST_CONTROL_TOKEN.",
		set: func(c *Config, v string) error { c.ControlAddr = v; return nil }},
	{Name: "SUPARUST_EPHEMERAL", Default: "false", Help: "Keep nothing: the database and the files end with the server, whatever SUPARUST_DB_DATA_DIR and SUPARUST_STORAGE_ROOT say.",
		set: boolSetting(func(c *Config) *bool { return &c.keepNothing })},
	{Name: "SUPARUST_CRON", Default: "true; false for a database that ends with the server", Help: "Run the jobs of pg_cron when they are due. Without it they run when a test advances the clock or asks for one: see docs/testing.md.",
		set: func(c *Config, v string) error {
			on, err := strconv.ParseBool(v)
			c.PauseCron, c.cronChosen = !on, true
			return err
		}},
	{Name: "SUPARUST_SQL_CLOCK", Default: "false", Help: "Have now() of SQL go by the clock that tests move: see docs/testing.md. Only for databases that end with the server, as of `suparust exec` and `suparust start --ephemeral`.",
		set: boolSetting(func(c *Config) *bool { return &c.SQLClock })},
	{Name: "SUPARUST_QUICKSTART", Default: "true without a project", Help: "Give a fresh database the view public.users and open storage policies.",
		set: boolSetting(func(c *Config) *bool { return &c.Quickstart })},
}

// addressSetting is an IP address to listen on, or one of PostgREST's words for
// every address of a kind.
func addressSetting(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		switch v {
		case "!4", "*4", "*":
			v = "0.0.0.0"
		case "!6", "*6":
			v = "::"
		}
		if !isAddress(v) {
			return fmt.Errorf("%q is no IP address", v)
		}
		*field(c) = v
		return nil
	}
}

// isAddress tells what a server can listen on.
func isAddress(host string) bool { return net.ParseIP(host) != nil || host == "localhost" }
