package project

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// OpenFunc connects to a database as a user.
type OpenFunc func(ctx context.Context, user, database string) (*pgx.Conn, error)

// Options say how Apply works.
type Options struct {
	// Fresh means that the database was just created or reset: vault secrets, roles.sql and seeds are applied too.
	Fresh  bool
	Logger *slog.Logger // nil = discard
	// Applying hears of each migration before it is applied, and how many they are; nil logs them.
	Applying func(file string, of int)
}

// advisoryLock keeps two processes from applying to the same database at once.
const advisoryLock = 0x5375_7061_5275_7374

// Apply brings the database to the project: vault secrets and roles.sql (fresh databases only), the migrations that the
// history does not have, seeds (fresh only), buckets. A file that fails is rolled back and reported as a [SQLError];
// the files before it stay. Applying again with nothing new changes nothing.
func (p *Project) Apply(ctx context.Context, open OpenFunc, o Options) (err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	conn, err := open(ctx, "postgres", "postgres")
	if err != nil {
		return fmt.Errorf("connect to apply the project: %w", err)
	}
	defer func() {
		if closeErr := conn.Close(context.WithoutCancel(ctx)); err == nil && closeErr != nil {
			err = fmt.Errorf("close the connection: %w", closeErr)
		}
	}()
	a := applier{project: p, conn: conn, log: o.Logger, applying: o.Applying}
	if err := a.lock(ctx); err != nil {
		return err
	}
	if o.Fresh {
		if err := a.before(ctx); err != nil {
			return err
		}
	}
	if err := a.migrate(ctx); err != nil {
		return err
	}
	if o.Fresh {
		if err := a.seed(ctx); err != nil {
			return err
		}
	}
	return a.buckets(ctx)
}

type applier struct {
	project *Project
	conn    *pgx.Conn
	log     *slog.Logger
	all     bool // migrations that come before the last applied one apply, too

	applying func(file string, of int)
}

// lock waits for other appliers. It polls: a session that waits inside PostgreSQL would hold up CREATE INDEX
// CONCURRENTLY of the one it waits for.
func (a *applier) lock(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for first := true; ; first = false {
		var locked bool
		if err := a.queryRow(ctx, "select pg_try_advisory_lock($1)", int64(advisoryLock)).Scan(&locked); err != nil {
			return fmt.Errorf("lock the database for applying the project: %w", err)
		}
		if locked {
			return nil
		}
		if first {
			a.log.Info("another process applies the project; waiting for it")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("another process still applies its project to this database: %w", ctx.Err())
		}
	}
}

// before applies what belongs in front of the migrations of a fresh database.
func (a *applier) before(ctx context.Context) error {
	if !a.project.exposesNewTables() {
		const revoke = `
			alter default privileges for role postgres in schema public revoke all on tables from anon, authenticated, service_role;
			alter default privileges for role postgres in schema public revoke all on sequences from anon, authenticated, service_role;
			alter default privileges for role postgres in schema public revoke all on functions from anon, authenticated, service_role`
		if _, err := a.conn.Exec(ctx, revoke); err != nil {
			return fmt.Errorf("apply api.auto_expose_new_tables = false: %w", err)
		}
	}
	if err := a.vault(ctx); err != nil {
		return err
	}
	if a.project.Roles == nil {
		return nil
	}
	a.log.Info("applying roles", "file", a.project.Roles.Path)
	return a.run(ctx, a.project.Roles, nil)
}

// vault stores the secrets of [db.vault].
func (a *applier) vault(ctx context.Context) error {
	secrets := a.project.Config.DB.Vault
	if len(secrets) == 0 {
		return nil
	}
	var there bool
	if err := a.queryRow(ctx, "select to_regproc('vault.create_secret') is not null").Scan(&there); err != nil {
		return fmt.Errorf("look for the vault: %w", err)
	}
	if !there {
		a.log.Warn("[db.vault] is skipped: this PostgreSQL has no supabase_vault extension")
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if m := envReference.FindStringSubmatch(string(secrets[name])); m != nil {
			a.log.Warn("a vault secret is skipped: its environment variable is not set", "secret", name, "variable", m[1])
			continue
		}
		const create = `select vault.create_secret($1, $2) where not exists (select from vault.secrets where name = $2)`
		if _, err := a.exec(ctx, create, string(secrets[name]), name); err != nil {
			return fmt.Errorf("store db.vault.%s: %w", name, err)
		}
	}
	return nil
}

// migrate applies the migrations that the history does not have.
func (a *applier) migrate(ctx context.Context) error {
	if len(a.project.Migrations) == 0 {
		return nil // also when db.migrations.enabled is false: nothing to compare with
	}
	pending, err := a.pending(ctx)
	if err != nil || len(pending) == 0 {
		return err
	}
	const history = `
		create schema if not exists supabase_migrations;
		create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
		alter table supabase_migrations.schema_migrations add column if not exists statements text[];
		alter table supabase_migrations.schema_migrations add column if not exists name text`
	if _, err := a.conn.Exec(ctx, history); err != nil {
		return fmt.Errorf("create the migration history: %w", err)
	}
	for _, m := range pending {
		if a.applying != nil {
			a.applying(m.Path, len(pending))
		} else {
			a.log.Info("applying migration", "file", m.Path)
		}
		record, err := a.record(m)
		if err != nil {
			return err
		}
		if err := a.run(ctx, &m.File, record); err != nil {
			return err
		}
	}
	return nil
}

// pending are the migrations that the history does not have.
func (a *applier) pending(ctx context.Context) ([]Migration, error) {
	applied, err := a.applied(ctx)
	if err != nil {
		return nil, err
	}
	return pendingMigrations(a.project.Migrations, applied, a.all)
}

// record makes the history row of a migration, with its statements as they were sent.
func (a *applier) record(m Migration) (*query, error) {
	statements := []string{}
	for _, p := range Split(m.text) {
		if p.Kind != Statement && p.Kind != Blank {
			continue
		}
		if text, _ := p.sent(); text != "" {
			statements = append(statements, text)
		}
	}
	array, err := a.conn.TypeMap().Encode(pgtype.TextArrayOID, pgtype.TextFormatCode, statements, nil)
	if err != nil {
		return nil, fmt.Errorf("encode the statements of %s: %w", m.Path, err)
	}
	return &query{
		sql:    "insert into supabase_migrations.schema_migrations (version, name, statements) values ($1, $2, $3)",
		params: [][]byte{[]byte(m.Version), []byte(m.Name), array},
		oids:   []uint32{pgtype.TextOID, pgtype.TextOID, pgtype.TextArrayOID},
	}, nil
}

// applied reads the versions in the history.
func (a *applier) applied(ctx context.Context) ([]string, error) {
	return a.strings(ctx, "migration history", "select version from supabase_migrations.schema_migrations order by version collate \"C\"")
}

// pendingMigrations returns the migrations after the last applied one, with all also those before it that are missing.
func pendingMigrations(local []Migration, applied []string, all bool) ([]Migration, error) {
	at := make(map[string]int, len(local))
	for i, m := range local {
		at[m.Version] = i
	}
	last := -1
	done := make(map[string]bool, len(applied))
	var missing []string
	for _, version := range applied {
		i, ok := at[version]
		if !ok {
			missing = append(missing, version)
			continue
		}
		done[version], last = true, max(last, i)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("the database has applied %s, but the project has no such file; restore the files, or reset the database, or remove the rows: delete from supabase_migrations.schema_migrations where version in ('%s')",
			plural(len(missing), "migration", missing), strings.Join(missing, "', '"))
	}
	if all {
		return slices.DeleteFunc(slices.Clone(local), func(m Migration) bool { return done[m.Version] }), nil
	}
	var late []string
	for _, m := range local[:last+1] {
		if !done[m.Version] {
			late = append(late, m.Path)
		}
	}
	if len(late) > 0 {
		return nil, fmt.Errorf("%s would apply before the last applied one, %s; rename it to a later version, or reset the database with `suparust db reset`, or apply it now with `suparust db push --include-all`",
			plural(len(late), "new migration", late), local[last].Path)
	}
	return local[last+1:], nil
}

func plural(n int, noun string, names []string) string {
	if n > 1 {
		noun += "s"
	}
	return noun + " " + strings.Join(names, ", ")
}

// seed runs the seed files that the database does not have. A seed that changed since is only recorded.
func (a *applier) seed(ctx context.Context) error {
	if len(a.project.Seeds) == 0 {
		return nil
	}
	const history = `
		create schema if not exists supabase_migrations;
		create table if not exists supabase_migrations.seed_files (path text not null primary key, hash text not null)`
	if _, err := a.conn.Exec(ctx, history); err != nil {
		return fmt.Errorf("create the seed history: %w", err)
	}
	for i := range a.project.Seeds {
		f := &a.project.Seeds[i]
		hash := f.hash()
		var old string
		err := a.queryRow(ctx, "select hash from supabase_migrations.seed_files where path = $1", f.Path).Scan(&old)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("read the seed history: %w", err)
		}
		record := query{
			sql:    "insert into supabase_migrations.seed_files (path, hash) values ($1, $2) on conflict (path) do update set hash = excluded.hash",
			params: [][]byte{[]byte(f.Path), []byte(hash)},
			oids:   []uint32{pgtype.TextOID, pgtype.TextOID},
		}
		switch {
		case err != nil:
			a.log.Info("running seed", "file", f.Path)
			if err := a.run(ctx, f, &record); err != nil {
				return err
			}
		case old != hash:
			a.log.Info("seed changed; it is not run again before a reset", "file", f.Path)
			if err := a.run(ctx, &File{Path: f.Path}, &record); err != nil {
				return err
			}
		}
	}
	return nil
}

// run executes a file with the session's settings reset, and explains a failure.
func (a *applier) run(ctx context.Context, f *File, record *query) error {
	if _, err := a.conn.Exec(ctx, "reset all"); err != nil {
		return fmt.Errorf("reset the connection's settings: %w", err)
	}
	err := runFile(ctx, a.conn, f, record)
	var sqlErr *SQLError
	if errors.As(err, &sqlErr) && !a.conn.IsClosed() {
		if err := a.explain(ctx, sqlErr); err != nil {
			return errors.Join(sqlErr, err)
		}
	}
	return err
}

// buckets creates and updates the buckets of [storage.buckets].
func (a *applier) buckets(ctx context.Context) error {
	buckets := a.project.Config.Storage.Buckets
	if len(buckets) == 0 || !a.project.Config.Storage.Enabled {
		return nil
	}
	if _, err := a.conn.Exec(ctx, "reset all"); err != nil {
		return fmt.Errorf("reset the connection's settings: %w", err)
	}
	const upsert = `
		insert into storage.buckets as b (id, name, public, file_size_limit, allowed_mime_types)
		values ($1, $1, coalesce($2, false), $3, $4)
		on conflict (id) do update
		set public = coalesce($2, b.public), file_size_limit = excluded.file_size_limit, allowed_mime_types = excluded.allowed_mime_types
		where (b.public, b.file_size_limit, b.allowed_mime_types)
			is distinct from (coalesce($2, b.public), excluded.file_size_limit, excluded.allowed_mime_types)`
	for _, id := range slices.Sorted(maps.Keys(buckets)) {
		b := buckets[id]
		var limit *int64
		if n := int64(b.FileSizeLimit); n > 0 {
			limit = &n
		}
		if _, err := a.exec(ctx, upsert, id, b.Public, limit, b.AllowedMIMETypes); err != nil {
			return fmt.Errorf("create the bucket %s of config.toml: %w", id, err)
		}
	}
	return nil
}

// The project's own SQL may drop and change anything, so nothing is prepared under a name.

func (a *applier) exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return a.conn.Exec(ctx, sql, append([]any{pgx.QueryExecModeExec}, args...)...)
}

func (a *applier) queryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return a.conn.QueryRow(ctx, sql, append([]any{pgx.QueryExecModeExec}, args...)...)
}

// strings reads a column; a table that is not there is empty.
func (a *applier) strings(ctx context.Context, what, sql string) ([]string, error) {
	rows, err := a.conn.Query(ctx, sql, pgx.QueryExecModeExec)
	if err == nil {
		var list []string
		if list, err = pgx.CollectRows(rows, pgx.RowTo[string]); err == nil {
			return list, nil
		}
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && (pgErr.Code == "42P01" || pgErr.Code == "3F000") {
		return nil, nil
	}
	return nil, fmt.Errorf("read the %s: %w", what, err)
}
