package cmd

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/pg"
)

type dbPsqlCommand struct {
	databaseFlags
	Args []string `arg:"" optional:"" passthrough:"partial" help:"Arguments of psql."`
}

// Help is shown by `suparust db psql --help`.
func (dbPsqlCommand) Help() string {
	return `Runs the psql that is installed; the password is not seen in the list of processes.

Examples:

    suparust db psql
    suparust db psql -- -c 'select count(*) from auth.users'
    suparust db psql -- -f report.sql --csv
`
}

// Run runs psql and ends with its exit code.
func (c dbPsqlCommand) Run(a *app) error {
	t, err := c.target(a)
	if err != nil {
		return err
	}
	path, found := pg.FindClient(context.Background(), "psql", t.settings.config.Database.BinDir, 1)
	if path == "" {
		return missingClient("psql", "", found)
	}
	address, env := withoutPassword(t.url)
	if len(c.Args) > 0 && c.Args[0] == "--" {
		c.Args = c.Args[1:]
	}
	relay := newRelay()
	defer relay.close()
	code, err := a.runChild(relay, path, slices.Concat([]string{"psql", address}, c.Args), slices.Concat(a.environ, env))
	if err != nil {
		return err
	}
	if code != exitOK {
		return exitStatus(code)
	}
	return nil
}

// missingClient says how to get a client program. version is the least that does, "" for any.
func missingClient(name, version string, found []string) error {
	text := name + " was not found"
	if version != "" {
		text = fmt.Sprintf("%s of version %s or newer was not found", name, version)
	}
	if len(found) > 0 {
		text += fmt.Sprintf(" (there is only %s)", strings.Join(slices.Compact(slices.Sorted(slices.Values(found))), ", "))
	}
	if version != "" {
		version = "-" + version
	}
	return fmt.Errorf("%s: install PostgreSQL's client programs, such as with `apt install postgresql-client%s` or `brew install libpq`", text, version)
}

// withoutPassword moves the password of a URL into the environment, where other users do not see it.
func withoutPassword(address string) (string, []string) {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return address, nil
	}
	password, ok := u.User.Password()
	if !ok {
		return address, nil
	}
	u.User = url.User(u.User.Username())
	return u.String(), []string{"PGPASSWORD=" + password}
}

// serverMajor asks a database for its major version.
func serverMajor(ctx context.Context, address string) (int, error) {
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		return 0, errors.New("the database's address cannot be read: write it as postgresql://user:password@host:5432/database, special characters as %XX")
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return 0, fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	version := conn.PgConn().ParameterStatus("server_version")
	digits, _, _ := strings.Cut(version, ".")
	major, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fmt.Errorf("the database says that it is of version %q, which is none", version)
	}
	return major, nil
}
