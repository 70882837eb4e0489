package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
)

// Settings of the platform's storage service, and of the renderer beside it,
// under their own names.
func TestStorageServiceNames(t *testing.T) {
	for variable, got := range map[string]func(c server.StorageConfig) any{
		"STORAGE_FILE_BACKEND_PATH=/a => /a":           func(c server.StorageConfig) any { return c.Root },
		"FILE_STORAGE_BACKEND_PATH=/b => /b":           func(c server.StorageConfig) any { return c.Root },
		"UPLOAD_FILE_SIZE_LIMIT=1 => 1":                func(c server.StorageConfig) any { return c.FileSizeLimit },
		"FILE_SIZE_LIMIT=2 => 2":                       func(c server.StorageConfig) any { return c.FileSizeLimit },
		"UPLOAD_FILE_SIZE_LIMIT_STANDARD=3 => 3":       func(c server.StorageConfig) any { return c.StandardLimit },
		"FILE_SIZE_LIMIT_STANDARD_UPLOAD=4 => 4":       func(c server.StorageConfig) any { return c.StandardLimit },
		"UPLOAD_SIGNED_URL_EXPIRATION_TIME=60 => 1m0s": func(c server.StorageConfig) any { return c.SignedUploadExpiry },
		"SIGNED_UPLOAD_URL_EXPIRATION_TIME=5 => 5s":    func(c server.StorageConfig) any { return c.SignedUploadExpiry },
		"REQUEST_ETAG_HEADERS=a, b => [a b]":           func(c server.StorageConfig) any { return c.ETagHeaders },
		"RESPONSE_S_MAXAGE=6 => 6":                     func(c server.StorageConfig) any { return c.SMaxAge },
		"REQUEST_HARD_LIMITS_ENABLED=true => true":     func(c server.StorageConfig) any { return c.LimitDeletes },
		"IMAGE_TRANSFORMATION_ENABLED=true => true":    func(c server.StorageConfig) any { return c.Images.Enabled },
		"ENABLE_IMAGE_TRANSFORMATION=true => true":     func(c server.StorageConfig) any { return c.Images.Enabled },
		"IMAGE_TRANSFORMATION_LIMIT_MIN_SIZE=7 => 7":   func(c server.StorageConfig) any { return c.Images.MinSize },
		"IMG_LIMITS_MIN_SIZE=8 => 8":                   func(c server.StorageConfig) any { return c.Images.MinSize },
		"IMAGE_TRANSFORMATION_LIMIT_MAX_SIZE=9 => 9":   func(c server.StorageConfig) any { return c.Images.MaxSize },
		"IMG_LIMITS_MAX_SIZE=10 => 10":                 func(c server.StorageConfig) any { return c.Images.MaxSize },
		"IMGPROXY_MAX_SRC_RESOLUTION=16.8 => 16800000": func(c server.StorageConfig) any { return c.Images.MaxPixels },
		"IMGPROXY_MAX_SRC_FILE_SIZE=11 => 11":          func(c server.StorageConfig) any { return c.Images.MaxBytes },
		"IMGPROXY_WORKERS=12 => 12":                    func(c server.StorageConfig) any { return c.Images.Parallel },
	} {
		set, want, _ := strings.Cut(variable, " => ")
		c, warnings, err := configured(t, set)
		if v := fmt.Sprint(got(c.Storage)); err != nil || v != want || len(warnings) != 1 {
			t.Errorf("%s gives %q, %v, warnings %q", set, v, err, warnings)
		}
	}
	for variable, says := range map[string]string{
		"FILE_SIZE_LIMIT=50MB":                 "no number of bytes above 0",
		"IMAGE_TRANSFORMATION_ENABLED=perhaps": "neither true nor false",
		"IMGPROXY_MAX_SRC_RESOLUTION=NaN":      "no number of megapixels above 0",
	} {
		if _, _, err := configured(t, variable); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

// Names such as AWS_REGION are in many environments for other programs: they
// are this server's only when it keeps its files in a bucket.
func TestBucketNames(t *testing.T) {
	foreign := []string{"STORAGE_S3_BUCKET=b", "GLOBAL_S3_ENDPOINT=https://s3.example.com", "AWS_REGION=eu-west-1", "GLOBAL_S3_FORCE_PATH_STYLE=perhaps",
		"AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=s", "AWS_SESSION_TOKEN=t"}
	c, warnings, err := configured(t, foreign...)
	if err != nil || len(warnings) != 0 || c.Storage.S3 != (server.S3Config{}) {
		t.Errorf("with files on disk: %+v, warnings %q, %v", c.Storage.S3, warnings, err)
	}
	foreign[3] = "GLOBAL_S3_FORCE_PATH_STYLE=true"
	c, warnings, err = configured(t, append(foreign, "SUPARUST_STORAGE_BACKEND=s3")...)
	want := server.S3Config{Endpoint: "https://s3.example.com", Bucket: "b", Region: "eu-west-1", PathStyle: true, AccessKeyID: "k", SecretAccessKey: "s", SessionToken: "t"}
	if err != nil || len(warnings) != len(foreign) || c.Storage.S3 != want {
		t.Errorf("with files in a bucket: %+v, warnings %q, %v", c.Storage.S3, warnings, err)
	}
}
