package server

import (
	"net/url"

	"github.com/suparust/suparust/server/internal/storage"
)

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
