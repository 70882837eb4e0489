package server

// elsewhere is the set of a setting that something else reads: it stands in
// the table for its names, its help, and the notes about them.
func elsewhere(*Config, string) error { return nil }

// commandSettings are what the command reads before there is a server.
var commandSettings = []Setting{
	{Name: "SUPARUST_LOG_LEVEL", Aliases: []string{"PGRST_LOG_LEVEL"}, Default: "info", Help: "Least level of what is logged: trace, debug, info, warn, error or off.",
		set: elsewhere},
	{Name: "SUPARUST_LOG_FORMAT", Default: "pretty on a terminal, else json", Help: "json, a record a line, or pretty: see docs/observability.md.",
		set: elsewhere},
	{Name: "SUPARUST_LOG", Aliases: []string{"RUST_LOG"}, Default: "none", Help: "Levels of single parts, with commas between: rest=debug,http=warn.",
		set: elsewhere},
	{Name: "SUPARUST_LOG_FILE", Default: "app.log, of a profile app.profile.NAME.log", Help: "Where a server in the background logs to.",
		set: elsewhere},
	{Name: "SUPARUST_PID_FILE", Default: ".suparust.local.3000.pid and the like", Help: "Where the PID file is; its state file is beside it.",
		set: elsewhere},
	{Name: "SUPARUST_ENV", Aliases: []string{"SUPABASE_ENV"}, Default: "development", Help: "Which of a project's environment files, .env.<this>.local and .env.<this>, the values env(NAME) of config.toml come from.",
		set: elsewhere},
}
