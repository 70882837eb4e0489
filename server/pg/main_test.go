//go:build unix

package pg

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/internal/leaktest"
	"github.com/suparust/suparust/internal/proctest"
)

// childEnv makes the test program a child of itself that does one thing; see child_test.go.
const childEnv = "SUPARUST_PG_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(m.Run()) // it dies in its own way
	}
	os.Exit(leaktest.Main(m.Run))
}

var (
	eventually    = proctest.Eventually
	processesWith = proctest.Mentioning
)

// testLog writes to the test's output and remembers what was said.
type testLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
	tb  testing.TB
}

func (l *testLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(b)
	return l.tb.Output().Write(b)
}

func (l *testLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newTestLog(tb testing.TB) (*slog.Logger, *testLog) {
	l := &testLog{tb: tb}
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})), l
}

// testBinaries resolves once for all tests; a child is told the directory.
func testBinaries(tb testing.TB) *Binaries {
	tb.Helper()
	log, _ := newTestLog(tb)
	b, err := Resolve(tb.Context(), ResolveOptions{BinDir: os.Getenv("SUPARUST_PG_CHILD_BIN"), Logger: log})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

const testSchema = `
create role authenticator login noinherit password 'postgres';
create role anon;
grant anon to authenticator;
create extension pgcrypto;
create extension "uuid-ossp";
create table public.notes (id bigint primary key, body text not null);
insert into public.notes select i, 'note ' || i from generate_series(1, 100) i;
grant select, insert on public.notes to authenticator;
`

func buildTestSchema(ctx context.Context, dsn func(user, db string) string) error {
	conn, err := pgx.Connect(ctx, dsn(superuser, "postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, testSchema)
	return errors.Join(err, conn.Close(ctx))
}

func testSpec(tb testing.TB) TemplateSpec {
	log, _ := newTestLog(tb)
	return TemplateSpec{Binaries: testBinaries(tb), Key: "pg test " + testSchema, Build: buildTestSchema, Logger: log, CacheDir: os.Getenv("SUPARUST_PG_CHILD_CACHE")}
}

func testTemplate(tb testing.TB) *Template {
	tb.Helper()
	t, err := LoadTemplate(tb.Context(), testSpec(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func startTest(tb testing.TB, c Config) *Cluster {
	tb.Helper()
	if c.Template == nil && c.Binaries == nil {
		c.Template = testTemplate(tb)
	}
	cl, err := Start(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := cl.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return cl
}

func queryString(tb testing.TB, cl *Cluster, user, db, sql string, args ...any) string {
	tb.Helper()
	s, err := tryQuery(tb.Context(), cl, user, db, sql, args...)
	if err != nil {
		tb.Fatalf("%s: %v\n%s", sql, err, cl.LogTail(20))
	}
	return s
}

func tryQuery(ctx context.Context, cl *Cluster, user, db, sql string, args ...any) (string, error) {
	cfg, err := cl.ConnConfig(user, db)
	if err != nil {
		return "", err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var s string
	err = conn.QueryRow(ctx, sql, args...).Scan(&s)
	return s, err
}

// publicTempDir is a temporary directory that the server's account can reach; t.TempDir is closed to it under root. It is
// in memory when there is room: the tests write whole databases, and a disk makes that slow at times.
func publicTempDir(tb testing.TB) string {
	tb.Helper()
	base := ""
	if roomInMemory("/dev/shm", 1<<30) {
		base = "/dev/shm"
	}
	return proctest.TempDirIn(tb, base)
}

// programDir is a public temporary directory for programs: memory is often mounted without the right to execute.
func programDir(tb testing.TB) string {
	tb.Helper()
	return proctest.TempDir(tb)
}

func wantError(tb testing.TB, err error, parts ...string) {
	tb.Helper()
	if err == nil {
		tb.Fatal("no error")
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			tb.Errorf("the error lacks %q:\n%v", p, err)
		}
	}
}
