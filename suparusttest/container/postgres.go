package container

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver that waits for the database
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"

	"github.com/suparust/suparust/suparusttest"
)

const (
	postgresPort = "5432/tcp"
	superuser    = "supabase_admin"
	password     = "postgres"
	database     = "postgres"
)

// startOnPostgres runs PostgreSQL in a container and the server here.
func startOnPostgres(tb testing.TB, o *options) *Server {
	tb.Helper()
	c := run(tb, o.image,
		testcontainers.WithEnv(postgresEnv(o.env)),
		testcontainers.WithExposedPorts(postgresPort),
		testcontainers.WithWaitStrategyAndDeadline(o.timeout, wait.ForSQL(postgresPort, "pgx", func(host string, port network.Port) string {
			return databaseURL(host+":"+port.Port(), superuser)
		})),
	)
	admin := databaseURL(address(tb, c, postgresPort), superuser)
	if err := clearPlatform(tb.Context(), admin); err != nil {
		tb.Fatalf("container: make room for the platform's objects: %v", err)
	}
	opts := []suparusttest.Option{suparusttest.WithDatabaseURL(admin)}
	if o.project != "" {
		opts = append(opts, suparusttest.WithProject(o.project))
	}
	return &Server{Server: suparusttest.Start(tb, append(opts, o.server...)...), Container: c}
}

// postgresEnv is the environment of PostgreSQL's container: whom the server
// logs in as, and beside it what extra says. The superuser is the one that the
// image's own scripts expect.
func postgresEnv(extra map[string]string) map[string]string {
	env := map[string]string{}
	maps.Copy(env, extra)
	env["POSTGRES_USER"], env["POSTGRES_PASSWORD"], env["POSTGRES_DB"] = superuser, password, database
	return env
}

// databaseURL is the URL of the database at host:port. The image speaks no TLS.
func databaseURL(address, user string) string {
	u := url.URL{Scheme: "postgresql", User: url.UserPassword(user, password), Host: address, Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// clearPlatform removes the schemas auth and storage from a database that was
// created just now. The image has them in the form they had years ago, for the
// platform's services to bring up to date; the server writes them as they are
// today. The image's roles, extensions and settings stay.
func clearPlatform(ctx context.Context, admin string) error {
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var users bool
	err = conn.QueryRow(ctx, "select to_regclass('auth.users') is not null").Scan(&users)
	if err == nil && users {
		err = conn.QueryRow(ctx, "select exists (select from auth.users)").Scan(&users)
	}
	if err != nil {
		return err
	}
	if users {
		return fmt.Errorf("the database has users already: use an image without data")
	}
	_, err = conn.Exec(ctx, "set client_min_messages = warning; drop schema if exists auth cascade; drop schema if exists storage cascade")
	return err
}
