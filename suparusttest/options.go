package suparusttest

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/suparust/suparust/server"
)

// Option changes what Start starts.
type Option func(*options)

type options struct {
	projectDir string // "" searches
	noProject  bool
	migrations fs.FS
	sql        []string
	fixtures   []fixtureSet
	now        func() time.Time
	version    int
	database   string
	shared     bool
	level      slog.Level
	control    *server.ControlAccess // of Attach
	configure  []func(*server.Config)
}

func newOptions(opts ...Option) *options {
	o := &options{level: slog.LevelInfo}
	for _, opt := range opts {
		opt(o)
	}
	return o
}

// WithProject uses the project whose supabase/ folder stands in dir. Without
// it the folder is searched from the working directory upward to the
// repository's root.
func WithProject(dir string) Option {
	return func(o *options) { o.projectDir, o.noProject = dir, false }
}

// WithoutProject starts with the platform's database alone, even inside a
// project.
func WithoutProject() Option { return func(o *options) { o.noProject = true } }

// WithMigrations applies the files NNN_name.sql of fsys, and its seed.sql, in
// the place of a project. They become part of the template: tests with the
// same files share its cost.
func WithMigrations(fsys fs.FS) Option {
	return func(o *options) { o.migrations, o.noProject = fsys, true }
}

// WithOAuth lets users sign in through the outside services that it names, such
// as google and github. A service without a client id and a secret is stood in
// for by the server itself, so that no network is needed: see NextOAuthUser.
func WithOAuth(providers ...string) Option {
	return WithConfig(func(c *server.Config) {
		if c.Auth.OAuth.Providers == nil {
			c.Auth.OAuth.Providers = map[string]server.OAuthProvider{}
		}
		for _, name := range providers {
			p := c.Auth.OAuth.Providers[name]
			p.Enabled = true
			c.Auth.OAuth.Providers[name] = p
		}
	})
}

// WithSQL runs SQL as the role postgres before Start returns.
func WithSQL(sql ...string) Option { return func(o *options) { o.sql = append(o.sql, sql...) } }

// WithFixtures loads the named sets of fsys before Start returns; without names
// every folder of it. A set is a folder of SQL, rows in JSON and CSV, users who
// can sign in, and files: the package fixtures says how one is written, and
// brings some along.
//
//	suparusttest.Start(t, suparusttest.WithFixtures(fixtures.FS, "blog"))
//	suparusttest.Start(t, suparusttest.WithFixtures(os.DirFS("testdata/fixtures"), "orders"))
func WithFixtures(fsys fs.FS, names ...string) Option {
	return func(o *options) { o.fixtures = append(o.fixtures, fixtureSet{fsys, names}) }
}

// WithClock makes now the clock that tokens and codes are issued and judged by.
// Without it the clock is the real one; Server.Clock moves either.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithSQLClock has SQL go by Server.Clock, too: now(), transaction_timestamp(),
// statement_timestamp(), clock_timestamp() and age() of one argument, wherever
// they stand: in a query, the default of a column, a policy, a view, a check, a
// trigger or a function. Every connection sees it when Clock.Advance or
// Clock.Set returns, and no rollback undoes it.
//
// CURRENT_TIMESTAMP, CURRENT_DATE, CURRENT_TIME, LOCALTIMESTAMP, LOCALTIME,
// timeofday() and literals such as 'now' and 'today' stay with the real time:
// they are parts of the language and not functions. Write now(), now()::date,
// now()::time and now()::timestamp in their place. So does what PostgreSQL and
// extensions in C do by the time themselves, such as the statistics,
// statement_timeout and UUIDs of version 7.
//
// A transaction during which the clock is moved sees two times. now() takes a
// fifth of a microsecond more. The first Start with the option makes a template
// of its own, as a change of the migrations does.
//
// It replaces functions of PostgreSQL in the test's database, so that
// WithDatabaseURL and WithSharedCluster do not go with it; neither does
// WithClock, which SQL cannot follow.
func WithSQLClock() Option {
	return WithConfig(func(c *server.Config) { c.SQLClock = true })
}

// WithFixedCode makes code the code of every mail and text.
func WithFixedCode(code string) Option {
	return WithConfig(func(c *server.Config) { c.Auth.Email.FixedCode = code })
}

// WithPostgres chooses PostgreSQL's major version, 15 to 18. Without it the
// project's is taken, else 17; SUPARUST_PG_VERSION changes both.
func WithPostgres(major int) Option { return func(o *options) { o.version = major } }

// WithDatabaseURL lets the server work on an external PostgreSQL in the place
// of one of its own. url is a superuser's. The platform's objects and the
// project's migrations are applied where they are missing, the seeds only with
// the former; nothing is removed, neither before nor after the test.
func WithDatabaseURL(url string) Option { return func(o *options) { o.database = url } }

// WithSnapshot starts the server from the snapshot of that name, which
// SaveSnapshot or the command suparust snapshot save has saved, in the place of
// the project's template. Migrations that the project has gained since are
// applied.
func WithSnapshot(name string) Option {
	return WithConfig(func(c *server.Config) { c.Snapshot = name })
}

// WithLogLevel sets from which level on the server's log is kept for a failed
// test; without it from Info on.
func WithLogLevel(l slog.Level) Option { return func(o *options) { o.level = l } }

// WithConfig changes the server's configuration, after everything else.
func WithConfig(f func(*server.Config)) Option {
	return func(o *options) { o.configure = append(o.configure, f) }
}

// config is the configuration of one test's server.
func (o *options) config(log *slog.Logger) (server.Config, error) {
	cfg := server.DefaultConfig()
	if o.control != nil {
		return cfg, errors.New("WithControl names a server that runs, for Attach: leave it out of Start, whose server has a control API of its own")
	}
	root := o.projectDir
	if root == "" && !o.noProject {
		wd, err := os.Getwd()
		if err != nil {
			return cfg, err
		}
		found, ok, err := server.FindProject(wd)
		if err != nil {
			return cfg, err
		}
		if ok {
			root = found
		}
	}
	if root != "" && !o.noProject {
		warnings, err := cfg.LoadProject(root, os.LookupEnv)
		if err != nil {
			return cfg, err
		}
		for _, w := range warnings {
			log.Warn(w)
		}
	} else {
		// what a fixture can do at no cost, where no project says otherwise
		cfg.Auth.AnonymousSignIns = true
	}
	cfg.Migrations = o.migrations
	cfg.Ephemeral()
	cfg.Logger = log
	cfg.Now = o.now
	cfg.Progress = os.Stderr
	cfg.Auth.CheapPasswords = true
	cfg.Auth.Email.MaxFrequency, cfg.Auth.Phone.MaxFrequency = -1, -1
	if err := fromEnv(&cfg); err != nil {
		return cfg, err
	}
	if o.version != 0 {
		cfg.Database.Version = o.version
	}
	cfg.Control = true
	for _, f := range o.configure {
		f(&cfg)
	}
	if (cfg.BindAddr != "127.0.0.1" || cfg.PublicURL != "") && cfg.ControlAddr == "" {
		cfg.Control = false // it is reached from elsewhere
	}
	if o := &cfg.Auth.OAuth; o.Fake == "" && cfg.BindAddr == "127.0.0.1" && cfg.PublicURL == "" {
		o.Fake = server.FakeOAuthAll
	}
	if cfg.Database.URL != "" {
		return cfg, fmt.Errorf("a test's server has its own PostgreSQL: leave Config.Database.URL empty")
	}
	cfg.Database.URL, cfg.Database.Seed = o.database, true
	return cfg, nil
}

// environment lists the settings that a fixture takes from the environment:
// where PostgreSQL comes from and snapshots are, and nothing of a developer's own server.
var environment = map[string]bool{
	"SUPARUST_PG_VERSION": true, "SUPARUST_PG_BIN": true, "SUPARUST_CACHE_DIR": true,
	"SUPARUST_SNAPSHOT_DIR": true}

func fromEnv(cfg *server.Config) error {
	return cfg.FromEnv(func(name string) (string, bool) {
		if !environment[name] {
			return "", false
		}
		return os.LookupEnv(name)
	}, nil)
}
