package server

// notInBucket says that files are kept on disk: names such as REGION and
// AWS_ACCESS_KEY_ID are then about something else.
func notInBucket(c *Config) bool { return c.Storage.Backend != backendS3 }

// s3Settings are about the bucket that files are kept in, and about the S3
// protocol under /storage/v1/s3.
var s3Settings = []Setting{
	{Name: "SUPARUST_STORAGE_BACKEND", Aliases: []string{"STORAGE_BACKEND"}, Default: "file", Help: "Where files are kept: file, in SUPARUST_STORAGE_ROOT, or s3, in SUPARUST_S3_BUCKET, which several servers can share. Without s3 the other names of the bucket's settings are not read.",
		set: textSetting(func(c *Config) *string { return &c.Storage.Backend })},
	{Name: "SUPARUST_S3_BUCKET", Aliases: []string{"STORAGE_S3_BUCKET", "GLOBAL_S3_BUCKET"}, Default: "none", Help: "Bucket of the backend s3; it must be there.",
		foreign: notInBucket,
		set:     textSetting(func(c *Config) *string { return &c.Storage.S3.Bucket })},
	{Name: "SUPARUST_S3_ENDPOINT", Aliases: []string{"STORAGE_S3_ENDPOINT", "GLOBAL_S3_ENDPOINT"}, Default: "Amazon's", Help: "Address of the S3 service.",
		foreign: notInBucket,
		set:     textSetting(func(c *Config) *string { return &c.Storage.S3.Endpoint })},
	{Name: "SUPARUST_S3_REGION", Aliases: []string{"STORAGE_S3_REGION", "REGION", "AWS_REGION", "AWS_DEFAULT_REGION"}, Default: "us-east-1", Help: "Region of the bucket.",
		foreign: notInBucket,
		set:     textSetting(func(c *Config) *string { return &c.Storage.S3.Region })},
	{Name: "SUPARUST_S3_FORCE_PATH_STYLE", Aliases: []string{"STORAGE_S3_FORCE_PATH_STYLE", "GLOBAL_S3_FORCE_PATH_STYLE"}, Default: "false", Help: "Name the bucket in the path and not in the host, as MinIO wants it.",
		foreign: notInBucket,
		set:     boolSetting(func(c *Config) *bool { return &c.Storage.S3.PathStyle })},
	{Name: "SUPARUST_S3_PREFIX", Default: "none", Help: "What every key in the bucket begins with.",
		set: textSetting(func(c *Config) *string { return &c.Storage.S3.Prefix })},
	{Name: "SUPARUST_S3_ACCESS_KEY_ID", Aliases: []string{"AWS_ACCESS_KEY_ID"}, Default: "the machine's role", Help: "Access key for the bucket.",
		foreign: notInBucket,
		set:     textSetting(func(c *Config) *string { return &c.Storage.S3.AccessKeyID })},
	{Name: "SUPARUST_S3_SECRET_ACCESS_KEY", Aliases: []string{"AWS_SECRET_ACCESS_KEY"}, Default: "the machine's role", Secret: true, Help: "Secret of that access key.",
		foreign: notInBucket,
		set:     textSetting(func(c *Config) *string { return &c.Storage.S3.SecretAccessKey })},
	{Name: "SUPARUST_S3_SESSION_TOKEN", Aliases: []string{"AWS_SESSION_TOKEN"}, Default: "none", Secret: true, Help: "Session token of that access key.",
		foreign: notInBucket,
		set:     textSetting(func(c *Config) *string { return &c.Storage.S3.SessionToken })},

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
