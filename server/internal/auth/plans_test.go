package auth_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Statements are prepared while a test's database has hardly a row, and their
// plans stay: one that reads a whole table would be slower with every user.
func TestPlansUseIndexes(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	user, err := os.ReadFile("queries/user.sql")
	if err != nil {
		t.Fatal(err)
	}
	f.exec(t, "set plan_cache_mode = force_generic_plan")
	for name, params := range map[string]int{"email_owner": 3, "session": 2, "refresh_lock": 1} {
		where, err := os.ReadFile("queries/" + name + ".sql")
		if err != nil {
			t.Fatal(err)
		}
		f.exec(t, "prepare "+name+" as "+string(user)+string(where))
		rows, err := f.db(t).Query(t.Context(), fmt.Sprintf("explain (costs off) execute %s(%s)", name, strings.Repeat("null, ", params-1)+"null"))
		if err != nil {
			t.Fatal(err)
		}
		var plan strings.Builder
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			plan.WriteString(line + "\n")
		}
		if err := rows.Err(); err != nil || strings.Contains(plan.String(), "Seq Scan") {
			t.Errorf("%s reads a whole table: %v\n%s", name, err, plan.String())
		}
	}
}
