package suparusttest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/server/pg"
)

// WithSharedCluster gives the test a database of its own in one PostgreSQL that
// all tests with this option share, in the place of a PostgreSQL of its own:
// less memory, for a machine that has little of it. The server is the test's
// own, and its database begins as the same template and is dropped at the end.
//
// What PostgreSQL has once for all databases is shared: roles with their
// passwords, attributes and memberships, settings by alter system and alter
// role, replication slots, the log, and the processor and locks of checkpoints.
// A test that makes or alters a role meets the others. The database is not
// called postgres, so SQL must not name it. Snapshot, Restore, Reset, Branch and
// Disconnect need a PostgreSQL of the test's own and fail; so does this option
// beside WithSnapshot, WithDatabaseURL and WithSQLClock.
func WithSharedCluster() Option { return func(o *options) { o.shared = true } }

// sharedSettings are for a PostgreSQL that every test of the process is on.
var sharedSettings = map[string]string{"max_connections": "1000", "shared_buffers": "64MB"}

// sharedAdmin owns the platform's objects. Its password is that of every
// template.
const sharedAdmin, sharedPassword = "supabase_admin", "postgres"

// statementLimit bounds the making and the removal of a test's database.
const statementLimit = 30 * time.Second

// shared holds the PostgreSQLs with a database per test, one for each template
// in use. They end with the process, however it ends; Main stops them before.
var shared struct {
	sync.Mutex
	byKey map[string]*sharedCluster
}

// sharedCluster is a PostgreSQL with a database per test.
type sharedCluster struct {
	mu      sync.Mutex // one database is made or dropped at a time
	cluster *pg.Cluster
	conn    *pgx.Conn // to the database that the others are copies of
}

// takeDatabase makes a database for a server of this configuration, and sets
// where it is. drop removes it when the server has ended.
func takeDatabase(ctx context.Context, cfg *server.Config) (drop func() error, err error) {
	if !pooled(*cfg) || cfg.SQLClock {
		return nil, errors.New("WithSharedCluster gives a database in a PostgreSQL that others share: leave out WithSnapshot, WithDatabaseURL, WithSQLClock and a database of Config's own, or WithSharedCluster")
	}
	t, err := server.LoadTemplate(ctx, *cfg)
	if err != nil {
		return nil, err
	}
	shared.Lock()
	s := shared.byKey[t.Key()]
	if s == nil {
		if shared.byKey == nil {
			shared.byKey = map[string]*sharedCluster{}
		}
		s = &sharedCluster{}
		shared.byKey[t.Key()] = s
	}
	shared.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.start(ctx, t); err != nil {
		return nil, err
	}
	name := "test_" + strings.ToLower(rand.Text())
	scratch := filepath.Join(s.cluster.Dir(), name)
	drop = func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		return errors.Join(s.drop(name), os.RemoveAll(scratch))
	}
	if err := s.create(ctx, name); err != nil {
		return nil, fmt.Errorf("make a database in the shared PostgreSQL: %w", err)
	}
	if cfg.Storage.Root == "" && cfg.Storage.Scratch == "" {
		cfg.Storage.Scratch = scratch
		if err := os.Mkdir(scratch, 0o700); err != nil {
			return nil, errors.Join(err, s.drop(name))
		}
	}
	cfg.Database.URL = s.cluster.URL(sharedAdmin, sharedPassword, name)
	return drop, nil
}

// start starts PostgreSQL where it does not run, and connects to it.
func (s *sharedCluster) start(ctx context.Context, t *pg.Template) (err error) {
	if s.cluster == nil {
		s.cluster, err = pg.Start(ctx, pg.Config{Template: t, FirstUser: sharedAdmin, Settings: sharedSettings})
		if err != nil {
			return err
		}
		s.conn = s.cluster.TakeConn()
	}
	return s.connect(ctx)
}

// connect opens the connection anew when it has ended: a test may have ended
// every one.
func (s *sharedCluster) connect(ctx context.Context) error {
	if s.conn != nil && s.conn.Ping(ctx) == nil {
		return nil
	}
	cfg, err := s.cluster.ConnConfig(sharedAdmin, "postgres")
	if err != nil {
		return err
	}
	s.conn, err = pgx.ConnectConfig(ctx, cfg)
	return err
}

// settle gives a database what create database does not copy: who may do what
// with it, and its settings.
const settle = `
update pg_catalog.pg_database d set datacl = t.datacl from pg_catalog.pg_database t where d.datname = $1 and t.datname = 'postgres'`

const settleSettings = `
insert into pg_catalog.pg_db_role_setting (setdatabase, setrole, setconfig)
select d.oid, s.setrole, s.setconfig
from pg_catalog.pg_db_role_setting s
	join pg_catalog.pg_database t on t.oid = s.setdatabase and t.datname = 'postgres'
	join pg_catalog.pg_database d on d.datname = $1`

func (s *sharedCluster) create(ctx context.Context, name string) error {
	// carried through: half a database would be left by who goes away
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), statementLimit)
	defer cancel()
	ident := pgx.Identifier{name}.Sanitize()
	// a copy of files: nothing of the database goes through the log
	if _, err := s.conn.Exec(ctx, "create database "+ident+" template postgres owner postgres strategy file_copy"); err != nil {
		return err
	}
	for _, sql := range []string{settle, settleSettings} {
		if _, err := s.conn.Exec(ctx, sql, name); err != nil {
			return errors.Join(err, s.drop(name))
		}
	}
	return nil
}

// drop removes a database and cuts who is still connected.
func (s *sharedCluster) drop(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit)
	defer cancel()
	if s.cluster == nil {
		return nil // the PostgreSQL has ended, and the database with it
	}
	err := s.connect(ctx)
	if err == nil {
		_, err = s.conn.Exec(ctx, "drop database if exists "+pgx.Identifier{name}.Sanitize()+" with (force)")
	}
	if err != nil {
		return fmt.Errorf("drop the database of the test: %w", err)
	}
	return nil
}

// closeShared stops the PostgreSQLs with a database per test.
func closeShared() error {
	shared.Lock()
	all := shared.byKey
	shared.byKey = nil
	shared.Unlock()
	var errs []error
	for _, s := range all {
		errs = append(errs, s.stop())
	}
	return errors.Join(errs...)
}

func (s *sharedCluster) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster == nil {
		return nil
	}
	if s.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.conn.Close(ctx) // its PostgreSQL ends now
	}
	err := s.cluster.Stop()
	s.cluster, s.conn = nil, nil
	return err
}
