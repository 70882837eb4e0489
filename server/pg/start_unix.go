//go:build unix

package pg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// startLimit bounds the start of a clone, from its turn on, when the caller's context does not.
const startLimit = 60 * time.Second

// startSlots keep parallel tests from starting more servers at once than there are processors: together they would all be late.
var startSlots = make(chan struct{}, max(2, runtime.NumCPU()))

// Start starts a cluster and returns when it accepts connections: a clone of the template, or with DataDir a durable one.
func Start(ctx context.Context, c Config) (*Cluster, error) {
	c.setDefaults()
	if c.DataDir != "" {
		return startDurable(ctx, c)
	}
	return startClone(ctx, c)
}

func startClone(ctx context.Context, c Config) (*Cluster, error) {
	tmpl, bin, err := c.origin(ctx)
	if err != nil {
		return nil, err
	}
	acct, err := processAccount()
	if err != nil {
		return nil, err
	}
	args, err := settingArgs(bin.Major, cloneSettings, c.Settings)
	if err != nil {
		return nil, err
	}
	done, err := startSlot(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	var cl *Cluster
	if c.Snapshot != nil {
		cl, err = startSnapshotOn(ctx, c, bin, acct, args)
	} else {
		err = onBases(tmpl.image, acct, c.Logger, func(base string) (err error) {
			cl, err = startCloneOn(ctx, c, base, tmpl, acct, args)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	if err := cl.connectFirst(ctx); err != nil {
		return nil, errors.Join(err, cl.Stop())
	}
	return cl, nil
}

// origin is what an ephemeral cluster starts as, and what runs it: the snapshot, or else the template.
func (c *Config) origin(ctx context.Context) (*Template, *Binaries, error) {
	if c.Snapshot == nil {
		tmpl, err := c.template(ctx)
		if err != nil {
			return nil, nil, err
		}
		return tmpl, tmpl.bin, nil
	}
	bin := c.Binaries
	if bin == nil && c.Template != nil {
		bin = c.Template.bin
	}
	if bin == nil {
		return nil, nil, errors.New("pg: Config needs Binaries for a snapshot")
	}
	return nil, bin, c.Snapshot.fits(bin)
}

// startSlot waits until few enough others start.
func startSlot(ctx context.Context) (done func(), err error) {
	select {
	case startSlots <- struct{}{}:
		return func() { <-startSlots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// startCloneOn clones and starts. The server is started as soon as it has what it reads then, and the rest is written
// beside it. With a port that others know they could connect too early, so then the clone is finished first.
func startCloneOn(ctx context.Context, c Config, base string, tmpl *Template, acct account, args []string) (*Cluster, error) {
	cp, err := beginClone(base, tmpl.image, acct)
	if err != nil {
		return nil, err
	}
	written := make(chan error, 1)
	if c.Port != 0 {
		written <- cp.finish()
	} else {
		go func() { written <- cp.finish() }()
	}
	cl := c.ephemeral(cp.dir, tmpl.bin, acct, args)
	cl.tmpl = tmpl
	srv, err := cl.launch.start(ctx)
	if werr := <-written; werr != nil {
		if err == nil {
			srv.stop(syscall.SIGQUIT, stopGrace)
		}
		err = werr // the server may have failed for lack of the same room
	}
	if err != nil {
		return nil, errors.Join(err, cp.dir.remove())
	}
	cl.serve(srv)
	return cl, nil
}

// ephemeral is a cluster in dir that is not started yet.
func (c *Config) ephemeral(dir *runDir, bin *Binaries, acct account, args []string) *Cluster {
	cl := &Cluster{dir: dir, bin: bin, acct: acct, dataDir: filepath.Join(dir.path, dataName), listen: c.ListenAddr, logger: c.Logger, config: *c, exited: make(chan struct{})}
	cl.launch = launch{
		bin: bin, acct: acct, dataDir: cl.dataDir, sockDir: dir.path, logPath: logPath(*c, dir),
		listen: c.ListenAddr, port: c.Port, args: args, onDeath: syscall.SIGQUIT,
	}
	return cl
}

func (c *Config) template(ctx context.Context) (*Template, error) {
	if c.Template != nil {
		return c.Template, nil
	}
	if c.LoadTemplate != nil {
		return c.LoadTemplate(ctx)
	}
	return nil, errors.New("pg: Config needs a Template")
}

func logPath(c Config, dir *runDir) string {
	if c.LogFile != "" {
		return c.LogFile
	}
	return filepath.Join(dir.path, "postgres.log")
}

// connectFirst opens the connection that TakeConn hands over.
func (c *Cluster) connectFirst(ctx context.Context) error {
	cc, err := c.ConnConfig(c.config.FirstUser, c.config.FirstDatabase)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return fmt.Errorf("PostgreSQL runs but refuses its first connection: %w\n%s", err, c.LogTail(20))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first = conn
	return nil
}

// Stop stops the server. An ephemeral cluster is stopped at once and its directory removed; a durable one writes its
// last checkpoint and keeps its data. Further calls return the first one's result.
func (c *Cluster) Stop() error {
	c.stopOnce.Do(func() { c.stopErr = c.stop() })
	return c.stopErr
}

// durableStopLimit is how long a durable server may take for its last checkpoint.
const durableStopLimit = 60 * time.Second

func (c *Cluster) stop() error {
	c.op.Lock()
	defer c.op.Unlock()
	if conn := c.TakeConn(); conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_ = conn.Close(ctx)
		cancel()
	}
	var errs []error
	srv := c.current()
	if c.durable {
		if !srv.stop(syscall.SIGINT, durableStopLimit) {
			errs = append(errs, fmt.Errorf("PostgreSQL did not finish its last checkpoint within %s and was stopped at once; its next start recovers the data in %s", durableStopLimit, c.dataDir))
		}
	} else if !srv.stop(syscall.SIGQUIT, stopGrace) {
		c.logger.Warn("PostgreSQL did not stop when told and was killed", "pid", srv.pid)
	}
	if !c.durable {
		freeKilled(c.dataDir)
	} else {
		freeUnused(c.dataDir)
		c.endSpare()
		c.removeSpare()
	}
	c.removal.Wait()
	errs = append(errs, c.base.remove())
	if c.release != nil {
		errs = append(errs, c.release())
	}
	if err := c.dir.remove(); err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, fmt.Errorf("the run directory could not be removed: %w", err))
	}
	return errors.Join(errs...)
}
