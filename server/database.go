package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/migrations"
	"github.com/suparust/suparust/server/internal/project"
	"github.com/suparust/suparust/server/internal/session"
	"github.com/suparust/suparust/server/pg"
)

const (
	bootstrapUser = "supabase_admin" // the superuser that owns the platform's objects
	databaseName  = "postgres"

	defaultPassword = "postgres" // of the login roles
	projectUser     = "postgres"
	apiUser         = "authenticator"
	authUser        = "supabase_auth_admin"
)

// database is the PostgreSQL behind a server: its own cluster or an external
// one, and the pools into it.
type database struct {
	cluster *pg.Cluster // nil when external
	written bool        // a start has written to a database that ends with the server
	url     string      // for people
	connect func(user string) (*pgx.ConnConfig, error)
	api     *session.DB // REST and Storage
	auth    *session.DB
}

// openDatabase starts or connects to PostgreSQL and brings it up to date.
func openDatabase(ctx context.Context, c *Config) (*database, error) {
	d := &database{}
	var err error
	if c.Database.URL != "" {
		err = d.openExternal(ctx, c)
	} else {
		err = d.openCluster(ctx, c)
	}
	if err == nil {
		err = d.openPools(c)
	}
	if err != nil {
		d.close(c.logger("pg"))
		return nil, err
	}
	return d, nil
}

func (d *database) openCluster(ctx context.Context, c *Config) error {
	d.cluster = c.Cluster
	fresh := true
	if d.cluster == nil {
		var err error
		if c.From != nil {
			d.cluster, fresh, err = startSnapshot(ctx, c)
		} else {
			d.cluster, fresh, err = startCluster(ctx, c)
		}
		if err != nil {
			return err
		}
	}
	d.connect = func(user string) (*pgx.ConnConfig, error) { return d.cluster.ConnConfig(user, databaseName) }
	d.url = d.cluster.URL("postgres", c.Database.Password, databaseName)
	if fresh && c.From == nil && c.Database.DataDir != "" {
		if err := d.newVaultKey(ctx); err != nil {
			return err
		}
	}
	switch {
	case !fresh:
		d.written = true
		return d.update(ctx, c)
	case c.From == nil && c.platform() != c.templatePlatform():
		d.written = true
		return d.settle(ctx, c)
	default:
		return nil // the template had everything
	}
}

// newVaultKey gives a database that is kept a key of its own for the secrets of
// supabase_vault that its template has.
func (d *database) newVaultKey(ctx context.Context) error {
	conn, err := d.open()(ctx, bootstrapUser, databaseName)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	const renew = `do $$ begin if to_regproc('vault._new_key') is not null then perform vault._new_key(); end if; end $$`
	if _, err := conn.Exec(ctx, renew); err != nil {
		return fmt.Errorf("give supabase_vault a key of its own: %w", err)
	}
	return nil
}

// settle gives a database that was cloned from a template its own password and
// JWT settings. What is connected already does not see them, so the first
// connection is opened anew.
func (d *database) settle(ctx context.Context, c *Config) error {
	if first := d.cluster.TakeConn(); first != nil {
		_ = first.Close(ctx) // nothing of it is pending
	}
	return d.applyPlatform(ctx, c)
}

// applyPlatform brings the platform's objects and settings up to date.
func (d *database) applyPlatform(ctx context.Context, c *Config) error {
	conn, err := d.open()(ctx, bootstrapUser, databaseName)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := migrations.Apply(ctx, conn, c.platform()); err != nil {
		return fmt.Errorf("bring the platform's objects up to date: %w", err)
	}
	return nil
}

// startCluster starts the server's own PostgreSQL. fresh says that it was made
// from the template just now.
func startCluster(ctx context.Context, c *Config) (cl *pg.Cluster, fresh bool, err error) {
	pc := c.clusterConfig()
	pc.LoadTemplate = func(ctx context.Context) (*pg.Template, error) {
		fresh = true
		return LoadTemplate(ctx, *c)
	}
	if c.Database.DataDir != "" {
		if err := c.inDataDir(ctx, &pc); err != nil {
			return nil, false, err
		}
	}
	cl, err = pg.Start(ctx, pc)
	return cl, fresh, err
}

// startSnapshot starts the server's own PostgreSQL as the snapshot. fresh says
// that it has all that a start brings already.
func startSnapshot(ctx context.Context, c *Config) (cl *pg.Cluster, fresh bool, err error) {
	if c.Database.Version == 0 {
		c.Database.Version = c.From.PostgreSQL
	}
	pc := c.clusterConfig()
	if c.Database.DataDir != "" {
		if err := c.restoreOffline(ctx, c.From); err != nil {
			return nil, false, err
		}
		if err := c.inDataDir(ctx, &pc); err != nil {
			return nil, false, err
		}
	} else {
		pc.Snapshot = c.From.pg
		if pc.Binaries, err = c.binaries(ctx); err != nil {
			return nil, false, err
		}
	}
	settled, err := c.settledKey()
	if err != nil {
		return nil, false, err
	}
	cl, err = pg.Start(ctx, pc)
	return cl, settled == c.From.Settled, err
}

func (c *Config) clusterConfig() pg.Config {
	return pg.Config{Port: c.DatabasePort(), ListenAddr: c.Database.ListenAddr, FirstUser: apiUser, Logger: c.logger("pg")}
}

// inDataDir has the cluster work on the data directory.
func (c *Config) inDataDir(ctx context.Context, pc *pg.Config) (err error) {
	if pc.DataDir, err = filepath.Abs(c.Database.DataDir); err != nil {
		return err
	}
	pc.Binaries, err = c.durableBinaries(ctx, pc.DataDir)
	return err
}

// durableBinaries are the binaries for an existing data directory. Where
// nobody asked for a version, the directory's own is taken.
func (c *Config) durableBinaries(ctx context.Context, dir string) (*pg.Binaries, error) {
	if c.Database.Version == 0 {
		major, err := pg.DataDirMajor(dir)
		if err != nil {
			return nil, err
		}
		if major != 0 && (major < pg.MinMajor || major > pg.MaxMajor) {
			return nil, fmt.Errorf("the data directory %s was written by PostgreSQL %d, and this release runs %d to %d: dump it with version %d and restore it into a new directory, named by SUPARUST_DB_DATA_DIR", dir, major, pg.MinMajor, pg.MaxMajor, major)
		}
		c.Database.Version = major // 0 when there is none yet
	}
	return c.binaries(ctx)
}

// update brings a database that was there before to this release and applies
// the migrations that a project has gained since.
func (d *database) update(ctx context.Context, c *Config) error {
	if err := d.applyPlatform(ctx, c); err != nil {
		return err
	}
	src, err := c.source()
	if err != nil || src == nil {
		return err
	}
	return c.apply(ctx, src, d.open(), false)
}

func (d *database) open() project.OpenFunc {
	return func(ctx context.Context, user, _ string) (*pgx.Conn, error) {
		cfg, err := d.connect(user)
		if err != nil {
			return nil, err
		}
		return pgx.ConnectConfig(ctx, cfg)
	}
}

// openExternal connects to a PostgreSQL that is not ours.
func (d *database) openExternal(ctx context.Context, c *Config) error {
	base, err := pgx.ParseConfig(c.Database.URL)
	if err != nil {
		return fmt.Errorf("SUPARUST_DB_URL cannot be read: write it as postgresql://user:password@host:5432/database") // the cause holds the password
	}
	d.url = c.Database.URL
	if c.plain() { // the URL's own role is used as it is
		d.connect = func(string) (*pgx.ConnConfig, error) { return base.Copy(), nil }
		return nil
	}
	// The login roles get the URL's own password where no other was chosen, so
	// that a database with a strong one keeps it.
	if base.Password != "" && c.Database.Password == defaultPassword {
		c.Database.Password = base.Password
	}
	conn, err := pgx.ConnectConfig(ctx, base)
	if err != nil {
		return fmt.Errorf("connect to the external database: %w", err)
	}
	var fresh bool
	err = conn.QueryRow(ctx, "select pg_catalog.to_regclass('suparust.migrations') is null").Scan(&fresh)
	if err == nil {
		err = migrations.Apply(ctx, conn, c.platform())
	}
	_ = conn.Close(context.WithoutCancel(ctx)) // nothing of it is pending
	if err != nil {
		return fmt.Errorf("create the platform's objects in the external database (its URL must be a superuser's, or set SUPARUST_DB_BOOTSTRAP=false): %w", err)
	}
	d.connect = func(user string) (*pgx.ConnConfig, error) {
		cfg := base.Copy()
		cfg.User, cfg.Password = user, c.Database.Password
		return cfg, nil
	}
	d.url = urlOf(c.Database.URL, "postgres", c.Database.Password)
	src, err := c.source()
	if err != nil || src == nil {
		return err
	}
	return c.apply(ctx, src, d.open(), fresh && c.Database.Seed)
}

// urlOf is the URL of the same database for another user. A connection string
// of another form stays as it is.
func urlOf(connection, user, password string) string {
	u, err := url.Parse(connection)
	if err != nil || u.Scheme == "" {
		return connection
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

func (d *database) openPools(c *Config) error {
	apiConfig, err := d.connect(apiUser)
	if err != nil {
		return err
	}
	authConfig, err := d.connect(authUser)
	if err != nil {
		return err
	}
	sc := c.sessions()
	sc.ConnConfig, sc.MaxMessage = apiConfig, int(c.Limits.MaxResponse)
	if d.cluster != nil {
		sc.First = d.cluster.TakeConn()
	}
	d.api = session.New(sc)
	sc.First, sc.ConnConfig = nil, authConfig
	d.auth = session.New(sc)
	for _, db := range []*session.DB{d.api, d.auth} { // before the first statement
		db.Prepare(!c.REST.Unprepared)
	}
	return nil
}

// sessions is what the pools have in common.
func (c *Config) sessions() session.Config {
	return session.Config{MaxConns: c.Database.MaxConns, AcquireTimeout: c.Database.AcquireTimeout,
		MaxIdle: c.Database.MaxIdle, MaxLifetime: c.Database.MaxLifetime, Trace: c.tracer(), Logger: c.logger("pg")}
}

// listenConn opens a connection that stays, to hear of notifications.
func (d *database) listenConn(ctx context.Context) (*pgx.Conn, error) {
	cfg, err := d.connect(apiUser)
	if err != nil {
		return nil, err
	}
	cfg.RuntimeParams["application_name"] = "suparust schema listener"
	return pgx.ConnectConfig(ctx, cfg)
}

// runDir is a directory that ends with the cluster; outside one, a temporary
// directory in scratch that remove deletes.
func (d *database) runDir(scratch string) (dir string, remove func(), err error) {
	if d.cluster != nil {
		return filepath.Join(d.cluster.Dir(), "storage"), func() {}, nil
	}
	dir, err = os.MkdirTemp(scratch, "suparust-storage-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}

func (d *database) close(log *slog.Logger) {
	for _, p := range []*session.DB{d.api, d.auth} {
		if p != nil {
			p.Close()
		}
	}
	if d.cluster != nil {
		if err := d.cluster.Stop(); err != nil && log != nil {
			log.Error("PostgreSQL did not stop cleanly", "error", err)
		}
	}
}
