package suparusttest_test

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/suparust/suparust/suparusttest"
)

func ExampleWithProject() {
	// testdata/project/supabase/config.toml, migrations/*.sql, seed.sql; without the
	// option the folder is searched from the working directory upward
	srv := suparusttest.Start(t, suparusttest.WithProject("testdata/project"))
	srv.Client().Get(t, "/rest/v1/todos").WantStatus(t, http.StatusOK)
}

func ExampleWithoutProject() {
	srv := suparusttest.Start(t, suparusttest.WithoutProject()) // even inside of one
	srv.Client().Get(t, "/rest/v1/todos").WantStatus(t, http.StatusNotFound)
}

func ExampleWithPostgres() {
	srv := suparusttest.Start(t, suparusttest.WithPostgres(17))
	var major string
	if err := srv.Pool(t).QueryRow(t.Context(), "select current_setting('server_version_num')::int / 10000").Scan(&major); err != nil || major != "17" {
		t.Errorf("PostgreSQL %s, %v", major, err)
	}
}

func ExampleWithDatabaseURL() {
	superuser := external(t) // the URL of a PostgreSQL that runs elsewhere: postgresql://postgres:…@db.example.com:5432/postgres
	srv := suparusttest.Start(t, suparusttest.WithDatabaseURL(superuser), suparusttest.WithSQL("create table notes (body text)"))
	srv.ServiceClient().Get(t, "/rest/v1/notes").WantStatus(t, http.StatusOK)
}

func ExampleWithLogLevel() {
	srv := suparusttest.Start(t, suparusttest.WithLogLevel(slog.LevelDebug)) // of the log that a failed test shows
	srv.Client().Get(t, "/rest/v1/").WantStatus(t, http.StatusOK)
}

func ExampleStart_fuzz() {
	// func FuzzNotes(f *testing.F) { … }: every worker of go test -fuzz has a server of its own
	_ = func(f *testing.F) {
		srv := suparusttest.Start(f, suparusttest.WithSQL("create table notes (body jsonb)"))
		api := srv.ServiceClient()
		f.Add(`{"a":[1]}`)
		f.Fuzz(func(t *testing.T, body string) {
			if r := api.Post(t, "/rest/v1/notes", map[string]string{"body": body}); r.Status >= http.StatusInternalServerError {
				t.Errorf("%q: %d %s", body, r.Status, r.Body)
			}
		})
	}
}
