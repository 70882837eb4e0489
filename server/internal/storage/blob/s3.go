package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3Config of an S3.
type S3Config struct {
	// Endpoint is the service's address, with or without http:// or https://;
	// "" is Amazon's.
	Endpoint string
	Bucket   string
	Prefix   string // of every key, such as "project/"
	Region   string // "" is us-east-1
	// AccessKeyID and SecretAccessKey sign; without them the credentials are
	// those of the machine's role or of the user's AWS configuration.
	AccessKeyID, SecretAccessKey, SessionToken string
	// PathStyle names the bucket in the path and not in the host.
	PathStyle bool
	// Grace is the age that bytes without a row must have for Sweep to remove
	// them; 0 is an hour. It must be longer than the end of any upload takes.
	Grace  time.Duration
	Logger *slog.Logger // nil discards
}

// S3 is a Store in a bucket of a service that speaks S3:
//
//	objects/<first two digits>/<version>   the bytes
//	owner                                  the database whose rows name the bytes
//	sweep                                  when the last sweep began
//
// Several processes of one database may use the bucket.
type S3 struct {
	cfg    S3Config
	log    *slog.Logger
	client atomic.Pointer[minio.Core] // nil when not open
	// unconditional is set where the service knows no conditional writes
	unconditional atomic.Bool

	mu        sync.Mutex
	transport *http.Transport

	failed leftovers
}

const (
	defaultS3Region = "us-east-1"
	// minPart is the least size of a part that services take, and what one
	// upload holds in memory.
	minPart  = 5 << 20
	maxParts = 10_000
	// inFlight is the age at which bytes without a row are no longer those of
	// an upload whose row is about to be written, by whichever process.
	inFlight = time.Hour
	// abandonedParts is the age of parts of an upload that nobody goes on with.
	abandonedParts = 24 * time.Hour

	sweepFile = "sweep"
)

// NewS3 makes a store of c. It does nothing before Start.
func NewS3(c S3Config) *S3 {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Region == "" {
		c.Region = defaultS3Region
	}
	if c.Prefix != "" && !strings.HasSuffix(c.Prefix, "/") {
		c.Prefix += "/"
	}
	return &S3{cfg: c, log: c.Logger}
}

// Start connects to the bucket, which must be there.
func (s *S3) Start(ctx context.Context) error {
	if s.client.Load() != nil {
		return nil
	}
	host, secure := "s3.amazonaws.com", true
	if s.cfg.Endpoint != "" {
		u, err := url.Parse(s.cfg.Endpoint)
		if err == nil && !strings.Contains(s.cfg.Endpoint, "://") {
			u, err = url.Parse("https://" + s.cfg.Endpoint)
		}
		if err != nil || u.Host == "" {
			return fmt.Errorf("the S3 endpoint %q is no address: set SUPARUST_S3_ENDPOINT to one like https://s3.example.com", s.cfg.Endpoint)
		}
		host, secure = u.Host, u.Scheme != "http"
	}
	lookup := minio.BucketLookupAuto
	if s.cfg.PathStyle {
		lookup = minio.BucketLookupPath
	}
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return err
	}
	client, err := minio.NewCore(host, &minio.Options{Transport: transport, Creds: s.credentials(), Secure: secure, Region: s.cfg.Region, BucketLookup: lookup})
	if err != nil {
		return fmt.Errorf("the S3 endpoint cannot be used: %w", err)
	}
	there, err := client.BucketExists(ctx, s.cfg.Bucket)
	switch {
	case err != nil && minio.ToErrorResponse(err).StatusCode == http.StatusForbidden && minio.ToErrorResponse(err).Code == "AccessDenied":
		s.log.Warn("the S3 credentials may not ask for the bucket; it is taken to be there", "bucket", s.cfg.Bucket)
	case err != nil:
		return fmt.Errorf("the S3 bucket %s cannot be reached: check SUPARUST_S3_ENDPOINT, SUPARUST_S3_REGION and the keys: %w", s.cfg.Bucket, err)
	case !there:
		return fmt.Errorf("the S3 bucket %s is not there: create it, or set SUPARUST_S3_BUCKET to another", s.cfg.Bucket)
	}
	s.mu.Lock()
	s.transport = transport
	s.mu.Unlock()
	s.client.Store(client)
	return nil
}

func (s *S3) credentials() *credentials.Credentials {
	if s.cfg.AccessKeyID != "" {
		return credentials.NewStaticV4(s.cfg.AccessKeyID, s.cfg.SecretAccessKey, s.cfg.SessionToken)
	}
	return credentials.NewChainCredentials([]credentials.Provider{&credentials.FileAWSCredentials{}, &credentials.IAM{}})
}

// Close ends the store's use.
func (s *S3) Close() error {
	s.client.Store(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.transport != nil {
		s.transport.CloseIdleConnections()
		s.transport = nil
	}
	return nil
}

func (s *S3) open() (*minio.Core, error) {
	if c := s.client.Load(); c != nil {
		return c, nil
	}
	return nil, ErrClosed
}

func (s *S3) key(version string) string { return s.cfg.Prefix + object(version) }

// Immediate implements Store.
func (*S3) Immediate() bool { return false }

// Has implements Store.
func (s *S3) Has(ctx context.Context, version string) (bool, error) {
	if !ValidVersion(version) {
		return false, nil
	}
	client, err := s.open()
	if err != nil {
		return false, err
	}
	_, err = client.StatObject(ctx, s.cfg.Bucket, s.key(version), minio.StatObjectOptions{})
	if err != nil && isMissing(err) {
		return false, nil
	}
	return err == nil, err
}

// Open implements Store. The service is asked for no more than will be read: a
// body that is closed before its end costs the connection.
func (s *S3) Open(ctx context.Context, version string, offset, length int64) (io.ReadCloser, error) {
	if !ValidVersion(version) {
		return nil, ErrNotFound
	}
	client, err := s.open()
	if err != nil {
		return nil, err
	}
	if length == 0 {
		there, err := s.Has(ctx, version)
		if err == nil && !there {
			err = ErrNotFound
		}
		return io.NopCloser(strings.NewReader("")), err
	}
	var o minio.GetObjectOptions
	switch {
	case length > 0:
		err = o.SetRange(offset, offset+length-1)
	case offset > 0:
		err = o.SetRange(offset, 0)
	}
	if err != nil {
		return nil, err
	}
	body, _, _, err := client.GetObject(ctx, s.cfg.Bucket, s.key(version), o)
	switch {
	case err == nil:
		return body, nil
	case isMissing(err):
		return nil, ErrNotFound
	case minio.ToErrorResponse(err).StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return io.NopCloser(strings.NewReader("")), nil // the end of the bytes, or beyond
	default:
		return nil, err
	}
}

func isMissing(err error) bool {
	e := minio.ToErrorResponse(err)
	return e.Code == "NoSuchKey" || e.StatusCode == http.StatusNotFound && e.Code != "NoSuchBucket"
}

// maxCopy is the size up to which one request copies.
const maxCopy = 5 << 30

// Copy implements Store. The service copies; nothing comes through here, and
// one request is enough where it takes the size. That nothing is there yet is
// not asked: versions are random.
func (s *S3) Copy(ctx context.Context, from, to string) error {
	if !ValidVersion(from) {
		return ErrNotFound
	}
	if !ValidVersion(to) {
		return fmt.Errorf("%q cannot name a version: it must be a lower case UUID", to)
	}
	client, err := s.open()
	if err != nil {
		return err
	}
	long, done := lasting(ctx)
	defer done()
	dst := minio.CopyDestOptions{Bucket: s.cfg.Bucket, Object: s.key(to)}
	src := minio.CopySrcOptions{Bucket: s.cfg.Bucket, Object: s.key(from)}
	_, err = client.Client.CopyObject(long, dst, src)
	if err != nil && !isMissing(err) {
		info, e := client.StatObject(long, s.cfg.Bucket, s.key(from), minio.StatObjectOptions{})
		if e == nil && info.Size > maxCopy {
			_, err = client.ComposeObject(long, dst, src)
		}
	}
	switch {
	case err == nil:
		return nil
	case isMissing(err):
		return ErrNotFound
	}
	s.undo(ctx, client, to, err)
	return err
}

// Remove implements Store.
func (s *S3) Remove(ctx context.Context, versions ...string) error {
	client, err := s.open()
	if err != nil {
		return err
	}
	var keys []minio.ObjectInfo
	byKey := map[string]string{}
	for _, v := range append(s.failed.take(), versions...) {
		if ValidVersion(v) {
			keys = append(keys, minio.ObjectInfo{Key: s.key(v)})
			byKey[s.key(v)] = v
		}
	}
	if len(keys) == 1 {
		if err := client.RemoveObject(ctx, s.cfg.Bucket, keys[0].Key, minio.RemoveObjectOptions{}); err != nil && !isMissing(err) {
			s.failed.add(byKey[keys[0].Key])
			return err
		}
		return nil
	}
	feed := make(chan minio.ObjectInfo, len(keys))
	for _, k := range keys {
		feed <- k
	}
	close(feed)
	var errs error
	for e := range client.RemoveObjects(ctx, s.cfg.Bucket, feed, minio.RemoveObjectsOptions{}) {
		if e.Err == nil || isMissing(e.Err) {
			continue
		}
		errs = errors.Join(errs, e.Err)
		if v, ok := byKey[e.ObjectName]; ok {
			s.failed.add(v)
		}
	}
	return errs
}
