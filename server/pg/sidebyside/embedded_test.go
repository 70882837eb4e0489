package sidebyside_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/migrations"
	"github.com/suparust/suparust/server/pg"
)

// embedded-postgres refuses to run as root, so its tests are done by a child:
// this program again, as an ordinary user. Each line that it reads is a test,
// each that it writes is how that went.
const childEnv = "SUPARUST_SIDE_BY_SIDE"

// done is what the child writes of a test that has passed.
const done = "done"

func startEmbedded(tb testing.TB) func(func(url string) error) error {
	if runtime.GOOS != "linux" {
		tb.Skip("the child is started by way of /proc")
	}
	bin, err := pg.Resolve(tb.Context(), pg.ResolveOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	home, err := os.MkdirTemp(inMemory(), "suparust-side-by-side-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(home); err != nil {
			tb.Error(err)
		}
	})
	if err := os.Chmod(home, 0o777); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Dir = "/"
	cmd.Env = []string{childEnv + "=" + bin.Version, "PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "SUPARUST_PG_BIN=" + bin.BinDir}
	cmd.SysProcAttr = ordinary()
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			tb.Error(err)
		}
	})
	lines := bufio.NewScanner(out)
	return func(func(url string) error) error {
		if _, err := io.WriteString(in, "test\n"); err != nil {
			return err
		}
		if !lines.Scan() {
			return fmt.Errorf("the child has ended: %w", lines.Err())
		}
		if lines.Text() != done {
			return fmt.Errorf("the child: %s", lines.Text())
		}
		return nil
	}
}

// inMemory is where files are in memory, as those of the others are.
func inMemory() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// child does a test for each line.
func child() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		said := done
		if err := testEmbedded(); err != nil {
			said = fmt.Sprintf("%q", err)
		}
		fmt.Println(said)
	}
}

// testEmbedded uses the library as its manual does: a database is started for
// the test, gets the schema, and is stopped.
func testEmbedded() (err error) {
	port, err := freePort()
	if err != nil {
		return err
	}
	home := os.Getenv("HOME")
	db := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(embeddedpostgres.PostgresVersion(os.Getenv(childEnv))).
		Port(port).
		BinariesPath(filepath.Dir(os.Getenv("SUPARUST_PG_BIN"))).
		RuntimePath(filepath.Join(home, "runtime")).
		StartParameters(map[string]string{"wal_level": "logical"}).
		Logger(io.Discard))
	if err := db.Start(); err != nil {
		return err
	}
	defer func() {
		if stop := db.Stop(); err == nil {
			err = stop
		}
	}()
	url := fmt.Sprintf("postgresql://postgres:postgres@127.0.0.1:%d/postgres", port)
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	err = migrations.Apply(ctx, conn, migrations.Options{})
	conn.Close(ctx)
	if err != nil {
		return err
	}
	return work(url)
}

func freePort() (uint32, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return uint32(l.Addr().(*net.TCPAddr).Port), l.Close()
}
