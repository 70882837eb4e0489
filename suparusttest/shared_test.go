package suparusttest_test

import (
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/suparust/suparust/suparusttest"
)

// TestSharedCluster has several tests in one PostgreSQL, none of which sees
// anything of another.
func TestSharedCluster(t *testing.T) {
	t.Parallel()
	const setting = "select current_setting('app.settings.jwt_secret') || has_database_privilege('supabase_etl_admin', current_database(), 'create') || pg_get_userbyid(datdba) from pg_database where datname = current_database()"
	ask := func(t *testing.T, s *suparusttest.Server, sql string) (answer string) {
		t.Helper()
		if err := s.Pool(t).QueryRow(t.Context(), sql).Scan(&answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	var (
		mu    sync.Mutex
		names = map[string]bool{}
		ports = map[string]bool{}
	)
	t.Run("tests", func(t *testing.T) {
		for range 4 {
			t.Run("one", func(t *testing.T) {
				t.Parallel()
				srv := suparusttest.Start(t, suparusttest.WithSharedCluster(), suparusttest.WithSQL(notes))
				ann := srv.CreateUser(t, "ann@example.com")
				srv.ClientAs(ann).Post(t, "/rest/v1/notes", map[string]string{"body": "mine"}).WantStatus(t, http.StatusCreated)
				want(t, "the rows", rows(t, srv.ClientAs(ann), "/rest/v1/notes?select=body"), `[{"body":"mine"}]`)
				srv.Exec(t, "create table later (i int)") // the API knows it at once
				want(t, "a new table", rows(t, srv.ServiceClient(), "/rest/v1/later"), `[]`)
				srv.ClientAs(ann).Do(t, http.MethodPost, "/storage/v1/object/files/a.txt", "bytes", http.Header{"Content-Type": {"text/plain"}}).
					WantStatus(t, http.StatusOK)
				got := srv.Client().Get(t, "/storage/v1/object/public/files/a.txt").WantStatus(t, http.StatusOK)
				want(t, "the file", string(got.Body), "bytes")
				want(t, "what create database does not copy", ask(t, srv, setting), srv.JWTSecret+"truepostgres")
				mu.Lock()
				defer mu.Unlock()
				names[ask(t, srv, "select current_database()::text")] = true
				ports[ask(t, srv, "select inet_server_port()::text")] = true
			})
		}
	})
	if len(names) != 4 || len(ports) != 1 {
		t.Errorf("4 tests had %d databases in %d PostgreSQLs, want 4 in 1", len(names), len(ports))
	}

	srv := suparusttest.Start(t, suparusttest.WithSharedCluster())
	var left []string
	if err := srv.Pool(t).QueryRow(t.Context(), "select array_agg(datname::text) from pg_database where datname <> current_database()").Scan(&left); err != nil {
		t.Fatal(err)
	}
	dir, err := os.ReadDir(suparusttest.SharedDir(srv))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range dir {
		left = append(left, e.Name())
	}
	for _, name := range left {
		if names[name] {
			t.Errorf("the database or the files of %s are left", name)
		}
	}

	srv.Exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'supabase_admin'")
	want(t, "who comes after every connection was cut", rows(t, suparusttest.Start(t, suparusttest.WithSharedCluster(), suparusttest.WithSQL("create table t (i int)")).ServiceClient(), "/rest/v1/t"), "[]")

	for what, f := range map[string]func(tb testing.TB){
		"Snapshot":     func(tb testing.TB) { srv.Snapshot(tb) },
		"SaveSnapshot": func(tb testing.TB) { srv.SaveSnapshot(tb, "x") },
		"Restore":      func(tb testing.TB) { srv.Restore(tb, nil) },
		"Reset":        func(tb testing.TB) { srv.Reset(tb) },
		"Branch":       func(tb testing.TB) { srv.Branch(tb) },
	} {
		if said := fatal(t, f); !strings.Contains(said, "leave out WithSharedCluster") {
			t.Errorf("%s said %q", what, said)
		}
	}
	said := fatal(t, func(tb testing.TB) {
		suparusttest.Start(tb, suparusttest.WithSharedCluster(), suparusttest.WithDatabaseURL("postgresql://127.0.0.1/x"))
	})
	if !strings.Contains(said, "leave out WithSnapshot, WithDatabaseURL") {
		t.Errorf("two places for the database: %q", said)
	}
}
