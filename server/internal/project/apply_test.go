package project

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// database is a PostgreSQL of its own with the platform's schemas, as a project finds it.
type database struct {
	open OpenFunc
	log  strings.Builder
}

func (d *database) apply(t *testing.T, p *Project, fresh bool) error {
	t.Helper()
	return p.Apply(t.Context(), d.open, Options{Fresh: fresh, Logger: slog.New(slog.NewTextHandler(&d.log, nil))})
}

func (d *database) mustApply(t *testing.T, p *Project, fresh bool) {
	t.Helper()
	if err := d.apply(t, p, fresh); err != nil {
		t.Fatal(err)
	}
}

// value is the one text a query returns.
func (d *database) value(t *testing.T, sql string) string {
	t.Helper()
	conn, err := d.open(t.Context(), "supabase_admin", "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var s *string
	if err := conn.QueryRow(t.Context(), "select ("+sql+")::text").Scan(&s); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if s == nil {
		return ""
	}
	return *s
}

func (d *database) expect(t *testing.T, sql, want string) {
	t.Helper()
	if got := d.value(t, sql); got != want {
		t.Errorf("%s\n got %s\nwant %s", sql, got, want)
	}
}

const (
	versions = "select coalesce(string_agg(version, ' ' order by version), '') from supabase_migrations.schema_migrations"
	nothing  = "select to_regclass('supabase_migrations.schema_migrations') is null"
)

func TestApplyHistory(t *testing.T) {
	t.Parallel()
	d := database{open: newDatabase(t)}
	files := map[string]string{
		"supabase/migrations/20240101000000_notes.sql": "-- first\ncreate table notes (id int primary key);\n\ninsert into notes values (1); -- one\ncreate function f() returns int language sql begin atomic select 1; end;\n-- end\n",
		"supabase/migrations/20240102000000_more.sql":  "select pg_catalog.set_config('search_path', '', false);\nalter table public.notes add t text;",
		"supabase/migrations/20240103000000_empty.sql": "",
		"supabase/migrations/20240104000000_next.sql":  "insert into notes values (2, 'path is reset');",
		"supabase/seed.sql":                            "insert into notes values (3, 'seed');",
	}
	d.mustApply(t, mustLoad(t, files, nil), true)
	d.expect(t, `select string_agg(version || ' ' || name || ' ' || statements::text, E'\n' order by version) from supabase_migrations.schema_migrations`,
		strings.Join([]string{
			`20240101000000 notes {"-- first` + "\n" + `create table notes (id int primary key)","insert into notes values (1)","-- one` + "\n" + `create function f() returns int language sql begin atomic select 1; end","-- end"}`,
			`20240102000000 more {"select pg_catalog.set_config('search_path', '', false)","alter table public.notes add t text"}`,
			`20240103000000 empty {}`,
			`20240104000000 next {"insert into notes values (2, 'path is reset')"}`,
		}, "\n"))
	d.expect(t, "select tableowner from pg_tables where tablename = 'notes'", "postgres")
	d.expect(t, "select string_agg(id || coalesce(t, ''), ',' order by id) from notes", "1,2path is reset,3seed")
	d.expect(t, "select path || ' ' || hash from supabase_migrations.seed_files",
		fmt.Sprintf("supabase/seed.sql %x", sha256.Sum256([]byte(files["supabase/seed.sql"]))))

	t.Run("again", func(t *testing.T) {
		const written = `select (select max(xid) from suparust.ddl_log)::text || (select string_agg(xmin || path || hash, ' ') from supabase_migrations.seed_files)
			|| (select string_agg(xmin || version, ' ' order by version) from supabase_migrations.schema_migrations)`
		before := d.value(t, written)
		d.mustApply(t, mustLoad(t, files, nil), false)
		d.mustApply(t, mustLoad(t, files, nil), true)
		d.expect(t, written, before)
		d.expect(t, "select count(*) from notes", "3")
	})
	t.Run("a new file", func(t *testing.T) {
		files["supabase/migrations/20240105000000_new.sql"] = "insert into notes values (5);"
		d.mustApply(t, mustLoad(t, files, nil), false)
		d.expect(t, "select string_agg(id::text, ',' order by id) from notes", "1,2,3,5") // the seed did not run again
	})
	t.Run("out of order", func(t *testing.T) {
		files["supabase/migrations/20240103500000_late.sql"] = "select 1;"
		if err := d.apply(t, mustLoad(t, files, nil), false); err == nil || !strings.Contains(err.Error(), "20240103500000_late.sql would apply before the last applied one") {
			t.Errorf("error = %v", err)
		}
		delete(files, "supabase/migrations/20240103500000_late.sql")
	})
	t.Run("missing", func(t *testing.T) {
		delete(files, "supabase/migrations/20240105000000_new.sql")
		if err := d.apply(t, mustLoad(t, files, nil), false); err == nil || !strings.Contains(err.Error(), "has applied migration 20240105000000, but the project has no such file") {
			t.Errorf("error = %v", err)
		}
	})
}

func TestApplyTransactions(t *testing.T) {
	t.Parallel()
	d := database{open: newDatabase(t)}
	d.mustApply(t, mustLoad(t, map[string]string{
		"supabase/migrations/01_type.sql":    "create type mood as enum ('sad');\ncreate table t (id int, m mood);",
		"supabase/migrations/02_value.sql":   "alter type mood add value 'happy';",
		"supabase/migrations/03_use.sql":     "insert into t values (1, 'happy');",
		"supabase/migrations/04_index.sql":   "insert into t values (2, 'sad');\ncreate index concurrently t_id on t (id);\ninsert into t values (3, 'sad');\nvacuum t;",
		"supabase/migrations/05_block.sql":   "begin;\ninsert into t values (4);\nsavepoint a;\ninsert into t values (5);\nrollback to a;\ncommit;\ninsert into t values (6);",
		"supabase/migrations/06_value.sql":   "begin; alter type mood add value 'calm'; commit; insert into t values (7, 'calm');",
		"supabase/migrations/07_blocks.sql":  "START TRANSACTION;\ncreate table u (id int);\nEND;\nbegin isolation level serializable;\ninsert into u values (1);\ncommit",
		"supabase/migrations/08_setting.sql": "set statement_timeout = '1ms'; set role anon; reset role;",
		"supabase/migrations/09_slow.sql":    "select pg_sleep(0.01);",
	}, nil), true)
	d.expect(t, versions, "01 02 03 04 05 06 07 08 09")
	d.expect(t, "select string_agg(id::text, ',' order by id) from t", "1,2,3,4,6,7")
	d.expect(t, "select indisvalid from pg_index where indexrelid = 't_id'::regclass", "true")
	d.expect(t, "select count(*) from u", "1")
}

// TestApplyFailures compares the whole message; UPDATE_GOLDEN=1 writes it.
func TestApplyFailures(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/failures/*.sql")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d cases: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".sql")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d := database{open: newDatabase(t)}
			err = d.apply(t, mustLoad(t, map[string]string{
				"supabase/migrations/1_base.sql":          "create table base (id int primary key); create type base_mood as enum ('a');",
				"supabase/migrations/2_" + name + ".sql":  string(text),
				"supabase/migrations/3_never_reached.sql": "create table never (id int);",
			}, nil), true)
			golden := strings.TrimSuffix(file, ".sql") + ".golden"
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(golden, []byte(errorText(err)+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, readErr := os.ReadFile(golden)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if diff := cmp.Diff(string(want), errorText(err)+"\n"); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			d.expect(t, versions, "1")
			d.expect(t, "select to_regclass('public.half') is null", "true")
			d.expect(t, "select to_regclass('public.never') is null", "true")
		})
	}
}

func TestSQLErrorFields(t *testing.T) {
	t.Parallel()
	d := database{open: newDatabase(t)}
	err := d.apply(t, mustLoad(t, map[string]string{
		"supabase/migrations/1_a.sql": "create table half (id int);\n\nselect 'é',\n  wrong from half;\nselect 1;",
	}, nil), true)
	var e *SQLError
	if !errors.As(err, &e) {
		t.Fatalf("error = %v, want a *SQLError", err)
	}
	got := []any{e.File, e.Line, e.Column, e.Statement, e.Index, e.Total, e.Applied, e.Code, e.Message}
	want := []any{"supabase/migrations/1_a.sql", 4, 3, "select 'é',\n  wrong from half", 2, 3, 0, "42703", `column "wrong" does not exist`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestApplySeeds(t *testing.T) {
	t.Parallel()
	d := database{open: newDatabase(t)}
	files := map[string]string{
		"supabase/config.toml":        "[db.seed]\nsql_paths = [\"./seeds/*.sql\", \"./dump.sql\"]\n",
		"supabase/migrations/1_a.sql": "create table t (id int primary key, s text);\nselect set_config('search_path', '', false);",
		"supabase/seeds/1.sql":        "insert into t values (1, 'one');\nselect id from t;",
		"supabase/seeds/2.sql":        "begin; insert into t values (2, 'two'); commit;",
		"supabase/dump.sql":           "\\restrict x\nSET standard_conforming_strings = on;\nCOPY public.t (id, s) FROM stdin;\n3\tthree;\n4\t\\N\n\\.\n\nCOPY public.t (id, s) FROM stdin WITH (FORMAT csv);\n5,\"it's\"\n\\.\ninsert into public.t values (6, 'six');\n\\unrestrict x\n",
	}
	d.mustApply(t, mustLoad(t, files, nil), true)
	rows := "select string_agg(id || ':' || coalesce(s, '-'), ' ' order by id) from t"
	d.expect(t, rows, "1:one 2:two 3:three; 4:- 5:it's 6:six")
	d.expect(t, "select string_agg(path, ' ' order by path) from supabase_migrations.seed_files", "supabase/dump.sql supabase/seeds/1.sql supabase/seeds/2.sql")
	hash := d.value(t, "select hash from supabase_migrations.seed_files where path = 'supabase/seeds/1.sql'")

	files["supabase/seeds/1.sql"] = "insert into t values (10, 'ten');"
	files["supabase/seeds/3.sql"] = "insert into t values (11, 'eleven');"
	d.mustApply(t, mustLoad(t, files, nil), false)
	d.expect(t, rows, "1:one 2:two 3:three; 4:- 5:it's 6:six") // not fresh: no seeds
	d.mustApply(t, mustLoad(t, files, nil), true)
	d.expect(t, rows, "1:one 2:two 3:three; 4:- 5:it's 6:six 11:eleven") // the changed one is only recorded
	if now := d.value(t, "select hash from supabase_migrations.seed_files where path = 'supabase/seeds/1.sql'"); now == hash || len(now) != 64 {
		t.Errorf("hash = %s, was %s; want the new sha256", now, hash)
	}
}

func TestFailingSeedLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, seed := range map[string]string{
		"a statement":  "insert into t values (1);\ninsert into t values (1);",
		"a copied row": "insert into t values (1);\ncopy t from stdin;\n2\nx\n\\.\n",
		"after a copy": "copy t from stdin;\n2\n\\.\ninsert into nowhere values (1);",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := database{open: newDatabase(t)}
			err := d.apply(t, mustLoad(t, map[string]string{
				"supabase/migrations/1_a.sql": "create table t (id int primary key);",
				"supabase/seed.sql":           seed,
			}, nil), true)
			var e *SQLError
			if !errors.As(err, &e) || e.File != "supabase/seed.sql" {
				t.Fatalf("error = %v", err)
			}
			if name == "a copied row" && e.Line != 4 {
				t.Errorf("line = %d, want 4, the row's\n%v", e.Line, err)
			}
			d.expect(t, "select count(*) from t", "0")
			d.expect(t, "select count(*) from supabase_migrations.seed_files", "0")
		})
	}
}

func TestApplyRolesVaultPrivilegesAndBuckets(t *testing.T) {
	t.Parallel()
	d := database{open: newDatabase(t)}
	files := map[string]string{
		"supabase/config.toml": "[api]\nauto_expose_new_tables = false\n[db.vault]\nkey = \"v\"\n" +
			"[storage.buckets.avatars]\npublic = true\nfile_size_limit = \"1KB\"\nallowed_mime_types = [\"image/png\"]\n[storage.buckets.\"Other One\"]\n",
		"supabase/roles.sql":          "create role project_worker nologin;",
		"supabase/migrations/1_a.sql": "create table t (id int);\ngrant select on t to project_worker;",
	}
	d.mustApply(t, mustLoad(t, files, nil), true)
	d.expect(t, "select has_table_privilege('project_worker', 't', 'select') and not has_table_privilege('anon', 't', 'select')", "true")
	d.expect(t, "select count(*) from supabase_migrations.schema_migrations", "1") // roles.sql leaves no row
	buckets := "select string_agg(format('%s %s %s %s', id, public, file_size_limit, allowed_mime_types), ', ' order by id collate \"C\") from storage.buckets"
	d.expect(t, buckets, "Other One f 52428800 , avatars t 1024 {image/png}")
	if !strings.Contains(d.log.String(), "supabase_vault") {
		t.Errorf("log = %s\nwant that the vault is skipped", d.log.String())
	}
	files["supabase/config.toml"] = "[storage.buckets.avatars]\nfile_size_limit = \"2KB\"\n"
	d.mustApply(t, mustLoad(t, files, nil), false)
	d.expect(t, buckets, "Other One f 52428800 , avatars t 2048 ")
}

func TestTwoProcessesApplyAtOnce(t *testing.T) {
	t.Parallel()
	d := database{open: newDatabase(t)}
	p := mustLoad(t, map[string]string{
		"supabase/migrations/1_a.sql": "create table t (id int);",
		"supabase/migrations/2_b.sql": "create index concurrently i on t (id);",
		"supabase/migrations/3_c.sql": "insert into t values (1);",
	}, nil)
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() { errs[i] = p.Apply(t.Context(), d.open, Options{}) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	d.expect(t, "select count(*) from t", "1")
	d.expect(t, versions, "1 2 3")
}

func TestApplyIsCancelled(t *testing.T) {
	t.Parallel()
	d := database{open: newDatabase(t)}
	p := mustLoad(t, map[string]string{"supabase/migrations/1_a.sql": "create table half (id int);\nselect pg_sleep(600);"}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Apply(ctx, d.open, Options{}) }()
	deadline := time.Now().Add(30 * time.Second)
	for d.value(t, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == "0" {
		if time.Now().After(deadline) {
			t.Fatal("the migration never ran")
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "supabase/migrations/1_a.sql") {
		t.Errorf("error = %v", err)
	}
	d.expect(t, "select to_regclass('public.half') is null", "true")
}

func TestApplyCannotConnect(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, map[string]string{"supabase/migrations/1_a.sql": ""}, nil)
	refused := errors.New("refused")
	err := p.Apply(t.Context(), func(context.Context, string, string) (*pgx.Conn, error) { return nil, refused }, Options{})
	if !errors.Is(err, refused) {
		t.Errorf("error = %v", err)
	}
}
