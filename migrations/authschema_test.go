package migrations_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suparust/suparust/migrations"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestAuthSchema compares the whole of schema auth, every table, column,
// constraint, index, type, function, owner and grant, with the list of what the
// platform's newest migrations leave behind.
//
//covers:auth 165 167
func TestAuthSchema(t *testing.T) {
	t.Parallel()
	query, err := os.ReadFile("testdata/auth_schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	admin := start(t, migrations.Options{}).connect(t, "supabase_admin")
	admin.exec("set search_path = pg_catalog")
	got := strings.Join(admin.lines(string(query)), "\n") + "\n"

	const golden = "testdata/auth_schema.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("schema auth differs (-want +got)\n%s", diff)
	}
}
