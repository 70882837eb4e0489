package testclient_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/suparust/suparust/cmd"
	"github.com/suparust/suparust/internal/proctest"
	"github.com/suparust/suparust/server"
)

// asProgram makes this test binary the program itself, see TestMain.
const asProgram = "SUPARUST_TEST_AS_PROGRAM"

// program is the whole program, for TestMain.
func program() int {
	return cmd.Main(os.Args[1:], cmd.Stdio{Out: os.Stdout, Err: os.Stderr}, os.Environ())
}

// TestProfiles starts the program with an environment file in both styles, its
// own names and the names that it reads too, and without a project.
func TestProfiles(t *testing.T) {
	needNode(t)
	readSuite(t)
	dir := install(t)
	const secret = "a-secret-of-more-than-thirty-two-characters"
	keys, err := server.Keys{JWTSecret: secret}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	for _, style := range []struct{ profile, file string }{
		{"test", "SUPARUST_PORT=%d\nSUPARUST_JWT_SECRET=" + secret + "\nSUPARUST_DB_DATA_DIR=data/db\nSUPARUST_STORAGE_ROOT=data/files\n"},
		{"supabase.test", "PORT=%d\nJWT_SECRET=" + secret + "\nANON_KEY=" + keys.AnonKey + "\nSERVICE_ROLE_KEY=" + keys.ServiceRoleKey +
			"\nDATA_DIR=data/db\nSTORAGE_ROOT=data/files\n"},
	} {
		t.Run(style.profile, func(t *testing.T) {
			t.Parallel()
			home, port := publicTempDir(t), freePorts(t)
			if err := os.WriteFile(filepath.Join(home, ".env."+style.profile), fmt.Appendf(nil, style.file, port), 0o600); err != nil {
				t.Fatal(err)
			}
			base := fmt.Sprintf("http://127.0.0.1:%d", port)
			ended := start(t, home, base, "--profile", style.profile, "start")
			vitest(t, dir, "quickstart/", []string{
				"SUPABASE_URL=" + base, "SUPABASE_ANON_KEY=" + keys.AnonKey, "SUPABASE_SERVICE_ROLE_KEY=" + keys.ServiceRoleKey,
			})
			if out, err := run(t.Context(), home, "--profile", style.profile, "stop").CombinedOutput(); err != nil {
				t.Fatalf("stop: %v\n%s", err, out)
			}
			if err := <-ended; err != nil {
				t.Errorf("the server that was stopped: %v", err)
			}
		})
	}
}

// run is a command of the program in the folder home, with nothing of this
// environment that sets up a server.
func run(ctx context.Context, home string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, os.Args[0], args...)
	c.Dir = home
	c.Env = []string{asProgram + "=1"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "USER", "SUPARUST_CACHE_DIR", "SUPARUST_PG_BIN"} {
		if v, ok := os.LookupEnv(name); ok {
			c.Env = append(c.Env, name+"="+v)
		}
	}
	return c
}

// start runs a server and returns when base answers; what it ends with comes
// over the channel.
func start(t *testing.T, home, base string, args ...string) <-chan error {
	t.Helper()
	c := run(context.Background(), home, args...)
	var out output
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended, gone := make(chan error, 1), make(chan struct{})
	go func() { ended <- c.Wait(); close(gone) }()
	t.Cleanup(func() {
		_ = c.Process.Kill() // it has ended where the test got to its end
		<-gone
		if t.Failed() {
			t.Logf("the server said:\n%s", out.String())
		}
	})
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if res, err := http.Get(base + "/auth/v1/health"); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return ended
			}
		}
		select {
		case <-gone:
			t.Fatalf("the server ended before it was ready: %v", <-ended)
		case <-deadline.C:
			t.Fatal("the server was not ready in time")
		case <-tick.C:
		}
	}
}

// output collects what a process writes, for a test that reads it meanwhile.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(o.buf.String())
}

// publicTempDir is a folder that PostgreSQL may pass through where it runs
// under another user.
var publicTempDir = proctest.TempDir

// freePorts finds a free port for the API such that PostgreSQL's and the
// mailbox's, 10000 and 20000 further, are free too. All are below those that
// the system gives to connections that leave the machine.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 500 {
		if port := 2000 + rand.IntN(10000); allFree(port, port+10000, port+20000) {
			return port
		}
	}
	t.Fatal("no free port for a server")
	return 0
}

func allFree(ports ...int) bool {
	for _, port := range ports {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
