// Package container gives a Go test the same server as suparusttest, on a
// PostgreSQL that runs in a container: for projects that need the extensions of
// the supabase/postgres image.
//
//	func TestSearch(t *testing.T) {
//		srv := container.Start(t, container.WithProject("."))
//		srv.ServiceClient().Get(t, "/rest/v1/rpc/nearest?n=3").WantStatus(t, 200)
//	}
//
// It takes seconds where suparusttest takes milliseconds: use it for the tests
// that need it. Where there is no Docker they are skipped.
//
// The handle is suparusttest's, with all that it can do, but for what follows
// from where the database is. Of an image of PostgreSQL Snapshot, Restore, Reset,
// Branch and Disconnect are refused: they are about PostgreSQL's own files and
// processes, which are the container's. A server in a container (WithServerImage)
// has them; its branches and the page of its mailbox would be on ports inside of
// the container, so that Branch and MailURL are refused there. WithHTTP needs a
// server in the test's process.
package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"

	"github.com/suparust/suparust/suparusttest"
)

// Server is a running server and the container that it, or its database, runs
// in. Both end with the test.
type Server struct {
	*suparusttest.Server
	// Container is PostgreSQL's, or with WithServerImage the server's.
	Container testcontainers.Container
}

// Start starts a container and a server for tb and returns when it answers. It
// skips tb where there is no Docker; when it cannot start for another reason,
// it fails tb and shows the end of the container's log.
func Start(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	o := newOptions()
	for _, opt := range opts {
		opt(o)
	}
	if err := reachDocker(tb.Context()); err != nil {
		tb.Skipf("container: Docker does not answer: %v: start it to run this test", err)
	}
	if o.serverImage != "" {
		return startServerImage(tb, o)
	}
	return startOnPostgres(tb, o)
}

// reachDocker tells why there is no Docker, nil when there is.
func reachDocker(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil { // the library's answer to a host it cannot find
			err = fmt.Errorf("%v", r)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	provider, err := testcontainers.ProviderDefault.GetProvider(testcontainers.WithLogger(discard{}))
	if err != nil {
		return err
	}
	defer func() { _ = provider.Close() }() // it was only asked whether it is there
	return provider.Health(ctx)
}

// discard is a log that nobody reads.
type discard struct{}

func (discard) Printf(string, ...any) {}

// run starts a container that ends with tb.
func run(tb testing.TB, image string, opts ...testcontainers.ContainerCustomizer) testcontainers.Container {
	tb.Helper()
	opts = append(opts, testcontainers.WithLogger(log.TestLogger(tb)))
	c, err := testcontainers.Run(tb.Context(), image, opts...)
	if c == nil { // a nil pointer must not become an interface that is not nil
		tb.Fatalf("container: start %s: %v", image, err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if tb.Failed() {
			fmt.Fprintf(tb.Output(), "container: the end of the log of %s:\n%s\n", image, logTail(ctx, c))
		}
		if err := testcontainers.TerminateContainer(c, testcontainers.StopContext(ctx)); err != nil {
			tb.Errorf("container: end the container of %s: %v", image, err)
		}
	})
	if err != nil {
		tb.Fatalf("container: %s did not become ready: %v", image, err)
	}
	return c
}

// Bounds of what is shown of a container's log.
const (
	logTailLines = 40
	logTailBytes = 1 << 20
)

// logTail is the end of a container's log, or why it cannot be read.
func logTail(ctx context.Context, c testcontainers.Container) string {
	r, err := c.Logs(ctx)
	if err != nil {
		return err.Error()
	}
	defer r.Close()
	return lastLines(r)
}

// lastLines are the last lines of r.
func lastLines(r io.Reader) string {
	var kept []byte
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		kept = append(kept, buf[:n]...)
		if over := len(kept) - logTailBytes; over > logTailBytes {
			kept = append(kept[:0], kept[over:]...)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				kept = append(kept, err.Error()...)
			}
			break
		}
	}
	lines := strings.Split(strings.TrimRight(string(kept), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-logTailLines):], "\n")
}

// address is where a port of c is reached from here, host:port.
func address(tb testing.TB, c testcontainers.Container, port string) string {
	tb.Helper()
	at, err := c.PortEndpoint(tb.Context(), port, "")
	if err != nil {
		tb.Fatalf("container: find port %s: %v", port, err)
	}
	return at
}
