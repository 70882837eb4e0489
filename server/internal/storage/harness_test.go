package storage_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/session"
	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
	"github.com/suparust/suparust/server/pg"
)

// template is a PostgreSQL with the platform's database and nothing else.
var template = sync.OnceValues(func() (*pg.Template, error) {
	cfg := server.DefaultConfig()
	cfg.Ephemeral()
	cfg.Database.BinDir = os.Getenv("SUPARUST_PG_BIN")
	return server.LoadTemplate(context.Background(), cfg)
})

// start serves the API behind the gateway on a database of the test's own.
func start(t testing.TB, changes ...func(*storage.Config)) *api {
	t.Helper()
	tpl, err := template()
	if err != nil {
		t.Fatalf("template: %v", err)
	}
	cluster, err := pg.Start(t.Context(), pg.Config{Template: tpl})
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	})
	admin := connConfig(t, cluster, "supabase_admin")
	login := connConfig(t, cluster, "authenticator")
	log := io.Discard
	if _, measured := t.(*testing.B); !measured {
		log = t.Output()
	}
	a := &api{
		t: t, dir: t.TempDir(), keys: demoKeys(t), mu: &sync.Mutex{},
		dsn: fmt.Sprintf("host=%s port=%d user=authenticator dbname=postgres", cluster.SocketDir(), login.Port),
	}
	a.anon, a.service = a.keys.AnonKey, a.keys.ServiceRoleKey
	a.admin, err = pgx.ConnectConfig(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.admin.Close(context.Background()) })
	cfg := storage.Config{Blobs: blob.NewDisk(blob.DiskConfig{Dir: a.dir, Ephemeral: true}), FileSizeLimit: 300 << 20}
	for _, change := range changes {
		change(&cfg)
	}
	if cfg.Uploads == nil {
		cfg.Uploads = blob.NewUploadDir(blob.UploadDirConfig{Dir: filepath.Join(a.dir, "uploads"), Store: cfg.Blobs})
	}
	handler, end := serve(t, cfg, login, a.keys, slog.New(slog.NewTextHandler(log, nil)))
	srv := httptest.NewServer(handler)
	t.Cleanup(func() {
		srv.Close()
		end()
	})
	a.url = srv.URL + "/storage/v1"
	return a
}

func connConfig(t testing.TB, c *pg.Cluster, user string) *pgx.ConnConfig {
	t.Helper()
	cfg, err := c.ConnConfig(user, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func demoKeys(t testing.TB) gateway.Keys {
	t.Helper()
	keys, err := gateway.Keys{JWTSecret: gateway.DemoJWTSecret}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// serve is the handler of cfg, started, behind a gateway.
func serve(t testing.TB, cfg storage.Config, login *pgx.ConnConfig, keys gateway.Keys, log *slog.Logger) (h http.Handler, end func()) {
	t.Helper()
	handler, stop, err := newServer(cfg, login, keys, log)
	if err != nil {
		t.Fatal(err)
	}
	return handler, func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

func newServer(cfg storage.Config, login *pgx.ConnConfig, keys gateway.Keys, log *slog.Logger) (http.Handler, func() error, error) {
	set := gateway.KeySet{gateway.SecretKey(keys.JWTSecret)}
	var err error
	if cfg.Signer, err = gateway.NewSigner(set); err != nil {
		return nil, nil, err
	}
	db := session.New(session.Config{ConnConfig: login})
	cfg.Verifier, cfg.Logger, cfg.DB = gateway.NewVerifier(set), log, db
	s, err := storage.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	if err := s.Start(context.Background()); err != nil {
		return nil, nil, err
	}
	gw := gateway.New(gateway.Config{Keys: keys, Verifier: cfg.Verifier, Logger: log})
	return gw.Wrap(http.StripPrefix("/storage/v1", s)), func() error {
		err := s.Close()
		db.Close()
		return err
	}, nil
}

// run executes SQL as the superuser, several statements where it has no
// parameters.
func (a *api) run(sql string, args ...any) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(args) == 0 {
		_, err := a.admin.PgConn().Exec(context.Background(), sql).ReadAll()
		return err
	}
	_, err := a.admin.Exec(context.Background(), sql, args...)
	return err
}

// row scans the one row of a query into dst.
func (a *api) row(dst any, sql string, args ...any) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.admin.QueryRow(context.Background(), sql, args...).Scan(dst)
}

// withLimit sets the size of the largest object.
func withLimit(n int64) func(*storage.Config) {
	return func(c *storage.Config) { c.FileSizeLimit = n }
}

// beside is another server of the same database, bytes and uploads; wrap may
// put something before its handler.
func (a *api) beside(t *testing.T, disk blob.Store, wrap func(http.Handler) http.Handler) *api {
	t.Helper()
	return a.besideWith(t, storage.Config{Blobs: disk}, nil, wrap)
}

// besideWith is beside of another configuration and, unless it is nil, way to
// the database.
func (a *api) besideWith(t *testing.T, cfg storage.Config, login *pgx.ConnConfig, wrap func(http.Handler) http.Handler) *api {
	t.Helper()
	if login == nil {
		var err error
		if login, err = pgx.ParseConfig(a.dsn); err != nil {
			t.Fatal(err)
		}
	}
	cfg.Uploads = blob.NewUploadDir(blob.UploadDirConfig{Dir: filepath.Join(a.dir, "uploads"), Store: cfg.Blobs})
	cfg.Blobs = shared{cfg.Blobs}
	handler, end := serve(t, cfg, login, a.keys, slog.New(slog.DiscardHandler))
	srv := httptest.NewServer(wrap(handler))
	t.Cleanup(func() { srv.Close(); end() })
	b := *a
	b.url = srv.URL + "/storage/v1"
	return &b
}

// unwrapped is a handler as it is.
func unwrapped(h http.Handler) http.Handler { return h }

// shared is a store that another opens and closes.
type shared struct{ blob.Store }

func (shared) Close() error { return nil }
