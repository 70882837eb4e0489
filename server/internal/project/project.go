// Package project reads a Supabase project: the folder supabase/ with config.toml, migrations, seeds and roles.sql, and
// applies it to a database.
package project

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Project is a supabase/ folder as it was when it was loaded: later changes of the files are not seen.
type Project struct {
	Root       string      // the folder that contains supabase/; "" for [FromFS]
	Config     *Config     // never nil
	Warnings   []string    // what was ignored or skipped, one sentence each
	Roles      *File       // supabase/roles.sql, nil when there is none
	Migrations []Migration // in the order they apply
	Seeds      []File      // in the order they run

	env Environ
}

// File is a SQL file of a project.
type File struct {
	Path string // with slashes, from the project's root
	text string
}

// Migration is a file of supabase/migrations.
type Migration struct {
	File
	Version string // the digits before the first underscore
	Name    string // what follows, without .sql
}

var (
	migrationName    = regexp.MustCompile(`^([0-9]+)_(.*)\.sql$`)
	legacyInit       = regexp.MustCompile(`([0-9]{14})_init\.sql`)
	invalidProjectID = regexp.MustCompile(`[^a-zA-Z0-9_.-]+`)
)

// Load reads the project whose supabase/ folder stands in root. Files are read inside root only: a link that leads out
// of it is refused. env is the process's environment; the project's .env files are added to it.
func Load(root string, env Environ) (*Project, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("cannot tell the project's folder: %w", err)
	}
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("cannot open the project's folder: %w", err)
	}
	defer dir.Close()
	if info, err := dir.Stat("supabase"); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s has no supabase folder; name the folder that contains supabase/", root)
	}
	p := &Project{Root: root}
	if p.env, err = withEnvFiles(root, env); err != nil {
		return nil, err
	}
	fsys := dir.FS()
	if err := p.readConfig(fsys); err != nil {
		return nil, err
	}
	return p, p.readSQL(fsys, "supabase", p.Config.DB.Seed.SQLPaths)
}

// Reread is the project with the roles, migrations and seeds that its folder has now, under the configuration and the
// environment it was read with. One that was made of a file system is as it is.
func (p *Project) Reread() (*Project, error) {
	if p.Root == "" {
		return p, nil
	}
	dir, err := os.OpenRoot(p.Root)
	if err != nil {
		return nil, fmt.Errorf("cannot open the project's folder: %w", err)
	}
	defer dir.Close()
	now := &Project{Root: p.Root, Config: p.Config, env: p.env}
	return now, now.readSQL(dir.FS(), "supabase", p.Config.DB.Seed.SQLPaths)
}

// FromFS makes a project of a bare set of migrations: files NNN_name.sql at the root of fsys, under migrations/ or under
// supabase/migrations/, with an optional seed.sql and roles.sql beside.
func FromFS(fsys fs.FS) (*Project, error) {
	p := &Project{Config: DefaultConfig()}
	p.Config.ProjectID = "suparust"
	for _, base := range []string{".", "supabase"} {
		if info, err := fs.Stat(fsys, path.Join(base, "migrations")); err == nil && info.IsDir() {
			return p, p.readSQL(fsys, base, p.existingSeed(fsys, base))
		}
	}
	if err := p.readMigrations(fsys, "."); err != nil {
		return nil, err
	}
	if len(p.Migrations) == 0 {
		return nil, errors.New("no migrations found: put files named like 0001_create_notes.sql at the root of the file system or under migrations/")
	}
	return p, p.readRest(fsys, ".", p.existingSeed(fsys, "."))
}

// Lookup returns a variable of the environment with the project's .env files.
func (p *Project) Lookup(name string) (string, bool) { return p.env.lookup(name) }

// ReadFile reads a file that config.toml names. Old configurations write such paths relative to supabase/, new ones
// relative to the project's root: both are tried. The path cannot leave the project.
func (p *Project) ReadFile(name string) ([]byte, error) {
	if p.Root == "" {
		return nil, fmt.Errorf("cannot read %s: the project has no folder", name)
	}
	dir, err := os.OpenRoot(p.Root)
	if err != nil {
		return nil, fmt.Errorf("cannot open the project's folder: %w", err)
	}
	defer dir.Close()
	data, err := dir.ReadFile(inSupabase(name))
	if errors.Is(err, fs.ErrNotExist) {
		data, err = dir.ReadFile(path.Clean(filepath.ToSlash(name)))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w; paths in config.toml are relative to supabase/ or to the project's folder and stay inside it",
			name, withoutPath(err))
	}
	return data, nil
}

// inSupabase turns a path relative to supabase/ into one relative to the project's root.
func inSupabase(name string) string { return path.Join("supabase", filepath.ToSlash(name)) }

func (p *Project) warnf(format string, args ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...))
}

func (p *Project) readConfig(fsys fs.FS) error {
	const file = "supabase/config.toml"
	data, err := fs.ReadFile(fsys, file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unreadable(file, err)
	}
	shown := filepath.Join(p.Root, filepath.FromSlash(file))
	config, warnings, err := decodeConfig(shown, string(bytes.TrimPrefix(data, []byte(byteOrderMark))), p.env)
	if err != nil {
		return err
	}
	p.Config, p.Warnings = config, append(p.Warnings, warnings...)
	if config.ProjectID == "" {
		config.ProjectID = filepath.Base(p.Root)
	}
	config.ProjectID = strings.TrimLeft(invalidProjectID.ReplaceAllString(config.ProjectID, "_"), "_.-")
	for id, b := range config.Storage.Buckets {
		if b.FileSizeLimit == 0 {
			b.FileSizeLimit = config.Storage.FileSizeLimit
			config.Storage.Buckets[id] = b
		}
	}
	return nil
}

// readSQL reads the migrations, roles.sql and seeds of the folder base.
func (p *Project) readSQL(fsys fs.FS, base string, seeds []string) error {
	if p.Config.DB.Migrations.Enabled {
		if err := p.readMigrations(fsys, path.Join(base, "migrations")); err != nil {
			return err
		}
	}
	return p.readRest(fsys, base, seeds)
}

func (p *Project) readRest(fsys fs.FS, base string, seeds []string) error {
	roles, err := readSQLFile(fsys, path.Join(base, "roles.sql"))
	switch {
	case err == nil:
		p.Roles = roles
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if !p.Config.DB.Seed.Enabled {
		return nil
	}
	return p.readSeeds(fsys, base, seeds)
}

// existingSeed is the seed of a bare set of migrations, which may be absent without a warning.
func (p *Project) existingSeed(fsys fs.FS, base string) []string {
	if _, err := fs.Stat(fsys, path.Join(base, "seed.sql")); err != nil {
		return nil
	}
	return []string{"seed.sql"}
}

func (p *Project) readMigrations(fsys fs.FS, dir string) error {
	entries, err := fs.ReadDir(fsys, dir) // sorted bytewise by name
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return unreadable(dir, err)
	}
	versions := map[string]string{}
	for i, entry := range entries {
		name := entry.Name()
		file := path.Join(dir, name)
		if entry.IsDir() {
			continue
		}
		if i == 0 && isLegacyInit(name) {
			p.warnf("skipped %s: a first migration of this name is the schema dump of an old CLI; rename it to apply it", file)
			continue
		}
		m := migrationName.FindStringSubmatch(name)
		if m == nil {
			if dir != "." || strings.HasSuffix(name, ".sql") && name != "seed.sql" && name != "roles.sql" {
				p.warnf("skipped %s: a migration is named <digits>_<name>.sql", file)
			}
			continue
		}
		if other, ok := versions[m[1]]; ok {
			return fmt.Errorf("%s and %s have the same version %s; give one of them another number", other, file, m[1])
		}
		versions[m[1]] = file
		f, err := readSQLFile(fsys, file)
		if err != nil {
			return err
		}
		p.Migrations = append(p.Migrations, Migration{File: *f, Version: m[1], Name: m[2]})
	}
	return nil
}

// isLegacyInit reports whether a first migration is the dump that CLIs before December 2021 wrote.
func isLegacyInit(name string) bool {
	m := legacyInit.FindStringSubmatch(name)
	if m == nil {
		return false
	}
	version, err := strconv.ParseUint(m[1], 10, 64)
	return err == nil && version < 20211209000000
}

// readSeeds reads the files of the glob patterns: patterns in their order, matches of one pattern sorted, no file twice.
func (p *Project) readSeeds(fsys fs.FS, base string, patterns []string) error {
	seen := map[string]bool{}
	for _, pattern := range patterns {
		glob := path.Join(base, filepath.ToSlash(pattern))
		if path.IsAbs(filepath.ToSlash(pattern)) || !fs.ValidPath(glob) {
			p.warnf("skipped the seed pattern %q: it leads out of the project's folder", pattern)
			continue
		}
		matches, err := fs.Glob(fsys, glob) // sorted
		if err != nil {
			p.warnf("skipped the seed pattern %q: it is not a valid glob", pattern)
			continue
		}
		found := false
		for _, file := range matches {
			if info, err := fs.Stat(fsys, file); err == nil && info.IsDir() {
				continue
			}
			found = true
			if seen[file] {
				continue
			}
			seen[file] = true
			f, err := readSQLFile(fsys, file)
			if err != nil {
				return err
			}
			p.Seeds = append(p.Seeds, *f)
		}
		if !found {
			p.warnf("no seed file matches %s (db.seed.sql_paths in config.toml)", glob)
		}
	}
	return nil
}

func readSQLFile(fsys fs.FS, name string) (*File, error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return nil, fmt.Errorf("%s is UTF-16; save it as UTF-8", name)
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return nil, fmt.Errorf("%s:%d: the file has a zero byte; save it as UTF-8 text", name, 1+bytes.Count(data[:i], []byte("\n")))
	}
	if !utf8.Valid(data) {
		line := 1
		for rest := data; len(rest) > 0; {
			r, n := utf8.DecodeRune(rest)
			if r == utf8.RuneError && n == 1 {
				break
			}
			if r == '\n' {
				line++
			}
			rest = rest[n:]
		}
		return nil, fmt.Errorf("%s:%d: the file is not UTF-8; save it as UTF-8", name, line)
	}
	return &File{Path: name, text: string(data)}, nil
}

func unreadable(name string, err error) error {
	if strings.Contains(err.Error(), "escapes") {
		return fmt.Errorf("cannot read %s: it is a link that leads out of the project's folder; put the file itself there", name)
	}
	return fmt.Errorf("cannot read %s: %w", name, withoutPath(err))
}
