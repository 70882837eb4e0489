package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

const (
	gatewayKey    = "gateway-key"
	gatewaySecret = "gateway-secret"
)

// gateway is the address of an S3 server of others, which runs while the tests do.
var gateway string

func TestMain(m *testing.M) {
	if told := os.Getenv(childEnv); told != "" {
		fmt.Fprintln(os.Stderr, childServes(told))
		os.Exit(1)
	}
	code, err := serve(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func serve(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "suparust-s3-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	root, side := filepath.Join(dir, "root"), filepath.Join(dir, "side")
	for _, d := range []string{root, side} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return 0, err
		}
	}
	sidecar, err := meta.NewSideCar(side)
	if err != nil {
		return 0, err
	}
	files, err := posix.New(root, sidecar, posix.PosixOpts{SideCarDir: side, Concurrency: 100, CopyObjectThreshold: 5 << 30})
	if err != nil {
		return 0, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- embedgw.RunVersityGW(ctx, files, &embedgw.Config{
			RootUserAccess: gatewayKey, RootUserSecret: gatewaySecret, Ports: []string{address}, Region: "us-east-1", Quiet: true,
			MaxConnections: 1000, MaxRequests: 1000, MultipartMaxParts: 10000,
		})
	}()
	gateway = "http://" + address
	for deadline := time.Now().Add(30 * time.Second); ; {
		res, err := http.Get(gateway)
		if err == nil {
			_ = res.Body.Close()
			break
		}
		select {
		case err := <-ended:
			cancel()
			return 0, fmt.Errorf("the S3 server ended: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			cancel()
			return 0, fmt.Errorf("the S3 server does not answer: %w", err)
		}
	}
	code = m.Run()
	cancel()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
	}
	return code, nil
}

// client speaks S3 to an address.
func client(endpoint, key, secret, session string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(endpoint), Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, session),
	})
}

// bucket makes a bucket at the gateway and returns its name.
func bucket(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("bucket-%d", time.Now().UnixNano())
	if _, err := client(gateway, gatewayKey, gatewaySecret, "").CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	return name
}

// keys are the names of a bucket's objects that begin with prefix.
func keys(t *testing.T, bucket, prefix string) []string {
	t.Helper()
	res, err := client(gateway, gatewayKey, gatewaySecret, "").ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range res.Contents {
		names = append(names, *o.Key)
	}
	return names
}
