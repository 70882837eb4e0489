package server

import "fmt"

// restSettings are about /rest/v1.
var restSettings = []Setting{
	{Name: "SUPARUST_DB_SAFEUPDATE", Default: "true", Help: "Refuse PATCH and DELETE without a filter, as hosted projects do.",
		set: boolSetting(func(c *Config) *bool { return &c.REST.SafeUpdate })},
	{Name: "SUPARUST_DB_SCHEMAS", Aliases: []string{"PGRST_DB_SCHEMAS"}, Default: "public,graphql_public", Help: "Schemas that REST exposes; the first is the default.",
		set: listSetting(func(c *Config) *[]string { return &c.REST.Schemas })},
	{Name: "SUPARUST_DB_EXTRA_SEARCH_PATH", Aliases: []string{"PGRST_DB_EXTRA_SEARCH_PATH"}, Default: "public,extensions", Help: "Schemas behind the request's own in search_path.",
		set: listSetting(func(c *Config) *[]string { return &c.REST.ExtraSearchPath })},
	{Name: "SUPARUST_DB_MAX_ROWS", Aliases: []string{"PGRST_DB_MAX_ROWS"}, Default: "1000", Help: "Most rows of one REST answer; 0 is no limit.",
		set: intSetting(func(c *Config) *int { return &c.REST.MaxRows })},
	{Name: "SUPARUST_DB_ANON_ROLE", Aliases: []string{"PGRST_DB_ANON_ROLE"}, Default: "anon", Help: "Role of REST requests without a token.",
		set: textSetting(func(c *Config) *string { return &c.REST.AnonRole })},
	{Name: "SUPARUST_DB_PLAN_ENABLED", Aliases: []string{"PGRST_DB_PLAN_ENABLED"}, Default: "false", Help: "Answer requests for the plan of a statement.",
		set: boolSetting(func(c *Config) *bool { return &c.REST.Plans })},
	{Name: "SUPARUST_DB_TX_END", Aliases: []string{"PGRST_DB_TX_END"}, Default: "commit", Help: "How REST transactions end: commit, commit-allow-override, rollback or rollback-allow-override.",
		set: func(c *Config, v string) error {
			switch v {
			case "commit", "commit-allow-override", "rollback", "rollback-allow-override":
				c.REST.TxEnd = v
				return nil
			}
			return fmt.Errorf("%q is none of commit, commit-allow-override, rollback and rollback-allow-override", v)
		}},
}
