package server

// storageSettings are about /storage/v1.
var storageSettings = []Setting{
	{Name: "SUPARUST_STORAGE_ROOT", Aliases: []string{"STORAGE_ROOT"}, Default: "data/storage", Help: "Directory of stored files.",
		set: textSetting(func(c *Config) *string { return &c.Storage.Root })},
	{Name: "SUPARUST_FILE_SIZE_LIMIT", Aliases: []string{"FILE_SIZE_LIMIT"}, Default: "52428800", Help: "Largest stored file in bytes.",
		set: bytesSetting(func(c *Config) *int64 { return &c.Storage.FileSizeLimit })},
}
