package server

// restSettings are about /rest/v1. Those with the alias PGRST_X but the last
// ones may also stand in the database, as pgrst.x of the login role.
var restSettings = []Setting{
	{Name: "SUPARUST_DB_SCHEMAS", Aliases: []string{"PGRST_DB_SCHEMAS", "PGRST_DB_SCHEMA"}, Default: "public,graphql_public", Help: "Schemas that REST exposes; the first is the default.",
		set: restSetting("db_schemas")},
	{Name: "SUPARUST_DB_EXTRA_SEARCH_PATH", Aliases: []string{"PGRST_DB_EXTRA_SEARCH_PATH"}, Default: "public,extensions", Empty: true, Help: "Schemas behind the request's own in search_path; may be empty.",
		set: restSetting("db_extra_search_path")},
	{Name: "SUPARUST_DB_MAX_ROWS", Aliases: []string{"PGRST_DB_MAX_ROWS", "PGRST_MAX_ROWS"}, Default: "1000", Help: "Most rows of one REST answer; 0 is no limit.",
		set: restSetting("db_max_rows")},
	{Name: "SUPARUST_DB_ANON_ROLE", Aliases: []string{"PGRST_DB_ANON_ROLE"}, Default: "anon", Empty: true, Help: "Role of REST requests without a token; empty refuses them.",
		set: restSetting("db_anon_role")},
	{Name: "SUPARUST_DB_SAFEUPDATE", Default: "true", Help: "Refuse PATCH and DELETE without a filter, as hosted projects do.",
		set: boolSetting(func(c *Config) *bool { return &c.REST.SafeUpdate })},
	{Name: "SUPARUST_DB_AGGREGATES_ENABLED", Aliases: []string{"PGRST_DB_AGGREGATES_ENABLED"}, Default: "false", Help: "Allow aggregate functions in select.",
		set: restSetting("db_aggregates_enabled")},
	{Name: "SUPARUST_DB_PLAN_ENABLED", Aliases: []string{"PGRST_DB_PLAN_ENABLED"}, Default: "false", Help: "Answer requests for the plan of a statement.",
		set: restSetting("db_plan_enabled")},
	{Name: "SUPARUST_DB_TX_END", Aliases: []string{"PGRST_DB_TX_END"}, Default: "commit", Help: "How REST transactions end: commit, commit-allow-override, rollback or rollback-allow-override.",
		set: restSetting("db_tx_end")},
	{Name: "SUPARUST_DB_PRE_REQUEST", Aliases: []string{"PGRST_DB_PRE_REQUEST", "PGRST_PRE_REQUEST"}, Default: "none", Help: "Function, schema.name, that runs before the statement of every REST request.",
		set: restSetting("db_pre_request")},
	{Name: "SUPARUST_DB_ROOT_SPEC", Aliases: []string{"PGRST_DB_ROOT_SPEC", "PGRST_ROOT_SPEC"}, Default: "none", Help: "Function that answers REST's root in the place of the OpenAPI document.",
		set: restSetting("db_root_spec")},
	{Name: "SUPARUST_DB_HOISTED_TX_SETTINGS", Aliases: []string{"PGRST_DB_HOISTED_TX_SETTINGS"}, Default: "statement_timeout, plan_filter.statement_cost_limit, default_transaction_isolation", Help: "Settings of a called function that are set before it runs: regular expressions over name=value.",
		set: restSetting("db_hoisted_tx_settings")},
	{Name: "SUPARUST_DB_PREPARED_STATEMENTS", Aliases: []string{"PGRST_DB_PREPARED_STATEMENTS"}, Default: "true", Help: "Prepare statements; false for poolers that give every transaction another connection.",
		set: restSetting("db_prepared_statements")},
	{Name: "SUPARUST_REST_MAX_BODY", Default: "67108864", Help: "Largest body of a REST request in bytes.",
		set: bytesSetting(func(c *Config) *int64 { return &c.Limits.MaxBody })},
	{Name: "SUPARUST_REST_MAX_RESPONSE", Default: "268435456", Help: "Largest body of a REST answer in bytes.",
		set: bytesSetting(func(c *Config) *int64 { return &c.Limits.MaxResponse })},
	{Name: "SUPARUST_REST_MAX_MEMORY", Default: "1073741824", Help: "What REST's large bodies and answers together may take of memory, in bytes; requests wait for their share.",
		set: bytesSetting(func(c *Config) *int64 { return &c.Limits.MaxMemory })},
	{Name: "SUPARUST_APP_SETTINGS_*", Aliases: []string{"PGRST_APP_SETTINGS_*"}, Default: "none", Secret: true, Help: "Setting app.settings.* of every REST transaction, for current_setting().",
		setEach: func(c *Config, name, value string) error { return c.REST.SetApp(name, value) }},

	{Name: "SUPARUST_JWT_AUD", Aliases: []string{"PGRST_JWT_AUD"}, Default: "any", Help: "Audience that REST asks of tokens that name one.",
		set: restSetting("jwt_aud")},
	{Name: "SUPARUST_JWT_ROLE_CLAIM_KEY", Aliases: []string{"PGRST_JWT_ROLE_CLAIM_KEY", "PGRST_ROLE_CLAIM_KEY"}, Default: ".role", Help: "Path to the role in the claims of a token, such as `.app.roles[0]` or `.roles[?(@ == \"editor\")]`.",
		set: restSetting("jwt_role_claim_key")},

	{Name: "SUPARUST_OPENAPI_MODE", Aliases: []string{"PGRST_OPENAPI_MODE"}, Default: "follow-privileges", Help: "What REST's OpenAPI document shows: follow-privileges, ignore-privileges or disabled.",
		set: restSetting("openapi_mode")},
	{Name: "SUPARUST_OPENAPI_SECURITY_ACTIVE", Aliases: []string{"PGRST_OPENAPI_SECURITY_ACTIVE"}, Default: "false", Help: "Declare in the OpenAPI document that a token is needed.",
		set: restSetting("openapi_security_active")},
	{Name: "SUPARUST_OPENAPI_SERVER_PROXY_URI", Aliases: []string{"PGRST_OPENAPI_SERVER_PROXY_URI"}, Default: "the public URL", Help: "Address of REST that the OpenAPI document names.",
		set: restSetting("openapi_server_proxy_uri")},

	{Name: "SUPARUST_CORS_ALLOWED_ORIGINS", Aliases: []string{"PGRST_SERVER_CORS_ALLOWED_ORIGINS"}, Default: "all", Help: "Origins whose pages may read answers of every API, with credentials.",
		set: restSetting("server_cors_allowed_origins")},
	{Name: "SUPARUST_SERVER_TRACE_HEADER", Aliases: []string{"PGRST_SERVER_TRACE_HEADER"}, Default: "none", Help: "Header of requests that REST's answers repeat.",
		set: restSetting("server_trace_header")},
	{Name: "SUPARUST_SERVER_TIMING_ENABLED", Aliases: []string{"PGRST_SERVER_TIMING_ENABLED"}, Default: "false", Help: "Tell in the header Server-Timing what the time of a REST request went into.",
		set: restSetting("server_timing_enabled")},

	{Name: "SUPARUST_DB_CONFIG", Aliases: []string{"PGRST_DB_CONFIG"}, Default: "true", Help: "Read REST's settings from the database, pgrst.* of the login role; they win over these.",
		set: notSetting(func(c *Config) *bool { return &c.Database.NoSettings })},
	{Name: "SUPARUST_DB_PRE_CONFIG", Aliases: []string{"PGRST_DB_PRE_CONFIG"}, Default: "none", Help: "Function, schema.name, that makes settings pgrst.* before they are read.",
		set: textSetting(func(c *Config) *string { return &c.Database.PreConfig })},
	{Name: "SUPARUST_DB_CHANNEL", Aliases: []string{"PGRST_DB_CHANNEL"}, Default: "pgrst", Help: "Channel on which the database says `reload schema` and `reload config`.",
		set: textSetting(func(c *Config) *string { return &c.Database.Channel })},
	{Name: "SUPARUST_DB_CHANNEL_ENABLED", Aliases: []string{"PGRST_DB_CHANNEL_ENABLED"}, Default: "true", Help: "Listen on that channel.",
		set: notSetting(func(c *Config) *bool { return &c.Database.NoChannel })},
}

// restSetting sets the option of REST of this name.
func restSetting(name string) func(*Config, string) error {
	return func(c *Config, v string) error { return c.REST.Set(name, v) }
}
