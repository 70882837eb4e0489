package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

const (
	backendFile = "file"
	backendS3   = "s3"
)

// S3Config is the bucket that files are kept in where the backend is s3.
type S3Config struct {
	// Endpoint is the service's address, "" is Amazon's.
	Endpoint, Bucket string
	Prefix           string // of every key
	Region           string // "" is us-east-1
	PathStyle        bool   // the bucket stands in the path and not in the host
	// AccessKeyID and SecretAccessKey; without them the credentials are those
	// of the machine's role or of the user's AWS configuration.
	AccessKeyID, SecretAccessKey, SessionToken string
	// SweepAge is the age from which files that no row names are removed when
	// a server starts, and once more so long after; 0 is an hour. Uploads of
	// other servers must be younger.
	SweepAge time.Duration
}

func (c S3Config) store(log *slog.Logger) *blob.S3 {
	return blob.NewS3(blob.S3Config{
		Endpoint: c.Endpoint, Bucket: c.Bucket, Prefix: c.Prefix, Region: c.Region, PathStyle: c.PathStyle,
		AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, Grace: c.SweepAge, Logger: log,
	})
}

func (c *StorageConfig) validate() error {
	switch c.Backend {
	case "", backendFile:
		return nil
	case backendS3:
	default:
		return fmt.Errorf("there is no storage backend %q: set SUPARUST_STORAGE_BACKEND to file or s3", c.Backend)
	}
	switch {
	case c.S3.Bucket == "":
		return errors.New("the storage backend s3 has no bucket: set SUPARUST_S3_BUCKET")
	case (c.S3.AccessKeyID == "") != (c.S3.SecretAccessKey == ""):
		return errors.New("the storage backend s3 has half of a key: set both SUPARUST_S3_ACCESS_KEY_ID and SUPARUST_S3_SECRET_ACCESS_KEY, or neither")
	}
	return nil
}

// The credentials of the S3 protocol in the platform's local stack, used beside
// a project's folder and in tests. They are public and protect nothing.
const (
	DemoS3AccessKeyID     = "625729a08b95bf1b7ff351a663f3a23c"
	DemoS3SecretAccessKey = "850181e4652dd023b7a98c58ae0d2d34bd487ee0cc3254aed6eda37307425907"
)

// S3ProtocolConfig is about the S3 protocol under /storage/v1/s3.
type S3ProtocolConfig struct {
	Disabled bool
	// AccessKeyID and SecretAccessKey are the credentials that act as
	// service_role; without them the only ones are those of users' sessions.
	AccessKeyID, SecretAccessKey string
	// Region is where clients find the buckets, "" is local. EnforceRegion
	// refuses what is signed for another.
	Region        string
	EnforceRegion bool
	// Prefix is the path before /s3 that clients sign, "" is /storage/v1: it
	// differs where a proxy changes the path.
	Prefix string
	// ForwardedHeader believes the host of a Forwarded header, HostHeader that
	// of the header it names: where a proxy changes the host.
	ForwardedHeader bool
	HostHeader      string
}

func (p *S3ProtocolConfig) useDemoKeys() {
	p.AccessKeyID, p.SecretAccessKey = DemoS3AccessKeyID, DemoS3SecretAccessKey
}

// s3Config is what Storage needs to know of the protocol.
func (s *Server) s3Config() storage.S3Config {
	p := s.cfg.Storage.S3Protocol
	c := storage.S3Config{
		Disabled: p.Disabled, AccessKeyID: p.AccessKeyID, SecretAccessKey: p.SecretAccessKey, Region: p.Region,
		EnforceRegion: p.EnforceRegion, Prefix: p.Prefix, ForwardedHeader: p.ForwardedHeader, HostHeader: p.HostHeader,
		SessionSecrets: func() []string {
			keys := s.Keys()
			return []string{keys.AnonKey, keys.PublishableKey}
		},
	}
	if u, err := url.Parse(s.url); err == nil {
		c.PublicHost = u.Host
	}
	return c
}
