package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/signal"
	"syscall"

	"github.com/suparust/suparust/server"
)

type dbCommand struct {
	URL   dbURLCommand   `cmd:"" name:"url" help:"Print the address of the database."`
	Psql  dbPsqlCommand  `cmd:"" help:"Open the database in psql."`
	Dump  dbDumpCommand  `cmd:"" help:"Write the database's schema, data or roles as SQL."`
	Reset dbResetCommand `cmd:"" help:"Drop the database and apply all migrations and seeds anew."`
	Push  dbPushCommand  `cmd:"" help:"Apply the migrations that the database does not have."`
}

// Help is shown by `suparust db --help`.
func (dbCommand) Help() string {
	return `Examples:

    suparust db url
    suparust db psql
    suparust db reset
    suparust db push --dry-run
    suparust db dump --data-only -f supabase/seed.sql
`
}

// databaseFlags choose the database of a command.
type databaseFlags struct {
	DBURL   string `name:"db-url" help:"Use the database at URL, special characters in it as %XX." placeholder:"URL"`
	Local   bool   `help:"Use the database of this folder's server. That is so without it, too."`
	Port    int    `help:"Use the database of the server on this port, when several run." short:"p" placeholder:"PORT"`
	Workdir string `help:"Use the project in DIR, the folder that contains supabase/." placeholder:"DIR" type:"path"`
}

// target is the database that a command works on.
type target struct {
	settings *settings
	url      string
	local    bool // it is our own
}

// target finds the database: the named one, that of the server that runs, or the external one of the settings.
func (f databaseFlags) target(a *app) (target, error) {
	if f.DBURL != "" && (f.Local || f.Port != 0) {
		return target{}, usageError{"--db-url names another database than --local and --port: leave one of them out"}
	}
	s, err := a.settings(settingFlags{Port: f.Port, Workdir: f.Workdir})
	if err != nil {
		return target{}, err
	}
	if f.DBURL != "" {
		return target{settings: s, url: f.DBURL}, nil
	}
	running, err := a.runningServer(s, f.Port)
	switch {
	case err != nil:
		return target{}, err
	case running != nil && running.state.Values["DB_URL"] != "":
		return target{settings: s, url: running.state.Values["DB_URL"], local: s.config.Database.URL == ""}, nil
	case s.config.Database.URL != "":
		return target{settings: s, url: s.config.Database.URL}, nil
	case running != nil:
		return target{}, errors.New("the server is just starting; try again in a moment")
	}
	return target{}, fmt.Errorf("the server does not run, and its database with it: start it with `suparust%s start`, or name a database with --db-url", a.id.flags())
}

// shown is what messages call the database.
func (t target) shown() string {
	if t.local {
		return "local"
	}
	return "remote"
}

type dbURLCommand struct {
	databaseFlags
}

// Help is shown by `suparust db url --help`.
func (dbURLCommand) Help() string {
	return `Examples:

    suparust db url
    pgcli "$(suparust db url)"
`
}

// Run prints the URL.
func (c dbURLCommand) Run(a *app) error {
	t, err := c.target(a)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.Out, t.url)
	return nil
}

type dbResetCommand struct {
	NoSeed  bool   `help:"Run no seeds."`
	Version string `help:"Apply the migrations up to this version alone." placeholder:"VERSION" xor:"until"`
	Last    int    `help:"Leave out the last N migrations." placeholder:"N" xor:"until"`
	Local   bool   `help:"Reset the database of this folder's server. That is so without it, too."`
	Port    int    `help:"Reset the database of the server on this port, when several run." short:"p" placeholder:"PORT"`
	Workdir string `help:"Use the project in DIR, the folder that contains supabase/." placeholder:"DIR" type:"path"`
}

// Help is shown by `suparust db reset --help`.
func (dbResetCommand) Help() string {
	return `Everything in the database is lost: tables, users, rows of storage. It asks nothing. A server that runs goes on with the new
database; one that does not finds it at its next start. Migrations and seeds are tried aside first: where one fails, the
database stays as it is.

Examples:

    suparust db reset
    suparust db reset --no-seed
    suparust db reset --version 20240101000000
`
}

// Run resets the database.
func (c dbResetCommand) Run(a *app) error {
	if c.Last < 0 {
		return usageError{"--last: give a number from 1, how many migrations to leave out"}
	}
	s, err := a.settings(settingFlags{Port: c.Port, Workdir: c.Workdir})
	if err != nil {
		return err
	}
	running, err := a.runningServer(s, c.Port)
	if err != nil {
		return err
	}
	url := ""
	if running != nil {
		if url = running.state.Values["DB_URL"]; url == "" {
			return errors.New("the server is just starting; try again in a moment")
		}
	}
	if s.config.NeedsSecret() && running == nil {
		fmt.Fprintln(a.Out, server.ErrNoDatabase.Error()+".")
		return nil
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	what := "..."
	if c.Version != "" {
		what = " to version: " + c.Version
	}
	fmt.Fprintln(a.Err, "Resetting local database"+what)
	s.config.Logger, s.config.Progress = slog.New(&steps{out: a.Err}), a.Err
	err = server.ResetDatabase(ctx, s.config, url, server.ResetOptions{NoSeed: c.NoSeed, Version: c.Version, Last: c.Last})
	if errors.Is(err, server.ErrNoDatabase) {
		fmt.Fprintln(a.Out, err.Error()+".")
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(a.Err, "Finished suparust db reset.")
	if running != nil && server.StoresObjects(s.config) {
		fmt.Fprintf(a.Err, "The files of the project's buckets are stored at the next start: suparust%s restart\n", a.id.flags())
	}
	return nil
}

type dbPushCommand struct {
	DryRun       bool `help:"Show what would be applied, and apply nothing."`
	IncludeAll   bool `help:"Apply migrations that come before the last applied one, too."`
	IncludeRoles bool `help:"Apply supabase/roles.sql first."`
	IncludeSeed  bool `help:"Run the seeds that the database does not have."`
	databaseFlags
}

// Help is shown by `suparust db push --help`.
func (dbPushCommand) Help() string {
	return `What is applied is written into supabase_migrations.schema_migrations, where the Supabase CLI and the platform look, too.

Examples:

    suparust db push --dry-run
    suparust db push
    suparust db push --include-seed
    suparust db push --db-url "$PRODUCTION_DB_URL"
`
}

// Run applies what is pending.
func (c dbPushCommand) Run(a *app) error {
	t, err := c.target(a)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if c.DryRun {
		fmt.Fprintln(a.Err, "DRY RUN: migrations will *not* be pushed to the database.")
	}
	pushed, err := server.PushDatabase(ctx, t.settings.config, t.url, server.PushOptions{All: c.IncludeAll, Roles: c.IncludeRoles,
		Seeds: c.IncludeSeed, DryRun: c.DryRun, Logger: slog.New(&steps{out: a.Err})})
	if err != nil {
		return err
	}
	if pushed.Empty() {
		title := "Remote"
		if t.local {
			title = "Local"
		}
		fmt.Fprintf(a.Out, "%s database is up to date.\n", title)
		return nil
	}
	if c.DryRun {
		a.planned(pushed)
	}
	fmt.Fprintln(a.Out, "Finished suparust db push.")
	return nil
}

// planned shows what a push would bring.
func (a *app) planned(p server.Pushed) {
	if p.Roles != "" {
		fmt.Fprintf(a.Err, "Would create custom roles %s...\n", p.Roles)
	}
	list := func(title string, files []string, note string) {
		for i, file := range files {
			if i == 0 && title != "" {
				fmt.Fprintln(a.Err, title)
			}
			fmt.Fprintf(a.Err, " • %s%s\n", file, note)
		}
	}
	list("Would push these migrations:", p.Migrations, "")
	if len(p.Seeds) > 0 || len(p.Recorded) > 0 {
		fmt.Fprintln(a.Err, "Would seed these files:")
		list("", p.Seeds, "")
		list("", p.Recorded, " (hash update)")
	}
}
