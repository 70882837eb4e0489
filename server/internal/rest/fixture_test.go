package rest_test

import (
	"context"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/internal/leaktest"
	"github.com/suparust/suparust/suparusttest"
)

func TestMain(m *testing.M) {
	os.Exit(leaktest.Main(func() int { return suparusttest.Main(m) }))
}

// fixture is a server of the test's own, seen through the REST API.
type fixture struct {
	// URL is the root of the API.
	URL string
	srv *suparusttest.Server
	// serial numbers what benchmarks write.
	serial atomic.Int64
}

// start serves a database in which sql was run as the role postgres.
func start(t testing.TB, sql string) *fixture {
	t.Helper()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithSQL(sql))
	return &fixture{URL: srv.URL + "/rest/v1", srv: srv}
}

// token signs just these claims.
func (f *fixture) token(t testing.TB, claims map[string]any) string {
	t.Helper()
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims(claims)).SignedString([]byte(f.srv.JWTSecret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// exec runs SQL as the role postgres.
func (f *fixture) exec(t testing.TB, sql string) {
	t.Helper()
	f.srv.Exec(t, sql)
}

// configure sets a setting of the API in the database. No trigger tells of
// that; the comment makes the next request read the schema, and the settings
// with it.
func (f *fixture) configure(t testing.TB, name, value string) {
	t.Helper()
	f.exec(t, "alter role authenticator in database postgres set pgrst."+name+" = '"+value+"'")
	f.exec(t, "comment on extension plpgsql is '"+name+"'; create table reload_"+name+"(); drop table reload_"+name)
}

// count tells how many rows a query gives.
func (f *fixture) count(t testing.TB, query string) int {
	t.Helper()
	var n int
	if err := f.srv.Pool(t).QueryRow(context.Background(), "select count(*) from ("+query+") q").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// value is the text that a query gives.
func (f *fixture) value(t testing.TB, query string) string {
	t.Helper()
	var v string
	if err := f.srv.Pool(t).QueryRow(context.Background(), query).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// connConfig is how user reaches the database over TCP.
func (f *fixture) connConfig(t testing.TB, user string) *pgx.ConnConfig {
	t.Helper()
	u, err := url.Parse(f.srv.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	u.User = url.UserPassword(user, password)
	config, err := pgx.ParseConfig(u.String())
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// socket connects as the role postgres over the unix socket that the server uses.
func (f *fixture) socket(t testing.TB) *pgx.Conn {
	t.Helper()
	return f.socketAs(t, "postgres")
}

// socketAs is socket as another role.
func (f *fixture) socketAs(t testing.TB, user string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(context.Background(), f.socketConfig(t, user))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func (f *fixture) socketConfig(t testing.TB, user string) *pgx.ConnConfig {
	t.Helper()
	config := f.connConfig(t, user)
	config.Host = strings.Split(f.value(t, "show unix_socket_directories"), ",")[0]
	config.TLSConfig, config.Fallbacks = nil, nil
	return config
}
