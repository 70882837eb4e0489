package server

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// storageSettings are about /storage/v1. Their aliases are the names that the
// platform's own service has for them, the newer one first, and that of the
// renderer beside it.
var storageSettings = []Setting{
	{Name: "SUPARUST_STORAGE_ROOT", Aliases: []string{"STORAGE_ROOT", "STORAGE_FILE_BACKEND_PATH", "FILE_STORAGE_BACKEND_PATH"}, Default: "data/storage", Help: "Directory of stored files.",
		set: textSetting(func(c *Config) *string { return &c.Storage.Root })},
	{Name: "SUPARUST_STORAGE_TENANT_ID", Aliases: []string{"STORAGE_TENANT_ID"}, Default: "none", Help: "Accepted, and without effect: a server has one tenant, and its paths do not name it.",
		set: elsewhere},
	{Name: "SUPARUST_FILE_SIZE_LIMIT", Aliases: []string{"UPLOAD_FILE_SIZE_LIMIT", "FILE_SIZE_LIMIT"}, Default: "52428800", Help: "Largest stored file in bytes.",
		set: bytesSetting(func(c *Config) *int64 { return &c.Storage.FileSizeLimit })},
	{Name: "SUPARUST_FILE_SIZE_LIMIT_STANDARD", Aliases: []string{"UPLOAD_FILE_SIZE_LIMIT_STANDARD", "FILE_SIZE_LIMIT_STANDARD_UPLOAD"}, Default: "SUPARUST_FILE_SIZE_LIMIT", Help: "Largest file in bytes that is uploaded by one request, where resumable uploads may be larger.",
		set: bytesSetting(func(c *Config) *int64 { return &c.Storage.StandardLimit })},
	{Name: "SUPARUST_SIGNED_UPLOAD_EXPIRY", Aliases: []string{"UPLOAD_SIGNED_URL_EXPIRATION_TIME", "SIGNED_UPLOAD_URL_EXPIRATION_TIME"}, Default: "7200", Help: "Life of a signed upload URL in seconds.",
		set: secondsSetting(func(c *Config) *time.Duration { return &c.Storage.SignedUploadExpiry })},
	{Name: "SUPARUST_STORAGE_ETAG_HEADERS", Aliases: []string{"REQUEST_ETAG_HEADERS"}, Default: "if-none-match", Help: "Headers that a cache before the server sends the ETag in that it has.",
		set: listSetting(func(c *Config) *[]string { return &c.Storage.ETagHeaders })},
	{Name: "SUPARUST_STORAGE_S_MAXAGE", Aliases: []string{"RESPONSE_S_MAXAGE"}, Default: "0", Help: "Seconds of s-maxage that Cache-Control gets for such a cache; 0 is none.",
		set: intSetting(func(c *Config) *int { return &c.Storage.SMaxAge })},
	{Name: "SUPARUST_STORAGE_LIMIT_DELETES", Aliases: []string{"REQUEST_HARD_LIMITS_ENABLED"}, Default: "false", Help: "Refuse to delete more than 1000 files in one request.",
		set: boolSetting(func(c *Config) *bool { return &c.Storage.LimitDeletes })},
	{Name: "SUPARUST_IMAGES", Aliases: []string{"IMAGE_TRANSFORMATION_ENABLED", "ENABLE_IMAGE_TRANSFORMATION"}, Default: "false", Help: "Scale pictures at /render/image.",
		set: boolSetting(func(c *Config) *bool { return &c.Storage.Images.Enabled })},
	{Name: "SUPARUST_IMAGE_MIN_SIZE", Aliases: []string{"IMAGE_TRANSFORMATION_LIMIT_MIN_SIZE", "IMG_LIMITS_MIN_SIZE"}, Default: "1", Help: "Smallest width and height that can be asked for.",
		set: intSetting(func(c *Config) *int { return &c.Storage.Images.MinSize })},
	{Name: "SUPARUST_IMAGE_MAX_SIZE", Aliases: []string{"IMAGE_TRANSFORMATION_LIMIT_MAX_SIZE", "IMG_LIMITS_MAX_SIZE"}, Default: "2000", Help: "Largest width and height that can be asked for.",
		set: intSetting(func(c *Config) *int { return &c.Storage.Images.MaxSize })},
	{Name: "SUPARUST_IMAGE_MAX_RESOLUTION", Aliases: []string{"IMGPROXY_MAX_SRC_RESOLUTION"}, Default: "50", Help: "Largest picture that is read, in megapixels.",
		set: func(c *Config, v string) error {
			n, err := strconv.ParseFloat(v, 64)
			if err != nil || !(n > 0 && n <= math.MaxInt32) {
				return fmt.Errorf("%q is no number of megapixels above 0", v)
			}
			c.Storage.Images.MaxPixels = int64(n * 1e6)
			return nil
		}},
	{Name: "SUPARUST_IMAGE_MAX_BYTES", Aliases: []string{"IMGPROXY_MAX_SRC_FILE_SIZE"}, Default: "25000000", Help: "Largest file of a picture that is read, in bytes.",
		set: bytesSetting(func(c *Config) *int64 { return &c.Storage.Images.MaxBytes })},
	{Name: "SUPARUST_IMAGE_MAX_MEMORY", Default: "536870912", Help: "What all pictures that are worked on may take of memory, in bytes; requests wait for their share, and a picture that takes more is refused.",
		set: bytesSetting(func(c *Config) *int64 { return &c.Storage.Images.MaxMemory })},
	{Name: "SUPARUST_IMAGE_WORKERS", Aliases: []string{"IMGPROXY_WORKERS", "IMGPROXY_CONCURRENCY"}, Default: "2", Help: "Pictures that are worked on at once.",
		set: intSetting(func(c *Config) *int { return &c.Storage.Images.Parallel })},
	{Name: "SUPARUST_UPLOAD_EXPIRY_MS", Aliases: []string{"TUS_URL_EXPIRY_MS"}, Default: "none", Help: "The same as SUPARUST_UPLOAD_EXPIRY in milliseconds, which wins over this.",
		set: millisecondsSetting(func(c *Config) *time.Duration { return &c.Storage.UploadExpiry })},
	{Name: "SUPARUST_UPLOAD_EXPIRY", Default: "86400", Help: "Seconds that an unfinished upload is kept: a resumable one, or one in parts of the S3 protocol.",
		set: secondsSetting(func(c *Config) *time.Duration { return &c.Storage.UploadExpiry })},
}

func millisecondsSetting(field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n <= 0 || n > 604_800_000 {
			return fmt.Errorf("%q is no number of milliseconds from 1 to 604800000", v)
		}
		*field(c) = time.Duration(n) * time.Millisecond
		return nil
	}
}
