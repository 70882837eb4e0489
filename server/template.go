package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/fixtures"
	"github.com/suparust/suparust/migrations"
	"github.com/suparust/suparust/server/internal/project"
	"github.com/suparust/suparust/server/pg"
)

// LoadTemplate builds, or finds in the cache, the template that fresh
// databases of c start from: the platform's objects and, on top of them, the
// project's roles, migrations and seeds.
func LoadTemplate(ctx context.Context, c Config) (*pg.Template, error) {
	bin, err := c.binaries(ctx)
	if err != nil {
		return nil, err
	}
	src, err := c.source()
	if err != nil {
		return nil, err
	}
	key, err := c.templateKey(src)
	if err != nil {
		return nil, err
	}
	return pg.LoadTemplate(ctx, pg.TemplateSpec{
		Binaries: bin,
		Key:      key,
		Private:  src != nil && len(src.Config.DB.Vault) > 0, // its secrets are in it
		CacheDir: c.Database.CacheDir,
		Logger:   c.logger("pg"),
		Progress: c.Progress,
		Build: func(ctx context.Context, dsn func(user, db string) string) error {
			open := func(ctx context.Context, user, db string) (*pgx.Conn, error) {
				return pgx.Connect(ctx, dsn(user, db))
			}
			return c.build(ctx, src, open, c.templatePlatform())
		},
	})
}

func (c *Config) binaries(ctx context.Context) (*pg.Binaries, error) {
	return pg.Resolve(ctx, pg.ResolveOptions{
		Major:      c.Database.Version,
		BinDir:     c.Database.BinDir,
		CacheDir:   c.Database.CacheDir,
		Progress:   c.Progress,
		Logger:     c.logger("pg"),
		Extensions: pg.Extensions{Files: migrations.Extensions(), ID: migrations.ExtensionsVersion()},
	})
}

// templateKey names everything that build writes.
func (c *Config) templateKey(src *project.Project) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%+v\x00%t\x00", migrations.Version(), c.templatePlatform(), c.Quickstart && src == nil)
	if src != nil {
		k, err := src.Hash()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s\x00", k)
	}
	if c.Quickstart && src == nil {
		if err := hashFS(h.Write, fixtures.FS, fixtures.Quickstart); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// templatePlatform is what templates are built with: the values of the
// platform's local stack, so that servers with other secrets share them. No
// secret of an installation is ever in the cache; see settle.
func (c *Config) templatePlatform() migrations.Options {
	return migrations.Options{
		Password:           defaultPassword,
		JWTSecret:          DemoJWTSecret,
		JWTExpiry:          int(defaultJWTExpiry.Seconds()),
		StrictPostgresRole: c.Database.StrictPostgresRole,
		SQLClock:           c.SQLClock,
	}
}

// platform is what this server's database is to have.
func (c *Config) platform() migrations.Options {
	return migrations.Options{
		Password:           c.Database.Password,
		JWTSecret:          c.Keys.JWTSecret,
		JWTExpiry:          int(c.Auth.JWTExpiry.Seconds()),
		StrictPostgresRole: c.Database.StrictPostgresRole,
		SQLClock:           c.SQLClock,
	}
}

// build fills a fresh database.
func (c *Config) build(ctx context.Context, src *project.Project, open project.OpenFunc, platform migrations.Options) error {
	conn, err := open(ctx, bootstrapUser, databaseName)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	bar := pg.Spin(c.Progress, "creating the platform's schemas")
	err = migrations.Apply(ctx, conn, platform)
	bar.Stop()
	if err != nil {
		return fmt.Errorf("create the platform's objects: %w", err)
	}
	switch {
	case src != nil:
		if err := c.apply(ctx, src, open, true); err != nil {
			return err
		}
	case c.Quickstart:
		if err := applyFixture(ctx, fixtures.FS, fixtures.Quickstart, open); err != nil {
			return err
		}
	}
	// what the template was built with is no news to the servers that start from it
	if _, err := conn.Exec(ctx, "truncate suparust.ddl_log"); err != nil {
		return err
	}
	// nor is each of them to send what migrations and seeds asked for
	_, err = conn.Exec(ctx, forgetRequests)
	return err
}

// forgetRequests empties the queue of this product's pg_net.
const forgetRequests = `do $$ begin
if exists (select from pg_catalog.pg_extension where extname = 'pg_net') then delete from net.http_request_queue; end if;
end $$`

// apply brings a database to the project. Its migrations are shown as a bar on
// a terminal, and stand in the log elsewhere.
func (c *Config) apply(ctx context.Context, src *project.Project, open project.OpenFunc, fresh bool) error {
	o := project.Options{Fresh: fresh, Logger: c.logger("project")}
	if pg.Moves(c.Progress) {
		var bar *pg.Bar
		o.Applying = func(file string, of int) {
			if bar == nil {
				bar = pg.Count(c.Progress, of, "applying migrations")
			}
			bar.Step(file)
		}
		defer func() {
			if bar != nil {
				bar.Stop()
			}
		}()
	}
	return src.Apply(ctx, open, o)
}

// applyFixture runs the files of a set in the order of their names.
func applyFixture(ctx context.Context, fsys fs.FS, name string, open project.OpenFunc) error {
	files, err := fs.Glob(fsys, name+"/*.sql")
	if err != nil {
		return err
	}
	conn, err := open(ctx, "postgres", databaseName)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, f := range files {
		sql, err := fs.ReadFile(fsys, f)
		if err != nil {
			return err
		}
		if _, err := conn.PgConn().Exec(ctx, string(sql)).ReadAll(); err != nil {
			return fmt.Errorf("fixture %s: %w", f, err)
		}
	}
	return nil
}

func hashFS(write func([]byte) (int, error), fsys fs.FS, dir string) error {
	return fs.WalkDir(fsys, dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(fsys, path)
		if err != nil {
			return err
		}
		_, err = write(fmt.Appendf(nil, "%s\x00%d\x00%s", path, len(b), b))
		return err
	})
}
