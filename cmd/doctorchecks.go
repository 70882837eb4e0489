package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/suparust/suparust/server/pg"
)

// project reads the folder's settings.
func (x *examination) project(workdir string) {
	root, err := projectRoot(workdir)
	if err == nil {
		x.root = root
		x.settings, err = x.app.settings(settingFlags{Workdir: workdir})
	}
	switch {
	case err != nil:
		x.add("settings", broken, "correct what the sentence names; docs/configuration.md lists every setting", "%s", strings.TrimSpace(err.Error()))
		return
	case root == "":
		x.add("project", healthy, "", "no supabase folder from here upward: this folder is served")
	default:
		x.add("project", healthy, "", "%s", filepath.Join(root, "supabase"))
	}
	for _, n := range x.settings.notes {
		if n.Level < slog.LevelWarn {
			continue
		}
		x.add("settings", doubtful, "follow the sentence, or leave it: the server starts all the same", "%s", n.Text)
	}
}

// binaries finds PostgreSQL without fetching it.
func (x *examination) binaries() {
	d := x.config().Database
	if d.URL != "" {
		x.add("PostgreSQL", healthy, "", "external, by SUPARUST_DB_URL")
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	bin, err := pg.Resolve(ctx, pg.ResolveOptions{Major: d.Version, BinDir: d.BinDir, CacheDir: d.CacheDir, Offline: true})
	var none *pg.NotFoundError
	switch {
	case errors.As(err, &none) && len(none.Causes) == 0:
		x.add("PostgreSQL", doubtful, "run `suparust prefetch` while there is a network", "version %d is not on this machine yet: the first start fetches it", none.Major)
	case err != nil:
		x.add("PostgreSQL", broken, "install PostgreSQL, or set SUPARUST_PG_BIN to the bin directory of one", "%s", err)
	case d.Version != 0 && bin.Major != d.Version:
		x.add("PostgreSQL", doubtful, "run `suparust prefetch` while there is a network", "%s in %s, in the place of version %d", bin.Version, bin.BinDir, d.Version)
	default:
		x.add("PostgreSQL", healthy, "", "%s in %s (%s)", bin.Version, bin.BinDir, bin.Source)
	}
}

// account tells as whom PostgreSQL runs.
func (x *examination) account() {
	if err := x.machine.AccountErr; err != nil {
		x.add("user", broken, "run suparust as an ordinary user, or give the container the capabilities SETUID, SETGID and CHOWN", "%s", err)
		return
	}
	if _, err := user.LookupId(strconv.Itoa(os.Geteuid())); err != nil && runtime.GOOS != "windows" {
		x.add("user", broken, "run as a user that /etc/passwd names, or add one: echo 'suparust:x:"+strconv.Itoa(os.Geteuid())+":0::/tmp:/bin/sh' >> /etc/passwd",
			"uid %d has no name, and PostgreSQL's initdb asks for it", os.Geteuid())
		return
	}
	x.add("user", healthy, "", "PostgreSQL runs %s", x.machine.Account)
}

// leastFree is how much of a disk should be free.
const leastFree = 256 << 20

// places are where the databases of tests and of exec live.
func (x *examination) places() {
	m := &x.machine
	switch {
	case m.AccountErr != nil:
		return
	case m.MemoryFree >= m.RoomInMemory():
		x.add("memory", healthy, "", "%d MB free in %s for the databases of tests", megabytes(m.MemoryFree), m.Memory)
	case runtime.GOOS != "linux":
		x.add("memory", healthy, "", "databases of tests are on disk: only Linux has a directory in memory at hand")
	case m.MemoryFree < 0:
		x.add("memory", doubtful, "mount a tmpfs there that this user may write to", "%s is not in memory, or closed: the databases of tests are on disk, and start slower", m.Memory)
	default:
		x.add("memory", doubtful, fmt.Sprintf("give it more, in a container with --shm-size=1g; %d MB are the least", megabytes(m.RoomInMemory())),
			"%d MB free in %s: the databases of tests are on disk, and start slower", megabytes(m.MemoryFree), m.Memory)
	}
	switch {
	case m.DiskErr != nil:
		x.add("temporary", broken, "set TMPDIR to a directory that every user may pass", "%s", m.DiskErr)
	case m.DiskFree >= 0 && m.DiskFree < leastFree:
		x.add("temporary", doubtful, "free some space, or set TMPDIR to a larger disk", "%d MB free in %s", megabytes(m.DiskFree), m.Disk)
	default:
		x.add("temporary", healthy, "", "%d MB free in %s", megabytes(m.DiskFree), m.Disk)
	}
	if n := len(m.Leftovers); n > 0 {
		x.add("leftovers", doubtful, "start a server or a test: that removes them", "directories of processes that were killed: %s", strings.Join(m.Leftovers, ", "))
	}
}

// cache is where binaries and templates are kept.
func (x *examination) cache() {
	dir := x.config().Database.CacheDir
	if dir == "" {
		dir = pg.DefaultCacheDir()
	}
	x.writable("cache", dir, "set SUPARUST_CACHE_DIR to a directory that this user may write to")
}

// writable checks a directory, or the one that it will be made in.
func (x *examination) writable(check, dir, remedy string) {
	at := dir
	info, err := os.Stat(at)
	for errors.Is(err, fs.ErrNotExist) && filepath.Dir(at) != at {
		at = filepath.Dir(at)
		info, err = os.Stat(at)
	}
	switch {
	case err != nil:
		x.add(check, broken, remedy, "%s: %s", dir, pathless(err))
		return
	case !info.IsDir():
		x.add(check, broken, remedy, "%s is no folder", at)
		return
	}
	probe, err := os.CreateTemp(at, ".suparust-probe-")
	if err == nil {
		err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	free := pg.Free(at)
	switch {
	case err != nil:
		x.add(check, broken, remedy, "%s cannot be written: %s", at, pathless(err))
	case free >= 0 && free < leastFree:
		x.add(check, doubtful, "free some space", "%d MB free in %s", megabytes(free), dir)
	case free < 0:
		x.add(check, healthy, "", "%s", dir)
	default:
		x.add(check, healthy, "", "%s (%d MB free)", dir, megabytes(free))
	}
}

// data looks at the database's directory and at the files.
func (x *examination) data() {
	c := x.config()
	if c.Database.URL == "" {
		major, err := pg.DataDirMajor(c.Database.DataDir)
		switch {
		case err != nil:
			x.add("database", broken, "run suparust as the user that owns the directory, or set SUPARUST_DB_DATA_DIR", "%s", err)
		case major == 0:
			x.writable("database", c.Database.DataDir, "run in a folder that can be written, or set SUPARUST_DB_DATA_DIR")
		case major < pg.MinMajor || major > pg.MaxMajor:
			x.add("database", broken, fmt.Sprintf("dump it with PostgreSQL %d and restore it into a new directory, named by SUPARUST_DB_DATA_DIR", major),
				"%s was written by PostgreSQL %d; this release runs %d to %d", c.Database.DataDir, major, pg.MinMajor, pg.MaxMajor)
		default:
			x.add("database", healthy, "", "%s, of PostgreSQL %d (%d MB free)", c.Database.DataDir, major, megabytes(max(0, pg.Free(c.Database.DataDir))))
		}
	}
	if c.Storage.Backend == "s3" {
		x.add("files", healthy, "", "in the bucket of SUPARUST_S3_BUCKET")
		return
	}
	x.writable("files", c.Storage.Root, "run in a folder that can be written, or set SUPARUST_STORAGE_ROOT")
}

// secrets looks at who may read the environment file.
func (x *examination) secrets() {
	e := x.settings.environ
	if !e.exists {
		x.add("environment", healthy, "", "%s is not there", e.path)
		return
	}
	info, err := os.Stat(e.path)
	if err != nil {
		x.add("environment", broken, "make it readable for this user", "%s: %s", e.path, pathless(err))
		return
	}
	secret := false
	for name, value := range e.file {
		secret = secret || value != "" && (strings.Contains(name, "SECRET") || strings.Contains(name, "PASSWORD") || strings.Contains(name, "SERVICE_ROLE"))
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 && secret {
		x.add("environment", doubtful, "chmod 600 "+shellWord(e.path), "%s holds secrets and can be read by other users (mode %04o)", e.path, mode)
		return
	}
	x.add("environment", healthy, "", "%s", e.path)
}

// servers looks at the PID files, and removes none.
func (x *examination) servers() {
	entries, err := os.ReadDir(x.settings.base)
	if err != nil {
		x.add("servers", broken, "run in a folder that can be read", "%s", err)
		return
	}
	paths := map[string]int{}
	for _, e := range entries {
		if port, ok := x.app.id.pidFilePort(e.Name()); ok {
			paths[filepath.Join(x.settings.base, e.Name())] = port
		}
	}
	if path, ok := x.settings.environ.lookup("SUPARUST_PID_FILE"); ok && path != "" {
		paths = map[string]int{path: x.config().Port}
	}
	count := 0
	for path, port := range paths {
		pid, err := runningPID(path)
		switch {
		case err != nil:
			x.add("servers", broken, "run suparust as the user that owns the file", "%s", err)
		case pid != 0:
			x.serving = x.serving || port == x.config().Port
			x.add("servers", healthy, "", "one runs on port %d (PID %d)", port, pid)
		default:
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				continue
			}
			x.add("servers", doubtful, "rm "+shellWord(path)+", or start or stop the server: that removes it", "%s is stale: its server has ended without cleaning up", path)
		}
		count++
	}
	if count == 0 {
		x.add("servers", healthy, "", "none runs in this folder")
	}
}

// ports looks whether the ports are free, or our own server's.
func (x *examination) ports() {
	c := x.config()
	if x.serving {
		return // they are taken, by the server itself
	}
	type listener struct {
		what, addr, setting string
		port                int
	}
	list := []listener{{"the API", c.BindAddr, "SUPARUST_PORT", c.Port}}
	if c.Database.URL == "" {
		list = append(list, listener{"PostgreSQL", c.Database.ListenAddr, "SUPARUST_DB_PORT", c.DatabasePort()})
	}
	if !c.Mail.Disabled {
		list = append(list, listener{"the mailbox", c.Mail.ListenAddr, "SUPARUST_MAIL_PORT", c.Mail.Port})
	}
	for _, l := range list {
		if l.port <= 0 {
			continue // a free one is taken
		}
		socket, err := net.Listen("tcp", net.JoinHostPort(l.addr, strconv.Itoa(l.port)))
		if err == nil {
			err = socket.Close()
		}
		if err != nil {
			var op *net.OpError
			if errors.As(err, &op) {
				err = op.Err
			}
			x.add("port "+strconv.Itoa(l.port), broken, fmt.Sprintf("stop what listens there, or choose another with %s", l.setting), "%s cannot have it: %s", l.what, err)
			continue
		}
		x.add("port "+strconv.Itoa(l.port), healthy, "", "free for %s", l.what)
	}
}

// programs are those that some commands need, and nothing else.
func (x *examination) programs() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	d := x.config().Database
	wanted := d.Version
	if wanted == 0 {
		wanted = pg.DefaultMajor
	}
	for _, p := range []struct {
		name, use string
		atLeast   int
	}{{"psql", "suparust db psql", 1}, {"pg_dump", "suparust db dump", wanted}} {
		path, found := pg.FindClient(ctx, p.name, d.BinDir, p.atLeast)
		if path != "" {
			x.add(p.name, healthy, "", "%s", path)
			continue
		}
		version := ""
		if p.atLeast > 1 {
			version = strconv.Itoa(p.atLeast)
		}
		sentence, remedy, _ := strings.Cut(missingClient(p.name, version, found).Error(), ": ")
		x.add(p.name, doubtful, remedy, "%s; only `%s` needs it", sentence, p.use)
	}
	if path, err := exec.LookPath("node"); err != nil {
		x.add("node", doubtful, "install Node.js 20 or newer from your system's packages", "not found in PATH; only the tests of JavaScript apps need it")
	} else if out, err := exec.CommandContext(ctx, path, "--version").Output(); err != nil {
		x.add("node", doubtful, "install it anew", "%s cannot be run: %s", path, err)
	} else {
		x.add("node", healthy, "", "%s in %s", strings.TrimSpace(string(out)), path)
	}
}
