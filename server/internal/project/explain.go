package project

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

var (
	missingType     = regexp.MustCompile(`^type "([^"]+)" does not exist`)
	missingFunction = regexp.MustCompile(`^function ([^()\s]+)\(.*\) does not exist`)
	noExtension     = regexp.MustCompile(`extension "([^"]+)" is not available|extension control file ".*/([^/"]+)\.control"`)
)

// typeExtension tells which extension brings a type that migrations use without saying so.
var typeExtension = map[string]string{
	"citext": "citext", "hstore": "hstore", "ltree": "ltree", "lquery": "ltree", "cube": "cube", "earth": "earthdistance",
	"vector": "vector", "halfvec": "vector", "sparsevec": "vector",
	"geometry": "postgis", "geography": "postgis", "box2d": "postgis", "box3d": "postgis", "raster": "postgis_raster",
}

// explain adds a hint where PostgreSQL's own does not say what to do here.
func (a *applier) explain(ctx context.Context, e *SQLError) error {
	switch {
	case e.Code == "42704" && missingType.MatchString(e.Message):
		return a.explainType(ctx, e, missingType.FindStringSubmatch(e.Message)[1])
	case e.Code == "42883" && missingFunction.MatchString(e.Message):
		return a.explainFunction(ctx, e, missingFunction.FindStringSubmatch(e.Message)[1])
	case noExtension.MatchString(e.Message) && (e.Code == "0A000" || e.Code == "58P01"):
		m := noExtension.FindStringSubmatch(e.Message)
		e.Message, e.Detail = fmt.Sprintf("extension %q is not available", m[1]+m[2]), ""
		e.Hint = unavailable(m[1] + m[2])
	case e.Code == "55P04":
		e.Hint = "A new enum value can be used only after a commit: put ALTER TYPE … ADD VALUE into a migration of its own, before this one."
	case e.Code == "25001":
		e.Hint = "This statement cannot run inside BEGIN … COMMIT: move it out of the block. Outside of one it is run alone."
	case e.Code == "42601" && strings.HasPrefix(e.Statement[e.start():], `\`):
		e.Hint = `Lines that begin with a backslash are commands of psql and do not run here: remove them, or put the included SQL into the file.`
	}
	return nil
}

// start is the offset of the statement's first token.
func (e *SQLError) start() int {
	for _, p := range Split(e.Statement) {
		if p.Kind == Statement {
			return p.Start
		}
	}
	return 0
}

func unavailable(extension string) string {
	return fmt.Sprintf("This PostgreSQL does not bring the extension %q. Remove the statement and what depends on it, or set SUPARUST_PG_BIN to the bin directory of a PostgreSQL that has it installed.", extension)
}

// explainType says where a type is, or which extension brings it.
func (a *applier) explainType(ctx context.Context, e *SQLError, name string) error {
	bare := name[strings.LastIndexByte(name, '.')+1:]
	bare, _, _ = strings.Cut(bare, "[")
	const find = `
		select n.nspname from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
		where t.typname = $1 and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
		order by n.nspname <> 'extensions', 1 limit 1`
	schema, err := a.lookup(ctx, find, bare)
	if err != nil {
		return err
	}
	if schema != "" {
		e.Hint = fmt.Sprintf("The type is in schema %s, which this statement does not look into: write %s.%s.", schema, schema, bare)
		return nil
	}
	extension, ok := typeExtension[bare]
	if !ok {
		return nil
	}
	there, err := a.lookup(ctx, "select name from pg_catalog.pg_available_extensions where name = $1", extension)
	if err != nil {
		return err
	}
	if there == "" {
		e.Hint = unavailable(extension)
		return nil
	}
	e.Hint = fmt.Sprintf("The type comes with an extension: put `create extension if not exists %s with schema extensions;` before it and write extensions.%s.", extension, bare)
	return nil
}

// explainFunction says in which schema a function is that was called without one.
func (a *applier) explainFunction(ctx context.Context, e *SQLError, name string) error {
	if strings.Contains(name, ".") {
		return nil
	}
	const find = `
		select n.nspname from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
		where p.proname = $1 and n.nspname not in ('pg_catalog', 'information_schema', 'public')
		order by n.nspname <> 'extensions', 1 limit 1`
	schema, err := a.lookup(ctx, find, name)
	if err != nil || schema == "" {
		return err
	}
	e.Hint = fmt.Sprintf("A function of this name is in schema %s, which this statement does not look into: write %s.%s(…).", schema, schema, name)
	return nil
}

// lookup returns the one text of a query, "" when there is no row.
func (a *applier) lookup(ctx context.Context, sql, arg string) (string, error) {
	var text string
	err := a.queryRow(ctx, sql, arg).Scan(&text)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("look for the reason: %w", err)
	}
	return text, nil
}
