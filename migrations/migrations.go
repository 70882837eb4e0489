// Package migrations makes the database that the migrations of a Supabase
// project expect: the platform's roles and schemas with their owners and
// privileges, the auth and storage schemas in their newest form, and the schema
// suparust that the server itself works with.
//
// # How it stays right
//
// The SQL is a squash: each file writes the final state of its part, not the
// steps that led there upstream. Every statement is idempotent, and the table
// suparust.migrations holds the checksum of each file as it was last applied. A
// file runs when its checksum is not the recorded one, so a database of an older
// release gets what it lacks and a database of this release costs two queries.
//
// Structure and functions may be written again at any time; privileges may not,
// because a project is free to take back what the platform granted. Files named
// *.once.sql run only in a database that has never seen them. For the same
// reason roles, which belong to the whole cluster, get their attributes and
// settings when they are created and keep whatever they are given afterwards.
package migrations

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed *.sql
var files embed.FS

// Options are the facts about one installation that the database has to know.
type Options struct {
	// Password of all login roles; "" means "postgres".
	Password string
	// JWTSecret becomes the database setting app.settings.jwt_secret; "" leaves
	// the setting as it is.
	JWTSecret string
	// JWTExpiry, in seconds, becomes app.settings.jwt_exp; 0 leaves the setting
	// as it is.
	JWTExpiry int
	// StrictPostgresRole takes SUPERUSER from the role postgres, as on the hosted
	// platform. Without it the role is a superuser, so that migrations may create
	// extensions and settings that the platform allows through modules of its own.
	StrictPostgresRole bool
	// SQLClock lets now() and its kin be moved with MoveSQLClock, by replacing
	// functions of PostgreSQL's own. Without it they are put back where they
	// were replaced.
	SQLClock bool
}

// file is one embedded SQL file.
type file struct {
	name string
	sql  string
	sum  string
	once bool
}

// load reads the embedded files in order and the checksum over all of them.
var load = sync.OnceValues(func() ([]file, string) {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // the directory is part of the binary
	}
	list := make([]file, 0, len(entries))
	whole := sha256.New()
	whole.Write([]byte(history + sqlClock))
	for _, e := range entries {
		text, err := files.ReadFile(e.Name())
		if err != nil {
			panic(err)
		}
		sql := withScripts(string(text))
		sum := sha256.Sum256([]byte(sql))
		list = append(list, file{
			name: e.Name(),
			sql:  sql,
			sum:  hex.EncodeToString(sum[:]),
			once: strings.HasSuffix(e.Name(), ".once.sql"),
		})
		fmt.Fprintf(whole, "%s %x\n", e.Name(), sum)
	}
	return list, hex.EncodeToString(whole.Sum(nil))
})

// Version is a checksum over everything that Apply may write: databases made by
// binaries of the same Version hold the same objects.
func Version() string {
	_, version := load()
	return version
}

// lockKey guards one database against two processes that apply at once.
const lockKey int64 = 0x5355504152555354 // "SUPARUST"

// begin opens the transaction. Nothing of it may reach the server's log, for the
// statements carry secrets; nothing may depend on settings of the role or the
// database that it happens to run in; and no trigger of a project, event triggers
// among them, may run with the rights of a superuser or stop the update.
const begin = `
begin read write;
set local log_statement = 'none';
set local log_min_error_statement = 'panic';
set local log_min_duration_statement = -1;
set local client_min_messages = 'warning';
set local statement_timeout = 0;
set local lock_timeout = 0;
set local idle_in_transaction_session_timeout = 0;
set local search_path = '';
set local check_function_bodies = off;
set local jit = off;
set local session_replication_role = replica;
`

// history makes the table of applied files; its schema gets its proper owner as
// soon as that role exists.
const history = `
create schema suparust;
create table suparust.migrations (
  name text primary key,
  checksum text not null,
  applied_at timestamptz not null default now()
);
`

// Apply brings the connected database to the state of this release. The
// connection must belong to a superuser. Apply may run again at any time and in
// several processes at once; it is one transaction, and after an error nothing of
// it remains.
func Apply(ctx context.Context, conn *pgx.Conn, o Options) (err error) {
	if o.Password == "" {
		o.Password = "postgres"
	}
	if err := requireSuperuser(ctx, conn, o); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, begin); err != nil {
		return fmt.Errorf("open the transaction for the platform's objects: %w", err)
	}
	defer func() {
		if err == nil {
			return
		}
		// The context may be what ended it: the rollback has its own.
		if _, rbErr := conn.Exec(context.WithoutCancel(ctx), "rollback"); rbErr != nil {
			err = errors.Join(err, rbErr)
		}
	}()
	if _, err := conn.Exec(ctx, "select pg_advisory_xact_lock($1)", lockKey); err != nil {
		return fmt.Errorf("wait for another process that prepares this database: %w", err)
	}
	fresh, pending, err := pendingFiles(ctx, conn)
	if err != nil {
		return err
	}
	if len(pending) > 0 {
		err = run(ctx, conn, fresh, pending)
	} else {
		err = emptyLog(ctx, conn)
	}
	if err != nil {
		return err
	}
	if err := applyOptions(ctx, conn, o); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "commit"); err != nil {
		return fmt.Errorf("commit the platform's objects: %w", err)
	}
	return nil
}

// requireSuperuser refuses connections that could do only half of the work.
func requireSuperuser(ctx context.Context, conn *pgx.Conn, o Options) error {
	var user string
	var super bool
	err := conn.QueryRow(ctx, `select rolname, rolsuper from pg_catalog.pg_roles where rolname = session_user`).Scan(&user, &super)
	switch {
	case err != nil:
		return fmt.Errorf("look up the connection's role: %w", err)
	case !super:
		return fmt.Errorf("role %q is not a superuser: connect as one to let the platform's roles and schemas be created", user)
	case user == "postgres" && o.StrictPostgresRole:
		return errors.New("the strict postgres role takes SUPERUSER from postgres, so another superuser has to connect: use supabase_admin")
	}
	return nil
}

// pendingFiles tells which files have to run, and whether the database is new.
func pendingFiles(ctx context.Context, conn *pgx.Conn) (fresh bool, pending []file, err error) {
	all, _ := load()
	var known bool
	if err := conn.QueryRow(ctx, `select pg_catalog.to_regclass('suparust.migrations') is not null`).Scan(&known); err != nil {
		return false, nil, fmt.Errorf("look for applied platform files: %w", err)
	}
	if !known {
		return true, all, nil
	}
	rows, err := conn.Query(ctx, `select name, checksum from suparust.migrations`)
	if err != nil {
		return false, nil, fmt.Errorf("read the applied platform files: %w", err)
	}
	applied := make(map[string]string, len(all))
	var name, sum string
	if _, err := pgx.ForEachRow(rows, []any{&name, &sum}, func() error {
		applied[name] = sum
		return nil
	}); err != nil {
		return false, nil, fmt.Errorf("read the applied platform files: %w", err)
	}
	for _, f := range all {
		if sum, ok := applied[f.name]; !ok || (sum != f.sum && !f.once) {
			pending = append(pending, f)
		}
	}
	return false, pending, nil
}

// lockRoles serializes changes to roles between databases of one cluster, which
// the advisory lock, being the database's own, does not.
const lockRoles = "lock table pg_catalog.pg_authid in share row exclusive mode;\n"

// run executes the files, one round trip each, and records them.
func run(ctx context.Context, conn *pgx.Conn, fresh bool, pending []file) error {
	prepare := lockRoles
	if fresh {
		prepare += history
	}
	if _, err := conn.Exec(ctx, prepare); err != nil {
		return fmt.Errorf("prepare the history of platform files: %w", err)
	}
	names := make([]string, len(pending))
	sums := make([]string, len(pending))
	for i, f := range pending {
		if _, err := conn.Exec(ctx, f.sql); err != nil {
			return fmt.Errorf("%s%s: %w", f.name, lineOf(f.sql, err), err)
		}
		names[i], sums[i] = f.name, f.sum
	}
	if _, err := conn.Exec(ctx, `
		insert into suparust.migrations (name, checksum)
		select * from unnest($1::text[], $2::text[])
		on conflict (name) do update set checksum = excluded.checksum, applied_at = now()`,
		names, sums); err != nil {
		return fmt.Errorf("record the applied platform files: %w", err)
	}
	if fresh {
		return emptyLog(ctx, conn)
	}
	// The event triggers rested, but a process that serves this database has to
	// learn of the change.
	if _, err := conn.Exec(ctx, `insert into suparust.ddl_log default values; notify pgrst, 'reload schema'`); err != nil {
		return fmt.Errorf("log the change of the schema: %w", err)
	}
	return nil
}

// emptyLog starts the schema's change log anew, so that counting it stays cheap
// and no row of another cluster, which a dump may have brought here, stands for a
// transaction of this one. A process with an older count loads its schema again.
func emptyLog(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, "delete from suparust.ddl_log"); err != nil {
		return fmt.Errorf("empty the schema's change log: %w", err)
	}
	return nil
}

// lineOf gives ":line" for an error that points into the text.
func lineOf(sql string, err error) string {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Position < 1 {
		return ""
	}
	line, seen := 1, int32(1)
	for _, r := range sql {
		if seen == pgErr.Position {
			break
		}
		if r == '\n' {
			line++
		}
		seen++
	}
	return fmt.Sprintf(":%d", line)
}
