package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/suparust/suparust/server/pg"
)

type dbDumpCommand struct {
	DataOnly     bool     `help:"Write the rows alone." xor:"only"`
	RoleOnly     bool     `help:"Write the roles alone." xor:"only"`
	Schema       []string `help:"Write these schemas alone." short:"s" placeholder:"NAME"`
	Exclude      []string `help:"Leave the rows of these tables out, written as schema.table." short:"x" placeholder:"TABLE"`
	UseCopy      bool     `help:"Write rows as COPY instead of INSERT."`
	KeepComments bool     `help:"Keep the comments of pg_dump."`
	DryRun       bool     `help:"Show the command that would be run."`
	File         string   `help:"Write to FILE instead of standard output." short:"f" placeholder:"FILE"`
	databaseFlags
}

// Help is shown by `suparust db dump --help`.
func (dbDumpCommand) Help() string {
	return `Without flags the schema is written, as a migration could make it: without what is the platform's. It needs pg_dump of the
database's version or a newer one, which PostgreSQL's client packages have.

Examples:

    suparust db dump -f schema.sql
    suparust db dump --data-only -f supabase/seed.sql
    suparust db dump --data-only --use-copy -x auth.audit_log_entries
    suparust db dump --role-only -f supabase/roles.sql
    suparust db dump --db-url "$PRODUCTION_DB_URL" -s public
`
}

// program is the client program and its arguments.
func (c dbDumpCommand) program() (name string, args []string, err error) {
	switch {
	case (c.UseCopy || len(c.Exclude) > 0) && !c.DataOnly:
		return "", nil, usageError{"--use-copy and --exclude are about rows: add --data-only"}
	case c.RoleOnly && len(c.Schema) > 0:
		return "", nil, usageError{"--schema and --role-only cannot be used together: roles are in no schema"}
	case c.KeepComments && c.DataOnly:
		return "", nil, usageError{"--keep-comments and --data-only cannot be used together: nothing is left out of rows"}
	case c.RoleOnly:
		return "pg_dumpall", []string{"--roles-only", "--role=postgres", "--quote-all-identifiers", "--no-role-passwords", "--no-comments"}, nil
	}
	args = []string{"--quote-all-identifiers", "--role=postgres"}
	schemas, hidden := c.Schema, platformSchemas
	if c.DataOnly {
		args, hidden = append(args, "--data-only"), unmovedSchemas
		for _, table := range slices.Concat(historyTables, c.Exclude) {
			args = append(args, "--exclude-table="+quotedPattern(table))
		}
		if !c.UseCopy {
			args = append(args, "--column-inserts", "--rows-per-insert=100000")
		}
	} else {
		args = append(args, "--schema-only")
	}
	for _, s := range schemas {
		args = append(args, "--schema="+quotedPattern(s))
	}
	if len(schemas) == 0 {
		for _, s := range hidden {
			args = append(args, "--exclude-schema="+s)
		}
	}
	return "pg_dump", args, nil
}

// quotedPattern keeps the case of a name in a pattern of pg_dump's; each part between dots is a name.
func quotedPattern(name string) string {
	parts := strings.Split(name, ".")
	for i, p := range parts {
		parts[i] = `"` + strings.ReplaceAll(p, `"`, `""`) + `"`
	}
	return strings.Join(parts, ".")
}

// Run writes the dump.
func (c dbDumpCommand) Run(a *app) error {
	name, args, err := c.program()
	if err != nil {
		return err
	}
	t, err := c.target(a)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	address, secret := withoutPassword(t.url)
	if c.DryRun {
		fmt.Fprintln(a.Err, "DRY RUN: *only* printing the command.")
		words := []string{name}
		for _, arg := range append(args, "--dbname="+address) {
			words = append(words, shellWord(arg))
		}
		fmt.Fprintln(a.Out, strings.Join(words, " "))
		return nil
	}
	major, err := serverMajor(ctx, t.url)
	if err != nil {
		return err
	}
	path, found := pg.FindClient(ctx, name, t.settings.config.Database.BinDir, major)
	if path == "" {
		return missingClient(name, strconv.Itoa(major), found)
	}
	what := "schemas"
	if c.DataOnly {
		what = "data"
	} else if c.RoleOnly {
		what = "roles"
	}
	fmt.Fprintf(a.Err, "Dumping %s from %s database...\n", what, t.shown())
	dump := func(out io.Writer) error {
		return c.dump(ctx, out, path, append(args, "--dbname="+address), slices.Concat(a.environ, secret))
	}
	if c.File == "" {
		return dump(a.Out)
	}
	if err := writeWhole(c.File, dump); err != nil {
		return fmt.Errorf("write %s: %w", c.File, pathless(err))
	}
	full, err := filepath.Abs(c.File)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Err, "Dumped %s to %s.\n", what, full)
	return nil
}

// dump runs the program and rewrites its lines.
func (c dbDumpCommand) dump(ctx context.Context, out io.Writer, path string, args, env []string) error {
	cmd := exec.CommandContext(ctx, path, args...)
	var said bytes.Buffer
	cmd.Env, cmd.Stderr = env, &said
	lines, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	if c.DataOnly {
		_, err = io.WriteString(out, "SET session_replication_role = replica;\n\n") // no trigger changes what was
	}
	if err == nil {
		err = c.rewriter().copy(out, lines)
	}
	if err != nil {
		_ = cmd.Process.Kill() // it waits for us to read on
	}
	if waitErr := cmd.Wait(); err == nil && waitErr != nil {
		return fmt.Errorf("%s failed: %s", filepath.Base(path), strings.TrimSpace(said.String()))
	}
	if err == nil && (c.DataOnly || c.RoleOnly) {
		_, err = io.WriteString(out, "RESET ALL;\n")
	}
	return err
}

// writeWhole writes a file for this user's eyes, all of it or nothing.
func writeWhole(path string, write func(io.Writer) error) error {
	next, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	err = write(next)
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return nil
}
