package server

import (
	"fmt"
	"net"
	"strings"
)

// serverSettings are about where the server listens and what it begins with.
var serverSettings = []Setting{
	{Name: "SUPARUST_PORT", Aliases: []string{"PORT"}, Default: "3000", Help: "Port of the APIs; 0 takes a free one.",
		set: intSetting(func(c *Config) *int { return &c.Port })},
	{Name: "SUPARUST_BIND_ADDR", Aliases: []string{"BIND_ADDR"}, Default: "0.0.0.0, beside a project 127.0.0.1", Help: "Address the APIs listen on.",
		set: func(c *Config, v string) error {
			if net.ParseIP(v) == nil && v != "localhost" {
				return fmt.Errorf("%q is no IP address", v)
			}
			c.BindAddr = v
			return nil
		}},
	{Name: "SUPARUST_PUBLIC_URL", Aliases: []string{"SUPABASE_PUBLIC_URL", "API_EXTERNAL_URL"}, Default: "the address it listens on", Help: "Address that clients use, for links in mails and documents.",
		set: func(c *Config, v string) error { c.PublicURL = strings.TrimSuffix(v, "/"); return nil }},
	{Name: "SUPARUST_QUICKSTART", Default: "true without a project", Help: "Give a fresh database the view public.users and open storage policies.",
		set: boolSetting(func(c *Config) *bool { return &c.Quickstart })},
}
