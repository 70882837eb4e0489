package server

import (
	"fmt"
	"strconv"
)

// storageSettings are about /storage/v1.
var storageSettings = []Setting{
	{Name: "SUPARUST_STORAGE_ROOT", Aliases: []string{"STORAGE_ROOT"}, Default: "data/storage", Help: "Directory of stored files.",
		set: textSetting(func(c *Config) *string { return &c.Storage.Root })},
	{Name: "SUPARUST_FILE_SIZE_LIMIT", Aliases: []string{"FILE_SIZE_LIMIT"}, Default: "52428800", Help: "Largest stored file in bytes.",
		set: func(c *Config, v string) error {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil || n <= 0 {
				return fmt.Errorf("%q is no number of bytes above 0", v)
			}
			c.Storage.FileSizeLimit = n
			return nil
		}},
}
