//go:build unix

package pg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// buildLimit bounds the making of a template. A project's seeds may take their time.
const buildLimit = 30 * time.Minute

// superuser is the bootstrap superuser of every cluster, as on the platform.
const superuser = "supabase_admin"

// hostRules is the template's pg_hba.conf: the unix socket is guarded by its directory, TCP asks for a password.
const hostRules = `local all         all               trust
local replication all               trust
host  all         all 127.0.0.1/32  scram-sha-256
host  all         all ::1/128       scram-sha-256
host  all         all all           scram-sha-256
host  replication all all           scram-sha-256
`

// serverConf replaces initdb's commented postgresql.conf. The rest comes on the command line.
const serverConf = `timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'iso, mdy'
default_text_search_config = 'pg_catalog.english'
lc_messages = 'C'
lc_monetary = 'C'
lc_numeric = 'C'
lc_time = 'C'
`

// builder is a template's cluster while it is filled.
type builder struct {
	bin  *Binaries
	acct account
	dir  *runDir
	port int
	stop func() error // clean shutdown
}

func (b *builder) dataDir() string { return filepath.Join(b.dir.path, dataName) }

func (b *builder) dsn(user, db string) string {
	q := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }
	return "host=" + q(b.dir.path) + " port=" + strconv.Itoa(b.port) + " user=" + q(user) + " dbname=" + q(db) + " sslmode=disable"
}

// buildImage makes a cluster, fills, trims and stops it, and reads its data directory.
func buildImage(ctx context.Context, s TemplateSpec) (_ *image, err error) {
	ctx, cancel := context.WithTimeout(ctx, buildLimit)
	defer cancel()
	acct, err := processAccount()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	bar := Spin(s.Progress, "preparing the database; this happens once")
	b, err := startBuilder(ctx, s, acct)
	bar.Stop()
	if err != nil {
		return nil, fmt.Errorf("the template's cluster could not be made: %w", err)
	}
	defer func() {
		if rerr := b.dir.remove(); rerr != nil {
			err = errors.Join(err, rerr)
		}
	}()
	err = b.settle(ctx)
	if err == nil && s.Build != nil {
		err = s.Build(ctx, b.dsn)
	}
	if err == nil {
		err = b.finish(ctx)
	}
	if err = errors.Join(err, b.stop()); err != nil {
		return nil, err
	}
	if err := trimFiles(b.dataDir()); err != nil {
		return nil, err
	}
	im, err := readImage(b.dataDir())
	if err != nil {
		return nil, err
	}
	s.Logger.Debug("template built", "duration", time.Since(began), "bytes", im.bytes, "files", len(im.files))
	return im, im.complete()
}

// startBuilder makes the cluster with embedded-postgres, or without it where it cannot work.
func startBuilder(ctx context.Context, s TemplateSpec, acct account) (*builder, error) {
	base := memoryBase
	if !roomInMemory(base, 200<<20) {
		var err error
		if base, err = diskBase(acct); err != nil {
			return nil, err
		}
	}
	dir, err := newRunDir(base, acct)
	if err != nil {
		return nil, err
	}
	b := &builder{bin: s.Binaries, acct: acct, dir: dir}
	err = b.startWithLibrary(ctx)
	if err != nil && ctx.Err() == nil {
		s.Logger.Debug("embedded-postgres cannot make the template's cluster here, initdb is called instead", "error", err)
		err = errors.Join(os.RemoveAll(b.dataDir()), b.startDirectly(ctx))
	}
	if err != nil {
		return nil, errors.Join(err, dir.remove())
	}
	return b, nil
}

// initdbFlags make a small cluster whose sort order is the same on every machine.
func initdbFlags(major int) []string {
	flags := []string{"--no-sync", "--no-instructions", "--wal-segsize=1", "--encoding=UTF8"}
	if major >= 17 {
		flags = append(flags, "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
	} else {
		flags = append(flags, "--locale=C.UTF-8")
	}
	if major >= 18 {
		flags = append(flags, "--no-data-checksums")
	}
	return flags
}

// startDirectly calls initdb and postgres itself.
func (b *builder) startDirectly(ctx context.Context) error {
	if err := b.initdb(ctx); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.dataDir(), "pg_hba.conf"), []byte(hostRules), 0o600); err != nil {
		return err
	}
	args, err := settingArgs(b.bin.Major, cloneSettings, nil)
	if err != nil {
		return err
	}
	srv, err := launch{
		bin: b.bin, acct: b.acct, dataDir: b.dataDir(), sockDir: b.dir.path,
		logPath: filepath.Join(b.dir.path, "postgres.log"), args: args, onDeath: syscall.SIGQUIT,
	}.start(ctx)
	if err != nil {
		return err
	}
	b.port = srv.port
	b.stop = func() error {
		if !srv.stop(syscall.SIGINT, time.Minute) {
			return errors.New("the template's cluster did not stop cleanly")
		}
		return nil
	}
	return nil
}

// settle freezes template1 before anything is written, so that its pages are final and nobody will have to write to them.
func (b *builder) settle(ctx context.Context) error {
	return b.exec(ctx, "template1", "vacuum (freeze, analyze)")
}

// finish leaves the databases in their final form. Nobody may connect to template1: its files are shared between clones.
func (b *builder) finish(ctx context.Context) error {
	return b.exec(ctx, "postgres",
		"alter database template1 allow_connections false",
		"vacuum (freeze, analyze)",
		forgetStatistics,
		"delete from pg_catalog.pg_statistic_ext_data",
		neverAnalyzed,
		"vacuum (freeze) pg_catalog.pg_class",
		"vacuum (freeze) pg_catalog.pg_statistic",
		"checkpoint")
}

// These make the planner see every table but the system's as one that was just created and filled: as in any new
// database it assumes some pages of rows in a small table, not the few or none it had when the template was made.
const (
	forgetStatistics = `
delete from pg_catalog.pg_statistic s using pg_catalog.pg_class c
where c.oid = s.starelid and c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`
	neverAnalyzed = `
update pg_catalog.pg_class set relpages = 0, reltuples = -1, relallvisible = 0
where relkind in ('r', 'm', 'i') and relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace)`
)

func (b *builder) exec(ctx context.Context, db string, statements ...string) error {
	conn, err := pgx.Connect(ctx, b.dsn(superuser, db))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, stmt := range statements {
		if _, err := conn.Exec(ctx, stmt); err != nil {
			return fmt.Errorf("finishing the template: %s: %w", stmt, err)
		}
	}
	return nil
}
