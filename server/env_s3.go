package server

// s3Settings are about the S3 protocol under /storage/v1/s3.
var s3Settings = []Setting{
	{Name: "SUPARUST_S3_PROTOCOL_ENABLED", Aliases: []string{"S3_PROTOCOL_ENABLED"}, Default: "true", Help: "Answer the S3 protocol under /storage/v1/s3.",
		set: notSetting(func(c *Config) *bool { return &c.Storage.S3Protocol.Disabled })},
	{Name: "SUPARUST_S3_PROTOCOL_ACCESS_KEY_ID", Aliases: []string{"S3_PROTOCOL_ACCESS_KEY_ID"}, Default: "none; beside a project that of the local stack",
		Help: "Access key of S3 clients; it acts as service_role.",
		set:  textSetting(func(c *Config) *string { return &c.Storage.S3Protocol.AccessKeyID })},
	{Name: "SUPARUST_S3_PROTOCOL_ACCESS_KEY_SECRET", Aliases: []string{"S3_PROTOCOL_ACCESS_KEY_SECRET"}, Secret: true,
		Default: "none; beside a project that of the local stack", Help: "Secret of that access key.",
		set: textSetting(func(c *Config) *string { return &c.Storage.S3Protocol.SecretAccessKey })},
	{Name: "SUPARUST_S3_PROTOCOL_REGION", Aliases: []string{"S3_PROTOCOL_REGION"}, Default: "local", Help: "Region that S3 clients are told.",
		set: textSetting(func(c *Config) *string { return &c.Storage.S3Protocol.Region })},
	{Name: "SUPARUST_S3_PROTOCOL_ENFORCE_REGION", Aliases: []string{"S3_PROTOCOL_ENFORCE_REGION"}, Default: "false", Help: "Refuse what S3 clients sign for another region.",
		set: boolSetting(func(c *Config) *bool { return &c.Storage.S3Protocol.EnforceRegion })},
	{Name: "SUPARUST_S3_PROTOCOL_PREFIX", Aliases: []string{"S3_PROTOCOL_PREFIX"}, Default: "/storage/v1", Help: "Path before /s3 that S3 clients sign, where a proxy changes it.",
		set: textSetting(func(c *Config) *string { return &c.Storage.S3Protocol.Prefix })},
	{Name: "SUPARUST_S3_PROTOCOL_ALLOW_FORWARDED_HEADER", Aliases: []string{"S3_ALLOW_FORWARDED_HEADER"}, Default: "false",
		Help: "Take the host that S3 clients sign from the Forwarded header.",
		set:  boolSetting(func(c *Config) *bool { return &c.Storage.S3Protocol.ForwardedHeader })},
	{Name: "SUPARUST_S3_PROTOCOL_HOST_HEADER", Aliases: []string{"S3_PROTOCOL_NON_CANONICAL_HOST_HEADER"}, Default: "none",
		Help: "Header with the host that S3 clients sign, where a proxy changes it.",
		set:  textSetting(func(c *Config) *string { return &c.Storage.S3Protocol.HostHeader })},
}
