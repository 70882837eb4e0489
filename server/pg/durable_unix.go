//go:build unix

package pg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// orphanLimit is how long a server whose owner died may take to end before a new one gives up.
const orphanLimit = 90 * time.Second

// DataDirMajor returns the major version of the data directory, 0 when there is none yet.
func DataDirMajor(dir string) (int, error) {
	v, err := dataVersion(dir)
	for _, unfinished := range []string{restoreNow, restoreNext} { // a restore was interrupted
		if err == nil && v == "" {
			v, err = dataVersion(filepath.Join(dir, unfinished))
		}
	}
	if err != nil || v == "" {
		return 0, err
	}
	major, err := strconv.Atoi(v)
	if err != nil {
		return 0, fmt.Errorf("the data directory %s has an unreadable version %q", dir, v)
	}
	return major, nil
}

// durable is a data directory while it is opened.
type durable struct {
	path string
	acct account
	lock *flock.Flock
	log  *slog.Logger
}

func startDurable(ctx context.Context, c Config) (*Cluster, error) {
	path, err := filepath.Abs(c.DataDir)
	if err != nil {
		return nil, err
	}
	d, err := openDataDir(path, c.Logger)
	if err != nil {
		return nil, err
	}
	cl, err := d.start(ctx, c)
	if err != nil {
		return nil, errors.Join(err, d.lock.Close())
	}
	return cl, nil
}

// openDataDir makes the directory when it is missing, decides under whom PostgreSQL runs on it and locks it.
func openDataDir(path string, log *slog.Logger) (*durable, error) {
	info, err := os.Stat(path)
	created := errors.Is(err, fs.ErrNotExist)
	if created {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, fmt.Errorf("the data directory %s cannot be made: %w; set SUPARUST_DB_DATA_DIR to a directory you may write", path, err)
		}
		info, err = os.Stat(path)
	}
	if err != nil {
		return nil, fmt.Errorf("the data directory %s cannot be read: %w", path, err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("the data directory %s is not a directory", path)
	}
	acct, err := dataAccount(path, info)
	if err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(path, dataLockName), flock.SetPermissions(0o600))
	ok, err := tryLock(lock)
	if err != nil {
		return nil, fmt.Errorf("the data directory %s cannot be written: %w; set SUPARUST_DB_DATA_DIR to a directory you may write", path, err)
	}
	if !ok {
		_ = lock.Close()
		return nil, fmt.Errorf("another suparust runs on the data directory %s: stop it or choose another directory", path)
	}
	return &durable{path: path, acct: acct, lock: lock, log: log}, nil
}

// lockPatience is how long a lock may be held by what a process that was killed has just forked.
const lockPatience = 500 * time.Millisecond

func tryLock(lock *flock.Flock) (bool, error) {
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(10 * time.Millisecond) {
		if ok, err := lock.TryLock(); ok || err != nil || time.Now().After(deadline) {
			return ok, err
		}
	}
}

// dataAccount decides who runs PostgreSQL on the directory: its owner. As root, a directory that is still root's goes to
// the unprivileged account once it is filled, when that account can get there at all, and else stays ours by way of a
// user namespace.
func dataAccount(path string, info os.FileInfo) (account, error) {
	acct, err := processAccount()
	if err != nil || acct.mode != asOther {
		if err == nil {
			err = ownDataDir(path, info)
		}
		return acct, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && st.Uid != 0 {
		acct.uid, acct.gid = int(st.Uid), int(st.Gid)
		return acct, acct.canReach(path)
	}
	version, err := dataVersion(path)
	if err != nil {
		return acct, err
	}
	closed := acct.canReach(filepath.Dir(path))
	if version == "" && closed == nil {
		return acct, nil
	}
	mapped := mappedAccount()
	if merr := probeAccount(mapped); merr == nil {
		return mapped, nil
	}
	if version != "" {
		return acct, fmt.Errorf("the data directory %s belongs to root, as whom PostgreSQL refuses to run: give it to another user with `chown -R %d:%d %s`", path, acct.uid, acct.gid, path)
	}
	return acct, fmt.Errorf("the data directory %s cannot be used: %w; set SUPARUST_DB_DATA_DIR to a directory outside of it", path, closed)
}

func ownDataDir(path string, info os.FileInfo) error {
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("the data directory %s belongs to uid %d and we are uid %d: run as its owner or set SUPARUST_DB_DATA_DIR to a directory of your own", path, st.Uid, os.Geteuid())
	}
	return nil
}

func (d *durable) start(ctx context.Context, c Config) (*Cluster, error) {
	bin, err := d.prepare(ctx, c)
	if err != nil {
		return nil, err
	}
	args, err := settingArgs(bin.Major, durableSettings, c.Settings)
	if err != nil {
		return nil, err
	}
	base, err := diskBase(d.acct)
	if err != nil {
		return nil, err
	}
	dir, err := newRunDir(base, d.acct)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir.path, durableName), []byte(d.path+"\n"), 0o600); err != nil {
		return nil, errors.Join(err, dir.remove())
	}
	cl := &Cluster{dir: dir, bin: bin, acct: d.acct, dataDir: d.path, listen: c.ListenAddr, logger: c.Logger, durable: true, spareLife: spareLife, config: c, release: d.lock.Close, exited: make(chan struct{})}
	cl.launch = launch{
		bin: bin, acct: d.acct, dataDir: d.path, sockDir: dir.path, logPath: logPath(c, dir),
		listen: c.ListenAddr, port: c.Port, args: args, onDeath: syscall.SIGINT,
		starting: func(status string) {
			c.Logger.Info("PostgreSQL is recovering its data, waiting for it", "status", status)
		},
	}
	srv, err := cl.launch.start(ctx)
	if err != nil {
		return nil, errors.Join(err, dir.remove())
	}
	cl.serve(srv)
	if err := cl.connectFirst(ctx); err != nil {
		return nil, errors.Join(err, cl.Stop())
	}
	return cl, nil
}

// prepare makes sure that the directory holds a cluster that the binaries can run.
func (d *durable) prepare(ctx context.Context, c Config) (*Binaries, error) {
	if err := d.takeOver(ctx); err != nil {
		return nil, err
	}
	major, err := DataDirMajor(d.path)
	if err != nil {
		return nil, err
	}
	if major == 0 {
		tmpl, err := c.template(ctx)
		if err != nil {
			return nil, err
		}
		return tmpl.bin, d.create(tmpl)
	}
	bin := c.Binaries
	if bin == nil && c.Template != nil {
		bin = c.Template.bin
	}
	if bin == nil {
		return nil, errors.New("pg: Config needs Binaries for a data directory that exists")
	}
	if bin.Major != major {
		return nil, &DataVersionError{Dir: d.path, DataMajor: major, Version: bin.Version}
	}
	return bin, nil
}

// DataVersionError says that a data directory was written by another major version than the binaries'.
type DataVersionError struct {
	Dir       string
	DataMajor int
	Version   string
}

func (e *DataVersionError) Error() string {
	return fmt.Sprintf("the data directory %s was written by PostgreSQL %d and cannot be run by PostgreSQL %s: set SUPARUST_PG_VERSION=%d to go on with it, or dump it with version %d and restore it into a new directory", e.Dir, e.DataMajor, e.Version, e.DataMajor, e.DataMajor)
}

// create fills the directory from the template. Everything is written and synced below one name first; then the entries
// are moved up, PG_VERSION last. Whoever dies in between leaves a directory without PG_VERSION but with that name, and
// the next one starts over.
func (d *durable) create(t *Template) error {
	if err := d.refuseForeign(t); err != nil {
		return err
	}
	part := filepath.Join(d.path, dataPartName)
	if err := d.clearUnfinished(t, part); err != nil {
		return fmt.Errorf("what an interrupted start left in %s cannot be removed: %w", d.path, err)
	}
	full, err := t.image.withLinksCopied()
	if err == nil {
		err = full.writeTo(part, d.acct)
	}
	if err == nil {
		err = syncTree(part)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("the data directory %s cannot be filled: %w", d.path, err), os.RemoveAll(part))
	}
	for _, name := range topNames(t.image) {
		if name != "PG_VERSION" {
			if err := os.Rename(filepath.Join(part, name), filepath.Join(d.path, name)); err != nil {
				return fmt.Errorf("the data directory %s cannot be filled: %w", d.path, err)
			}
		}
	}
	if err := errors.Join(d.own(), syncPath(d.path)); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(part, "PG_VERSION"), filepath.Join(d.path, "PG_VERSION")); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(part), syncPath(d.path))
}

// own gives the directory itself to PostgreSQL's account, with the permissions it insists on.
func (d *durable) own() error {
	if err := d.acct.chown(d.path); err != nil {
		return err
	}
	return os.Chmod(d.path, 0o700)
}

// refuseForeign refuses a directory that holds something that is not ours, nor of an unfinished creation from t.
func (d *durable) refuseForeign(t *Template) error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	unfinished := exists(filepath.Join(d.path, dataPartName))
	ours := map[string]bool{}
	if t != nil {
		for _, name := range topNames(t.image) {
			ours[name] = true
		}
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case !isData(name):
		case unfinished && ours[name]:
		default:
			return fmt.Errorf("the data directory %s holds files that are not a PostgreSQL database (%s): set SUPARUST_DB_DATA_DIR to an empty directory or to one that does not exist", d.path, name)
		}
	}
	return nil
}

// clearUnfinished removes an interrupted creation, its mark last.
func (d *durable) clearUnfinished(t *Template, part string) error {
	if !exists(part) {
		return nil
	}
	for _, name := range topNames(t.image) {
		if err := os.RemoveAll(filepath.Join(d.path, name)); err != nil {
			return err
		}
	}
	return os.RemoveAll(part)
}

// topNames lists the entries at the top of a data directory.
func topNames(im *image) []string {
	var names []string
	for _, dir := range im.dirs {
		if !strings.Contains(dir, "/") {
			names = append(names, dir)
		}
	}
	for _, f := range im.files {
		if f.dir < 0 {
			names = append(names, f.name)
		}
	}
	return names
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// takeOver ends what a process that died has left running, and then what it has left undone: before, its server would
// write its last checkpoint into files that are not its own.
func (d *durable) takeOver(ctx context.Context) error {
	if err := d.awaitPredecessor(ctx); err != nil {
		return err
	}
	return d.finishRestore()
}

// awaitPredecessor deals with the postmaster.pid of a server that died or is dying. We hold the directory's lock, so no
// living suparust owns that server.
func (d *durable) awaitPredecessor(ctx context.Context) error {
	pf, err := readPidFile(d.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return d.removePidFile(pf) // empty or cut off: written while the machine went down
	}
	if isPostgresOn(pf.pid, d.path) {
		if !startedByUs(pf.pid) {
			return fmt.Errorf("a PostgreSQL that suparust did not start (process %d) runs on the data directory %s: stop it first", pf.pid, d.path)
		}
		d.log.Info("the server of an earlier process is still stopping, waiting for it", "pid", pf.pid)
		thawTree(pf.pid) // it may have been left in the middle of a snapshot
		_ = syscall.Kill(pf.pid, syscall.SIGINT)
	}
	deadline := time.NewTimer(orphanLimit)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for isPostgresOn(pf.pid, d.path) || sharedMemoryInUse(pf.shmID) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return fmt.Errorf("processes of an earlier PostgreSQL (process %d) still use the data directory %s: end them first", pf.pid, d.path)
		}
	}
	return d.removePidFile(pf)
}

// removePidFile removes a stale postmaster.pid: PostgreSQL itself would refuse to start when the number in it has gone
// to another process of the same user, which in a container is the rule.
func (d *durable) removePidFile(pf pidFile) error {
	removeSharedMemory(pf.shmID)
	err := os.Remove(filepath.Join(d.path, "postmaster.pid"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
