package suparusttest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/suparust/suparust/fixtures"
	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/server/pg"
	"github.com/suparust/suparust/suparusttest"
)

const project = "testdata/project"

// rows is a GET that must answer 200.
func rows(tb testing.TB, c *suparusttest.Client, path string) string {
	tb.Helper()
	return string(c.Get(tb, path).WantStatus(tb, http.StatusOK).Body)
}

func want[T comparable](tb testing.TB, what string, got, want T) {
	tb.Helper()
	if got != want {
		tb.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestWithProject(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithProject(project))
	want(t, "migrations, the seed and max_rows", rows(t, srv.Client(), "/rest/v1/todos?select=task,priority&order=id"),
		"[{\"task\":\"task 1\",\"priority\":1}, \n {\"task\":\"task 2\",\"priority\":2}, \n {\"task\":\"task 3\",\"priority\":3}]")
	res := srv.Client().Post(t, "/auth/v1/signup", map[string]string{"email": "ann@example.com", "password": "short678"})
	if res.Status != http.StatusUnprocessableEntity {
		t.Errorf("minimum_password_length of config.toml has no effect: %d %s", res.Status, res.Body)
	}
	if res := srv.Client().Post(t, "/auth/v1/signup", map[string]string{}); res.Status == http.StatusOK {
		t.Errorf("an anonymous sign-in that config.toml forbids: %s", res.Body)
	}
	if strings.Contains(srv.URL, ":54321") {
		t.Errorf("the port of config.toml is used by a test: %s", srv.URL)
	}
	var history int
	if err := srv.Pool(t).QueryRow(t.Context(), "select count(*) from supabase_migrations.schema_migrations").Scan(&history); err != nil || history != 2 {
		t.Errorf("%d migrations in the history, %v", history, err)
	}
}

func TestProjectIsFound(t *testing.T) {
	t.Chdir(filepath.Join(project, "app"))
	found := suparusttest.Start(t)
	rows(t, found.Client(), "/rest/v1/todos?select=id")
	without := suparusttest.Start(t, suparusttest.WithoutProject())
	without.Client().Get(t, "/rest/v1/todos").WantStatus(t, http.StatusNotFound)
	if without.Client().Post(t, "/auth/v1/signup", map[string]string{}).Status != http.StatusOK {
		t.Error("without a project an anonymous sign-in is refused")
	}
}

func TestWithMigrations(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"001_one.sql": {Data: []byte("create table one (id int primary key);")},
		"002_two.sql": {Data: []byte("alter table one add two text;")},
		"seed.sql":    {Data: []byte("insert into one values (1, 'seeded');")},
	}
	srv := suparusttest.Start(t, suparusttest.WithMigrations(files))
	want(t, "the seed", rows(t, srv.Client(), "/rest/v1/one"), `[{"id":1,"two":"seeded"}]`)
}

func TestWithSQLAndFixtures(t *testing.T) {
	t.Parallel()
	sets := fstest.MapFS{
		"small/02_rows.sql":  {Data: []byte("insert into things values (1, 'small'); insert into things values (2, 'small');")},
		"small/01_first.sql": {Data: []byte("insert into log values ('first');")},
		"large/rows.sql":     {Data: []byte("insert into things select i, 'large' from generate_series(10, 109) i;")},
		"broken/rows.sql":    {Data: []byte("insert into missing values (1);")},
	}
	create := suparusttest.WithSQL("create table things (id int primary key, name text)", "create table log (line text)")
	srv := suparusttest.Start(t, create, suparusttest.WithFixtures(sets, "small"))
	want(t, "the named set", rows(t, srv.Client(), "/rest/v1/things"), "[{\"id\":1,\"name\":\"small\"}, \n {\"id\":2,\"name\":\"small\"}]")
	srv.Load(t, sets, "large")
	var n, logged int
	if err := srv.Pool(t).QueryRow(t.Context(), "select (select count(*) from things), (select count(*) from log)").Scan(&n, &logged); err != nil || n != 102 || logged != 1 {
		t.Errorf("%d things and %d lines after Load, %v", n, logged, err)
	}
	srv.Load(t, fixtures.FS, fixtures.Quickstart)
	rows(t, srv.Client(), "/rest/v1/users?select=id")

	for name, c := range map[string]struct{ set, want string }{
		"an unknown set":      {"huge", `there is no fixture "huge"; there are: broken, large, small`},
		"a set that is wrong": {"broken", `fixture broken/rows.sql:1: ERROR: relation "missing" does not exist (SQLSTATE 42P01)`},
	} {
		if said := fatal(t, func(tb testing.TB) { srv.Load(tb, sets, c.set) }); !strings.Contains(said, c.want) {
			t.Errorf("%s: it says %q, want %q", name, said, c.want)
		}
	}
	everything := suparusttest.Start(t, create, suparusttest.WithFixtures(fstest.MapFS{"a/a.sql": {Data: []byte("insert into things values (1, 'a')")}, "b/b.sql": {Data: []byte("insert into things values (2, 'b')")}}))
	want(t, "every set", rows(t, everything.Client(), "/rest/v1/things?select=name"), "[{\"name\":\"a\"}, \n {\"name\":\"b\"}]")
}

func TestWithClock(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	began := time.Now()
	srv := suparusttest.Start(t, suparusttest.WithClock(func() time.Time { return began.Add(time.Duration(ahead.Load())) }))
	ann := srv.ClientAs(srv.CreateUser(t, "ann@example.com"))
	claimed := srv.ClientWithClaims(t, map[string]any{"sub": "00000000-0000-0000-0000-000000000001"})
	for _, c := range []*suparusttest.Client{ann, claimed} {
		rows(t, c, "/rest/v1/")
	}
	ann.Get(t, "/auth/v1/user").WantStatus(t, http.StatusOK)
	ahead.Store(int64(2 * time.Hour))
	for _, c := range []*suparusttest.Client{ann, claimed} {
		res := c.Get(t, "/rest/v1/").WantStatus(t, http.StatusUnauthorized)
		want(t, "REST, two hours later", string(res.Body), `{"code":"PGRST303","details":null,"hint":null,"message":"JWT expired"}`)
	}
	ann.Get(t, "/auth/v1/user").WantStatus(t, http.StatusForbidden)
	// a new token is one of the new time
	late := srv.ClientAs(srv.SignIn(t, "ann@example.com", suparusttest.Password))
	rows(t, late, "/rest/v1/")
	late.Get(t, "/auth/v1/user").WantStatus(t, http.StatusOK)
}

func TestWithPostgres(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, major := range []int{15, 16, 18} {
		// what is at hand is found at once; a download takes longer
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		bin, err := pg.Resolve(ctx, pg.ResolveOptions{Major: major})
		cancel()
		if err != nil || bin.Major != major {
			t.Logf("PostgreSQL %d is not at hand: %v", major, err)
			continue
		}
		tried++
		srv := suparusttest.Start(t, suparusttest.WithPostgres(major), suparusttest.WithSQL("create table t (id int primary key)"))
		var version int
		if err := srv.Pool(t).QueryRow(t.Context(), "select current_setting('server_version_num')::int / 10000").Scan(&version); err != nil || version != major {
			t.Errorf("wanted PostgreSQL %d, it is %d, %v", major, version, err)
		}
		rows(t, srv.ClientAs(srv.CreateUser(t, "ann@example.com")), "/rest/v1/t")
		break
	}
	if tried == 0 {
		t.Skip("no other PostgreSQL than the usual one is at hand")
	}
}

func TestWithConfig(t *testing.T) {
	t.Parallel()
	root, data := t.TempDir(), publicTempDir(t)
	mine := func(c *server.Config) {
		c.Storage.Root = root
		c.Storage.FileSizeLimit = 4
		c.REST.MaxRows = 1
		c.Auth.DisableSignup = true
		c.Database.DataDir = filepath.Join(data, "kept")
	}
	t.Run("first", func(t *testing.T) {
		srv := suparusttest.Start(t, suparusttest.WithSQL("create table t as select i from generate_series(1, 9) i"), suparusttest.WithConfig(mine))
		want(t, "max rows", rows(t, srv.Client(), "/rest/v1/t"), `[{"i":1}]`)
		srv.Client().Post(t, "/auth/v1/signup", map[string]string{"email": "a@example.com", "password": "long-enough"}).WantStatus(t, http.StatusUnprocessableEntity)
		srv.ServiceClient().Post(t, "/storage/v1/bucket", map[string]any{"name": "b"}).WantStatus(t, http.StatusOK)
		res := srv.ServiceClient().Post(t, "/storage/v1/object/b/x", "12345").WantStatus(t, http.StatusBadRequest)
		if !strings.Contains(string(res.Body), "EntityTooLarge") {
			t.Errorf("the size limit: %s", res.Body)
		}
	})
	t.Run("a directory that is kept", func(t *testing.T) {
		srv := suparusttest.Start(t, suparusttest.WithConfig(mine))
		want(t, "the first server's row", rows(t, srv.Client(), "/rest/v1/t"), `[{"i":1}]`)
	})
	said := fatal(t, func(tb testing.TB) {
		suparusttest.Start(tb, suparusttest.WithConfig(func(c *server.Config) { c.Database.URL = "postgresql://elsewhere" }))
	})
	want(t, "an external database", said, "suparusttest: a test's server has its own PostgreSQL: leave Config.Database.URL empty")
	said = fatal(t, func(tb testing.TB) {
		suparusttest.Start(tb, suparusttest.WithConfig(func(c *server.Config) { c.Port = -1 }))
	})
	want(t, "an impossible port", said, "suparusttest: the port -1 is outside of 0 to 65535: set SUPARUST_PORT to a free one")
}

func TestWithLogLevel(t *testing.T) {
	t.Parallel()
	loud := suparusttest.Start(t, suparusttest.WithLogLevel(slog.LevelDebug))
	quiet := suparusttest.Start(t, suparusttest.WithLogLevel(slog.LevelError))
	for _, srv := range []*suparusttest.Server{loud, quiet} {
		srv.Client().Get(t, "/rest/v1/missing").WantStatus(t, http.StatusNotFound)
	}
	if !strings.Contains(loud.Log(), "path=/rest/v1/missing") {
		t.Errorf("the request is not in the log: %s", loud.Log())
	}
	want(t, "a log of errors alone", quiet.Log(), "")
}

// TestStartFails shows what a developer sees whose machine or settings are in
// the way.
func TestStartFails(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for name, c := range map[string]struct {
		option suparusttest.Option
		want   string
	}{
		"no PostgreSQL there": {suparusttest.WithConfig(func(c *server.Config) { c.Database.BinDir = "/nonexistent" }),
			"suparusttest: the PostgreSQL directory /nonexistent (SUPARUST_PG_BIN) cannot be used: it holds no postgres program"},
		"an unknown version": {suparusttest.WithPostgres(9), "9"},
		"no project there":   {suparusttest.WithProject(t.TempDir()), "supabase"},
		"no migrations":      {suparusttest.WithMigrations(fstest.MapFS{}), "suparusttest: read the migrations: no migrations found: put files named like 0001_create_notes.sql"},
		"a port that is taken": {suparusttest.WithConfig(func(c *server.Config) { c.Port = port }),
			fmt.Sprintf("suparusttest: port %d is in use", port)},
		"a database port that is taken": {suparusttest.WithConfig(func(c *server.Config) { c.Database.Port = port }),
			fmt.Sprintf("suparusttest: PostgreSQL cannot listen on 127.0.0.1:%d", port)},
	} {
		said := fatal(t, func(tb testing.TB) { suparusttest.Start(tb, c.option) })
		if !strings.HasPrefix(said, "suparusttest: ") || !strings.Contains(said, c.want) {
			t.Errorf("%s: it says %q, want %q", name, said, c.want)
		}
	}
}

// TestFailingMigration shows what a developer sees whose migration is wrong.
func TestFailingMigration(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"001_one.sql": {Data: []byte("create table one (id int primary key);\n")},
		"002_two.sql": {Data: []byte("-- the second\ncreate table two (id int);\nalter table one\n  add column twoo txt;\n")},
	}
	said := fatal(t, func(tb testing.TB) { suparusttest.Start(tb, suparusttest.WithMigrations(files)) })
	for _, part := range []string{"002_two.sql:4:", "add column twoo txt", "^", "42704", `type "txt" does not exist`} {
		if !strings.Contains(said, part) {
			t.Errorf("%q is not in what Start says:\n%s", part, said)
		}
	}
}

func TestFailingSQL(t *testing.T) {
	t.Parallel()
	said := fatal(t, func(tb testing.TB) { suparusttest.Start(tb, suparusttest.WithSQL("selec 1")) })
	if !strings.Contains(said, "SQLSTATE 42601") || !strings.Contains(said, "in: selec 1") {
		t.Errorf("it says %q", said)
	}
}
