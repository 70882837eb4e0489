package rest_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/migrations"
	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/rest"
	"github.com/suparust/suparust/server/internal/session"
	"github.com/suparust/suparust/server/pg"
)

// template is a cluster with the platform's roles and schemas.
var template = sync.OnceValues(func() (*pg.Template, error) {
	ctx := context.Background()
	major, _ := strconv.Atoi(os.Getenv("SUPARUST_PG_VERSION")) // 0, the default, when it is not set
	bin, err := pg.Resolve(ctx, pg.ResolveOptions{Major: major, BinDir: os.Getenv("SUPARUST_PG_BIN")})
	if err != nil {
		return nil, err
	}
	return pg.LoadTemplate(ctx, pg.TemplateSpec{
		Binaries: bin, Key: "rest-test-" + migrations.Version(),
		Build: func(ctx context.Context, dsn func(user, db string) string) error {
			conn, err := pgx.Connect(ctx, dsn("supabase_admin", "postgres"))
			if err != nil {
				return err
			}
			defer conn.Close(ctx)
			return migrations.Apply(ctx, conn, migrations.Options{})
		},
	})
})

// fixture is the API behind the gateway, on a PostgreSQL of its own.
type fixture struct {
	URL     string
	cluster *pg.Cluster
	handler *rest.Handler
	mu      sync.Mutex
	conn    *pgx.Conn // the project's own connection, as the role postgres
}

// testLog hands log records to the test that caused them.
type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// start serves a database in which sql was run as the role postgres.
func start(t testing.TB, sql string) *fixture {
	t.Helper()
	tpl, err := template()
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := pg.Start(context.Background(), pg.Config{Template: tpl, FirstUser: "authenticator"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	f := &fixture{cluster: cluster}
	f.conn = f.connect(t, "postgres")
	f.exec(t, sql)
	login, err := cluster.ConnConfig("authenticator", "postgres")
	if err != nil {
		t.Fatal(err)
	}
	db := session.New(session.Config{ConnConfig: login, MaxMessage: 8 << 20})
	t.Cleanup(db.Close)
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	f.handler, err = rest.New(rest.Config{
		DB: db, Schemas: []string{"public", "graphql_public"}, ExtraSearchPath: []string{"public", "extensions"},
		AnonRole: "anon", MaxRows: 1000, SafeUpdate: true, Logger: log,
		ListenConn: func(ctx context.Context) (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, login) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.handler.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, err := gateway.Keys{JWTSecret: gateway.DemoJWTSecret}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	g := gateway.New(gateway.Config{Keys: keys, Verifier: gateway.NewVerifier(gateway.KeySet{gateway.SecretKey(keys.JWTSecret)})})
	srv := httptest.NewServer(g.Wrap(f.handler))
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		srv.Close()
	})
	f.URL = srv.URL
	return f
}

// connect opens a connection to the database over the socket.
func (f *fixture) connect(t testing.TB, user string) *pgx.Conn {
	t.Helper()
	config, err := f.cluster.ConnConfig(user, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// token signs claims as the project's auth would.
func (f *fixture) token(t testing.TB, claims map[string]any) string {
	t.Helper()
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims(claims)).SignedString([]byte(gateway.DemoJWTSecret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// exec runs SQL as the role postgres.
func (f *fixture) exec(t testing.TB, sql string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.conn.Exec(context.Background(), sql); err != nil {
		t.Fatal(err)
	}
}

// count tells how many rows a query gives.
func (f *fixture) count(t testing.TB, query string) int {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var n int
	if err := f.conn.QueryRow(context.Background(), "select count(*) from ("+query+") q").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// value is the text that a query gives.
func (f *fixture) value(t testing.TB, query string) string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var v string
	if err := f.conn.QueryRow(context.Background(), query).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
