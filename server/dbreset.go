package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/suparust/suparust/migrations"
	"github.com/suparust/suparust/server/internal/project"
	"github.com/suparust/suparust/server/pg"
)

// ErrNoDatabase says that there is no database yet that could be reset.
var ErrNoDatabase = errors.New("there is no database yet: the first start makes it")

// ResetOptions say to what a database is reset.
type ResetOptions struct {
	// Version is the last migration to apply; "" is all of them, or all but the
	// last Last ones.
	Version string
	Last    int
	NoSeed  bool
}

// ResetDatabase drops c's own database and makes it anew: the platform's
// objects, the project's roles, migrations and seeds, or the quickstart.
// runningURL connects to the PostgreSQL of a server that runs on it, which goes
// on with the new database; "" starts PostgreSQL for the time of the reset. The
// migrations are tried on a database of their own first, so that one that fails
// leaves everything as it is.
func ResetDatabase(ctx context.Context, c Config, runningURL string, o ResetOptions) error {
	if c.Database.URL != "" {
		return errors.New("SUPARUST_DB_URL names an external database, which is never dropped from here: empty it with its own tools, then run `suparust db push`")
	}
	if err := c.cut(o); err != nil {
		return err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	trial := c
	trial.Logger = nil
	if _, err := LoadTemplate(ctx, trial); err != nil {
		return err
	}
	if runningURL != "" {
		base, err := pgx.ParseConfig(runningURL)
		if err != nil {
			return errors.New("the address of the running server's database cannot be read") // the cause holds the password
		}
		return c.reset(ctx, func(ctx context.Context, user, db string) (*pgx.Conn, error) {
			cfg := base.Copy()
			cfg.User, cfg.Database = user, db
			return pgx.ConnectConfig(ctx, cfg)
		})
	}
	if major, err := pg.DataDirMajor(c.Database.DataDir); err != nil || major == 0 {
		return cmp.Or(err, ErrNoDatabase)
	}
	c.Database.Port = 0
	cluster, _, err := startCluster(ctx, &c)
	if err != nil {
		return err
	}
	err = c.reset(ctx, func(ctx context.Context, user, db string) (*pgx.Conn, error) {
		cfg, err := cluster.ConnConfig(user, db)
		if err != nil {
			return nil, err
		}
		return pgx.ConnectConfig(ctx, cfg)
	})
	return errors.Join(err, cluster.Stop())
}

// StoresObjects tells that a start stores files of c's project in its buckets.
func StoresObjects(c Config) bool {
	if c.project == nil {
		return false
	}
	objects, _, err := c.project.Objects()
	return err == nil && len(objects) > 0
}

// cut leaves the project what o asks for.
func (c *Config) cut(o ResetOptions) (err error) {
	if c.project == nil {
		if o.Version != "" || o.Last > 0 {
			return errors.New("there are no migrations: no supabase folder was found from here upward")
		}
		return nil
	}
	if o.Last > 0 {
		c.project = c.project.Without(o.Last)
	}
	c.project, err = c.project.Until(o.Version, !o.NoSeed)
	return err
}

// resetName is the database from which the other one is dropped.
const resetName = "suparust_reset"

// reset drops the database and fills a new one. A reset that was cut off is
// taken up by the next.
func (c *Config) reset(ctx context.Context, open project.OpenFunc) error {
	kept, err := leave(ctx, open)
	if err != nil {
		return fmt.Errorf("prepare the reset: %w", err)
	}
	if err := c.recreate(ctx, open); err != nil {
		return fmt.Errorf("drop the database: %w", err)
	}
	src, err := c.source()
	if err != nil {
		return err
	}
	if err := c.build(ctx, src, open, c.platform()); err != nil {
		return err
	}
	conn, err := open(ctx, bootstrapUser, databaseName)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, q := range []struct {
		sql  string
		args []any
	}{
		// a server that runs sees that the schema is another one, and the files that are marked as this database's stay so
		{"insert into suparust.ddl_log (n) values ($1) on conflict (xid) do update set n = excluded.n", []any{kept.changes + 1}},
		{"insert into suparust.installation (id) select $1::uuid where $1 is not null on conflict (single) do update set id = excluded.id", []any{kept.installation}},
		{"notify pgrst, 'reload schema'", nil},
		{"drop database if exists " + resetName + " with (force)", nil},
	} {
		if _, err := conn.Exec(ctx, q.sql, q.args...); err != nil {
			return fmt.Errorf("finish the reset: %w", err)
		}
	}
	return nil
}

// kept is what a reset database takes over.
type kept struct {
	changes      int64   // of the schema, so far
	installation *string // the id that files are marked with
}

// leave reads what is kept and makes the database from which the other one can
// be dropped.
func leave(ctx context.Context, open project.OpenFunc) (k kept, err error) {
	conn, err := open(ctx, bootstrapUser, databaseName)
	if is(err, "3D000") { // dropped by a reset that was cut off, which has left the other one
		return k, nil
	}
	if err != nil {
		return k, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, "select (select coalesce(sum(n), 0) from suparust.ddl_log), suparust.installation_id()::text").Scan(&k.changes, &k.installation)
	if err != nil && !is(err, "42P01") && !is(err, "3F000") && !is(err, "42883") {
		return k, err
	}
	for _, sql := range []string{"drop database if exists " + resetName + " with (force)", "create database " + resetName + " template template0"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return k, err
		}
	}
	return k, nil
}

// recreate makes the database an empty one, and drops the roles that are not
// the platform's. Those that other databases need stay.
func (c *Config) recreate(ctx context.Context, open project.OpenFunc) error {
	conn, err := open(ctx, bootstrapUser, resetName)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "drop database if exists "+databaseName+" with (force)"); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, "select rolname from pg_catalog.pg_roles where rolname !~ '^pg_'")
	if err != nil {
		return err
	}
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, role := range roles {
		if slices.Contains(migrations.Roles(), role) {
			continue
		}
		_, err := conn.Exec(ctx, "drop role "+pgx.Identifier{role}.Sanitize())
		if is(err, "2BP01") {
			c.Logger.Warn("a role stays, because other databases need it", "role", role)
			continue
		}
		if err != nil {
			return err
		}
	}
	_, err = conn.Exec(ctx, "create database "+databaseName+" template template0")
	return err
}

// is tells whether PostgreSQL has answered with an error of this code.
func is(err error, code string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == code
}
