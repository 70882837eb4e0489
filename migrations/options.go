package migrations

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// loginRoles share the database password.
var loginRoles = []string{
	"supabase_admin", "postgres", "authenticator",
	"supabase_auth_admin", "supabase_storage_admin", "supabase_functions_admin",
	"supabase_replication_admin", "supabase_etl_admin", "supabase_read_only_user",
	"pgbouncer",
}

// applyOptions writes what differs from the options and nothing else, so that a
// second start of the same installation changes nothing.
func applyOptions(ctx context.Context, conn *pgx.Conn, o Options) error {
	changes, err := roleChanges(ctx, conn, o)
	if err != nil {
		return err
	}
	settings, err := databaseChanges(ctx, conn, o)
	if err != nil {
		return err
	}
	clock, err := clockChanges(ctx, conn, o)
	if err != nil {
		return err
	}
	changes = slices.Concat(changes, settings, clock)
	if len(changes) == 0 {
		return nil
	}
	if _, err := conn.Exec(ctx, lockRoles+strings.Join(changes, ";\n")); err != nil {
		return fmt.Errorf("set the roles' and the database's options: %w", err)
	}
	return nil
}

// roleChanges are the statements for passwords and for postgres's attribute. All
// roles get the same stored verifier: making one costs thousands of hash rounds.
func roleChanges(ctx context.Context, conn *pgx.Conn, o Options) ([]string, error) {
	rows, err := conn.Query(ctx,
		`select rolname::text, coalesce(rolpassword, ''), rolsuper from pg_catalog.pg_authid where rolname = any($1)`, loginRoles)
	if err != nil {
		return nil, fmt.Errorf("read the login roles: %w", err)
	}
	var (
		name, stored string
		super        bool
		changes      []string
		toSet        []string
		matches      = make(map[string]bool)
	)
	_, err = pgx.ForEachRow(rows, []any{&name, &stored, &super}, func() error {
		ok, known := matches[stored]
		if !known {
			ok = verifies(stored, o.Password)
			matches[stored] = ok
		}
		if !ok {
			toSet = append(toSet, name)
		}
		if name == "postgres" && super == o.StrictPostgresRole {
			if o.StrictPostgresRole {
				changes = append(changes, "alter role postgres nosuperuser")
			} else {
				changes = append(changes, "alter role postgres superuser")
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the login roles: %w", err)
	}
	if len(toSet) == 0 {
		return changes, nil
	}
	verifier, err := newVerifier(o.Password)
	if err != nil {
		return nil, err
	}
	var statements string
	err = conn.QueryRow(ctx,
		`select pg_catalog.string_agg(pg_catalog.format('alter role %I password %L', role, $2::text), E';\n') from pg_catalog.unnest($1::text[]) role`,
		toSet, verifier).Scan(&statements)
	if err != nil {
		return nil, fmt.Errorf("write the login roles' passwords: %w", err)
	}
	return append(changes, statements), nil
}

// databaseChanges are the statements for the settings that SQL of a project reads
// with current_setting('app.settings.…').
func databaseChanges(ctx context.Context, conn *pgx.Conn, o Options) ([]string, error) {
	var names, values []string
	if o.JWTSecret != "" {
		names, values = append(names, "app.settings.jwt_secret"), append(values, o.JWTSecret)
	}
	if o.JWTExpiry != 0 {
		names, values = append(names, "app.settings.jwt_exp"), append(values, strconv.Itoa(o.JWTExpiry))
	}
	if len(names) == 0 {
		return nil, nil
	}
	rows, err := conn.Query(ctx, `
		select pg_catalog.format('alter database %I set %s to %L', pg_catalog.current_database(), wanted.name, wanted.value)
		from unnest($1::text[], $2::text[]) as wanted (name, value)
		where not exists (
			select from pg_catalog.pg_db_role_setting s, pg_catalog.pg_database d
			where s.setrole = 0 and s.setdatabase = d.oid and d.datname = pg_catalog.current_database()
				and wanted.name || '=' || wanted.value = any(s.setconfig)
		)`, names, values)
	if err != nil {
		return nil, fmt.Errorf("read the database's settings: %w", err)
	}
	changes, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("read the database's settings: %w", err)
	}
	return changes, nil
}
