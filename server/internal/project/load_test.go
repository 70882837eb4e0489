package project

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// writeTree makes the files below a new folder and returns it.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(file, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func load(t *testing.T, files map[string]string, env Environ) (*Project, error) {
	t.Helper()
	return Load(writeTree(t, files), env)
}

func mustLoad(t *testing.T, files map[string]string, env Environ) *Project {
	t.Helper()
	p, err := load(t, files, env)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFind(t *testing.T) {
	t.Parallel()
	root := writeTree(t, map[string]string{
		".git/":                                  "",
		"apps/web/supabase/config.toml":          "",
		"apps/web/src/components/x.ts":           "",
		"apps/bare/supabase/migrations/1_a.sql":  "",
		"apps/other/supabase/functions/x.ts":     "", // neither config.toml nor migrations
		"apps/other/nested/.git":                 "gitdir: elsewhere",
		"apps/other/nested/deep/README.md":       "",
		"tools/README.md":                        "",
		"apps/web/supabase/functions/a/index.ts": "",
	})
	tests := []struct{ dir, want string }{
		{"apps/web", "apps/web"},
		{"apps/web/src/components", "apps/web"},
		{"apps/web/supabase", "apps/web"},
		{"apps/web/supabase/functions/a", "apps/web"},
		{"apps/bare", "apps/bare"},
		{"apps/other", ""},
		{"apps/other/nested/deep", ""},
		{"tools", ""},
		{"", ""},
	}
	for _, tt := range tests {
		got, ok, err := Find(filepath.Join(root, tt.dir))
		if err != nil {
			t.Errorf("Find(%s): %v", tt.dir, err)
		}
		want := ""
		if tt.want != "" {
			want = filepath.Join(root, tt.want)
		}
		if got != want || ok != (want != "") {
			t.Errorf("Find(%s) = %q, %v; want %q", tt.dir, got, ok, want)
		}
	}

	t.Run("stops at the repository", func(t *testing.T) {
		outer := writeTree(t, map[string]string{"supabase/config.toml": "", "repo/.git/": "", "repo/src/": ""})
		if got, ok, err := Find(filepath.Join(outer, "repo", "src")); ok || err != nil {
			t.Errorf("Find = %q, %v, %v; want nothing above the repository", got, ok, err)
		}
	})
}

func TestEnvFiles(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		".git/":                               "",
		".env":                                "A=repo\nB=repo\nC=repo\nREPO=repo\n",
		"app/.env":                            "A=app\nB=app\nAPP=\"app # quoted\"\n",
		"app/.env.local":                      "LOCAL=app-local\n",
		"app/supabase/.env":                   "# comment\nexport A=supabase\nD=plain\n",
		"app/supabase/.env.development":       "D=development\nE=development\n",
		"app/supabase/.env.local":             "D=local\nE=local\nF=local\n",
		"app/supabase/.env.development.local": "D=development-local\n",
		"app/supabase/.env.test":              "D=test\nF=test\n",
		"app/supabase/config.toml":            "project_id = \"env(A)\"\n",
		"app/supabase/functions/.env":         "NEVER=1\n",
		"app/supabase/migrations/20240101000000_a.sql": "select 1;",
	}
	root := filepath.Join(writeTree(t, files), "app")
	tests := []struct {
		name string
		env  Environ
		want map[string]string
	}{
		{"development", environ("SET", "set", "B", "process"), map[string]string{
			"A": "supabase", "B": "process", "C": "repo", "D": "development-local", "E": "local", "F": "local",
			"LOCAL": "app-local", "APP": "app # quoted", "REPO": "repo", "SET": "set", "NEVER": ""}},
		{"test", environ("SUPABASE_ENV", "test"), map[string]string{
			"A": "supabase", "B": "app", "D": "test", "E": "", "F": "test", "LOCAL": ""}},
		{"empty value of the process wins", environ("A", ""), map[string]string{"A": ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := Load(root, tt.env)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for name := range tt.want {
				got[name], _ = p.Lookup(name)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
		})
	}
	if p, err := Load(root, nil); err != nil || p.Config.ProjectID != "supabase" {
		t.Errorf("project_id = %v, %v; want the value of A", p, err)
	}
}

func TestEnvFileFaults(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"open quote": "A=\"hunter2\nB=1\n", "no name": "hunter2 hunter2\n= hunter2\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := load(t, map[string]string{"supabase/.env": text}, nil)
			if err == nil || !strings.Contains(err.Error(), filepath.Join("supabase", ".env")) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error = %v; want the file named and its contents not shown", err)
			}
		})
	}
	if _, err := load(t, map[string]string{"supabase/.env": ""}, environ("SUPABASE_ENV", "../x")); err == nil {
		t.Error("SUPABASE_ENV=../x was taken for a file name")
	}
}

func paths(p *Project) (migrations, seeds []string) {
	for _, m := range p.Migrations {
		migrations = append(migrations, m.Path)
	}
	for _, s := range p.Seeds {
		seeds = append(seeds, s.Path)
	}
	return migrations, seeds
}

func TestLoadListsFiles(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, map[string]string{
		"supabase/config.toml":                          "[db.seed]\nsql_paths = [\"./seeds/b*.sql\", \"seeds/*.sql\", \"../data/*.sql\", \"./none/*.sql\", \"../../out.sql\", \"/etc/x.sql\", \"[\"]\n",
		"supabase/roles.sql":                            "create role r;",
		"supabase/migrations/20200101000000_init.sql":   "select 'legacy';",
		"supabase/migrations/20240102000000_second.sql": "select 2;",
		"supabase/migrations/20240101000000_first.sql":  "select 1;",
		"supabase/migrations/20240103000000_.sql":       "select 3;",
		"supabase/migrations/README.md":                 "no",
		"supabase/migrations/draft.sql":                 "no",
		"supabase/migrations/20240104000000_dir.sql/":   "",
		"supabase/seeds/a.sql":                          "select 'a';",
		"supabase/seeds/b2.sql":                         "select 'b2';",
		"supabase/seeds/b10.sql":                        "select 'b10';",
		"supabase/seeds/c.sql/":                         "",
		"data/d.sql":                                    "select 'd';",
	}, nil)
	migrations, seeds := paths(p)
	if diff := cmp.Diff([]string{
		"supabase/migrations/20240101000000_first.sql",
		"supabase/migrations/20240102000000_second.sql",
		"supabase/migrations/20240103000000_.sql",
	}, migrations); diff != "" {
		t.Errorf("migrations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"supabase/seeds/b10.sql", "supabase/seeds/b2.sql", "supabase/seeds/a.sql", "data/d.sql"}, seeds); diff != "" {
		t.Errorf("seeds (-want +got):\n%s", diff)
	}
	if p.Roles == nil || p.Roles.Path != "supabase/roles.sql" {
		t.Errorf("roles = %v", p.Roles)
	}
	if diff := cmp.Diff([]string{
		"skipped supabase/migrations/20200101000000_init.sql: a first migration of this name is the schema dump of an old CLI; rename it to apply it",
		"skipped supabase/migrations/README.md: a migration is named <digits>_<name>.sql",
		"skipped supabase/migrations/draft.sql: a migration is named <digits>_<name>.sql",
		"no seed file matches supabase/none/*.sql (db.seed.sql_paths in config.toml)",
		`skipped the seed pattern "../../out.sql": it leads out of the project's folder`,
		`skipped the seed pattern "/etc/x.sql": it leads out of the project's folder`,
		`skipped the seed pattern "[": it is not a valid glob`,
	}, p.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestLoadRespectsSwitches(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, map[string]string{
		"supabase/config.toml":          "[db.migrations]\nenabled = false\n[db.seed]\nenabled = false\n",
		"supabase/migrations/1_a.sql":   "select 1;",
		"supabase/seed.sql":             "select 1;",
		"supabase/migrations/broken.md": "",
	}, nil)
	if migrations, seeds := paths(p); len(migrations)+len(seeds)+len(p.Warnings) > 0 {
		t.Errorf("migrations %v, seeds %v, warnings %v; want none", migrations, seeds, p.Warnings)
	}
}

func TestLoadFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"no supabase folder", map[string]string{"x": ""}, "has no supabase folder"},
		{"bad config", map[string]string{"supabase/config.toml": "x"}, filepath.Join("supabase", "config.toml") + ":1: "},
		{"same version", map[string]string{"supabase/migrations/1_a.sql": "", "supabase/migrations/1_b.sql": ""},
			"supabase/migrations/1_a.sql and supabase/migrations/1_b.sql have the same version 1; give one of them another number"},
		{"utf-16", map[string]string{"supabase/migrations/1_a.sql": "\xff\xfes\x00"}, "supabase/migrations/1_a.sql is UTF-16; save it as UTF-8"},
		{"latin-1", map[string]string{"supabase/migrations/1_a.sql": "select 1;\n-- caf\xe9\n"}, "supabase/migrations/1_a.sql:2: the file is not UTF-8; save it as UTF-8"},
		{"zero byte", map[string]string{"supabase/seed.sql": "\n\nselect '\x00'"}, "supabase/seed.sql:3: the file has a zero byte; save it as UTF-8 text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := load(t, tt.files, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q in it", err, tt.want)
			}
		})
	}
	t.Run("a link that leads out", func(t *testing.T) {
		t.Parallel()
		outside := writeTree(t, map[string]string{"secret.sql": "select 'secret';"})
		root := writeTree(t, map[string]string{"supabase/migrations/": "", "real.sql": "select 1;"})
		link := func(to, name string) {
			if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
				t.Fatal(err)
			}
		}
		link("../../real.sql", "supabase/migrations/1_inside.sql")
		if p, err := Load(root, nil); err != nil || len(p.Migrations) != 1 {
			t.Errorf("a link inside the project: %v, %v", p, err)
		}
		link(filepath.Join(outside, "secret.sql"), "supabase/migrations/2_outside.sql")
		_, err := Load(root, nil)
		if want := "cannot read supabase/migrations/2_outside.sql: it is a link that leads out of the project's folder"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want %q", err, want)
		}
	})
}

func TestReadFileTriesBothFolders(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, map[string]string{
		"supabase/templates/old.html": "old", "supabase/templates/new.html": "new", "outside.html": "root",
	}, nil)
	for name, want := range map[string]string{"./templates/old.html": "old", "./supabase/templates/new.html": "new", "outside.html": "root", "../outside.html": "root"} {
		if got, err := p.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("ReadFile(%s) = %q, %v; want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"../../etc/passwd", "/etc/passwd", "missing.html"} {
		if got, err := p.ReadFile(name); err == nil {
			t.Errorf("ReadFile(%s) = %q, want an error", name, got)
		}
	}
}

func TestFromFS(t *testing.T) {
	t.Parallel()
	sql := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for name, fsys := range map[string]fstest.MapFS{
		"root":                {"001_a.sql": sql("select 1;"), "002_b.sql": sql("select 2;"), "seed.sql": sql("select 3;"), "embed.go": sql("")},
		"migrations":          {"migrations/001_a.sql": sql("select 1;"), "migrations/002_b.sql": sql("select 2;"), "seed.sql": sql("select 3;")},
		"supabase/migrations": {"supabase/migrations/001_a.sql": sql("select 1;"), "supabase/migrations/002_b.sql": sql("select 2;"), "supabase/seed.sql": sql("select 3;")},
	} {
		p, err := FromFS(fsys)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(p.Migrations) != 2 || p.Migrations[1].Version != "002" || p.Migrations[1].Name != "b" || len(p.Seeds) != 1 || len(p.Warnings) != 0 {
			t.Errorf("%s: %d migrations %v, %d seeds, warnings %v", name, len(p.Migrations), p.Migrations, len(p.Seeds), p.Warnings)
		}
	}
	if p, err := FromFS(fstest.MapFS{"001_a.sql": sql("select 1;")}); err != nil || len(p.Seeds)+len(p.Warnings) != 0 {
		t.Errorf("without a seed: %v, %v", p, err)
	}
	if _, err := FromFS(fstest.MapFS{"readme": sql("")}); err == nil || !strings.Contains(err.Error(), "0001_create_notes.sql") {
		t.Errorf("error = %v, want an example of a file name", err)
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	base := map[string]string{
		"supabase/config.toml":        "[api]\nport = 1\n",
		"supabase/migrations/1_a.sql": "select 1;",
		"supabase/seed.sql":           "select 1;",
	}
	hash := func(change func(map[string]string)) string {
		files := map[string]string{}
		for k, v := range base {
			files[k] = v
		}
		if change != nil {
			change(files)
		}
		h, err := mustLoad(t, files, nil).Hash()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	want := hash(nil)
	for name, change := range map[string]func(map[string]string){
		"same":              nil,
		"port":              func(f map[string]string) { f["supabase/config.toml"] = "[api]\nport = 2\n" },
		"file not applied":  func(f map[string]string) { f["supabase/functions/a/index.ts"] = "x" },
		"schema not used":   func(f map[string]string) { f["supabase/schemas/a.sql"] = "x" },
		"skipped migration": func(f map[string]string) { f["supabase/migrations/notes.txt"] = "x" },
	} {
		if got := hash(change); got != want {
			t.Errorf("%s: the hash changed", name)
		}
	}
	seen := map[string]string{want: "base"}
	for name, change := range map[string]func(map[string]string){
		"migration's text": func(f map[string]string) { f["supabase/migrations/1_a.sql"] = "select 2;" },
		"migration's name": func(f map[string]string) {
			delete(f, "supabase/migrations/1_a.sql")
			f["supabase/migrations/1_b.sql"] = "select 1;"
		},
		"another migration": func(f map[string]string) { f["supabase/migrations/2_a.sql"] = "" },
		"seed's text":       func(f map[string]string) { f["supabase/seed.sql"] = "select 3;" },
		"no seed":           func(f map[string]string) { delete(f, "supabase/seed.sql") },
		"roles":             func(f map[string]string) { f["supabase/roles.sql"] = "select 1;" },
		"vault":             func(f map[string]string) { f["supabase/config.toml"] = "[db.vault]\na = \"b\"\n" },
		"bucket":            func(f map[string]string) { f["supabase/config.toml"] = "[storage.buckets.a]\npublic = true\n" },
		"expose":            func(f map[string]string) { f["supabase/config.toml"] = "[api]\nauto_expose_new_tables = false\n" },
		"seeds off":         func(f map[string]string) { f["supabase/config.toml"] = "[db.seed]\nenabled = false\n" },
	} {
		got := hash(change)
		if other, ok := seen[got]; ok {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[got] = name
	}
}

func TestPendingMigrations(t *testing.T) {
	t.Parallel()
	local := func(names ...string) (list []Migration) {
		for _, n := range names {
			version, _, _ := strings.Cut(n, "_")
			list = append(list, Migration{File: File{Path: n + ".sql"}, Version: version})
		}
		return list
	}
	tests := []struct {
		name    string
		local   []Migration
		applied []string
		want    string
		err     string
	}{
		{"fresh", local("1_a", "2_b"), nil, "1_a.sql 2_b.sql", ""},
		{"some", local("1_a", "2_b", "3_c"), []string{"1", "2"}, "3_c.sql", ""},
		{"all", local("1_a", "2_b"), []string{"1", "2"}, "", ""},
		{"versions are compared by file order, not as text", local("10_a", "9_b"), []string{"10"}, "9_b.sql", ""},
		{"late", local("1_a", "2_b", "3_c"), []string{"1", "3"}, "", "new migration 2_b.sql would apply before the last applied one, 3_c.sql; rename it to a later version, or reset the database with `suparust db reset`, or apply it now with `suparust db push --include-all`"},
		{"missing", local("1_a"), []string{"1", "7", "8"}, "", "the database has applied migrations 7, 8, but the project has no such file; restore the files, or reset the database, or remove the rows: delete from supabase_migrations.schema_migrations where version in ('7', '8')"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pending, err := pendingMigrations(tt.local, tt.applied, false)
			var got []string
			for _, m := range pending {
				got = append(got, m.Path)
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("pending = %q, want %q", s, tt.want)
			}
			if msg := errorText(err); msg != tt.err {
				t.Errorf("error = %q\nwant    %q", msg, tt.err)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
