package suparusttest_test

import (
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/internal/pgtest"
	"github.com/suparust/suparust/suparusttest"
)

// strong is the password of the external database below.
const strong = "a strong one, with / and @"

// external is a PostgreSQL that knows nothing of the platform, by a
// superuser's URL.
func external(t *testing.T) string {
	t.Helper()
	return pgtest.Start(t, "alter role supabase_admin password '"+strong+"'").URL(pgtest.Superuser, strong, "postgres")
}

func TestWithDatabaseURL(t *testing.T) {
	t.Parallel()
	database := external(t)
	files := fstest.MapFS{
		"1_notes.sql": {Data: []byte("create table notes (body text);\n")},
		"seed.sql":    {Data: []byte("insert into notes values ('hello');\n")},
	}
	for _, name := range []string{"a database without anything", "what the first server left"} {
		t.Run(name, func(t *testing.T) {
			srv := suparusttest.Start(t, suparusttest.WithDatabaseURL(database), suparusttest.WithMigrations(files))
			want(t, "the migration and the seed", rows(t, srv.Client(), "/rest/v1/notes"), `[{"body":"hello"}]`)
			srv.CreateUser(t, "ann@example.com")
			srv.Exec(t, "delete from auth.users") // the second server makes her again

			var role, owner string
			if err := srv.Pool(t).QueryRow(t.Context(), "select current_user, tableowner from pg_tables where tablename = 'notes'").Scan(&role, &owner); err != nil {
				t.Fatal(err)
			}
			want(t, "whom DatabaseURL connects as", role, "postgres")
			want(t, "whom the tables belong to", owner, "postgres")
		})
	}
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatalf("the superuser's password is another now: %v", err)
	}
	conn.Close(t.Context())
}
