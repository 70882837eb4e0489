package pg

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Config says what Start starts.
type Config struct {
	// Template is cloned for an ephemeral cluster, and fills the data directory of a durable one that is still empty.
	Template *Template

	// LoadTemplate is called instead when Template is nil, and by a durable cluster only when its data directory is empty.
	LoadTemplate func(ctx context.Context) (*Template, error)

	// Snapshot, when set, is what an ephemeral cluster starts as, in the place of the template.
	Snapshot *Snapshot

	// Binaries runs a durable cluster whose data directory exists already, and one that starts from a snapshot. Default:
	// the template's.
	Binaries *Binaries

	// DataDir is the directory of a durable cluster; "" makes an ephemeral one.
	DataDir string

	// Port is the TCP port; 0 takes a free one.
	Port int

	// ListenAddr is the address the TCP port is opened on. Default: 127.0.0.1.
	ListenAddr string

	// FirstUser and FirstDatabase are whom the connection that proves readiness logs in as; TakeConn hands it over.
	// Default: authenticator and postgres.
	FirstUser, FirstDatabase string

	// Settings are further PostgreSQL settings, by name.
	Settings map[string]string

	// LogFile is where PostgreSQL writes its log. Default: a file in the cluster's run directory.
	LogFile string

	// Logger gets this package's own messages. Default: none.
	Logger *slog.Logger
}

func (c *Config) setDefaults() {
	if c.ListenAddr == "" {
		c.ListenAddr = "127.0.0.1"
	}
	if c.FirstUser == "" {
		c.FirstUser = "authenticator"
	}
	if c.FirstDatabase == "" {
		c.FirstDatabase = "postgres"
	}
	c.Logger = orDiscard(c.Logger)
}

func orDiscard(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 1}))
	}
	return l
}

// Cluster is a running PostgreSQL server with its data directory.
type Cluster struct {
	dir      *runDir
	bin      *Binaries
	tmpl     *Template // an ephemeral cluster's
	acct     account
	dataDir  string
	listen   string
	durable  bool
	logger   *slog.Logger
	launch   launch       // how the server is started again
	config   Config       // as it was started with
	release  func() error // gives back what belongs to a durable data directory
	stopOnce sync.Once
	stopErr  error
	exited   chan struct{}

	op      sync.Mutex     // held by what stops the server or makes it stand still
	base    *baseline      // what Reset goes back to; nil is what it started as
	removal sync.WaitGroup // of data directories that were replaced

	spare     *spare // of a kept data directory
	spareLife time.Duration

	mu        sync.Mutex
	srv       *server
	replacing bool // srv ends to be followed by another
	first     *pgx.Conn
}

// Port is the TCP port the server listens on; the unix socket's name carries the same number.
func (c *Cluster) Port() int { return c.current().port }

// SocketDir is the directory of the unix socket: use it as the host of a connection.
func (c *Cluster) SocketDir() string { return c.dir.path }

// Dir is the run directory of this cluster. It is removed when the cluster stops or the process ends, however it ends.
func (c *Cluster) Dir() string { return c.dir.path }

// DataDir is the data directory.
func (c *Cluster) DataDir() string { return c.dataDir }

// Binaries are what the cluster runs on.
func (c *Cluster) Binaries() *Binaries { return c.bin }

// ConnConfig returns the settings of a connection over the unix socket, where no password is asked: the permissions of
// the run directory are the guard.
func (c *Cluster) ConnConfig(user, db string) (*pgx.ConnConfig, error) {
	return socketConfig(c.dir.path, c.Port(), user, db)
}

// URL returns a connection URL over TCP, for people and their tools.
func (c *Cluster) URL(user, password, db string) string {
	u := url.URL{
		Scheme: "postgresql",
		User:   url.UserPassword(user, password),
		Host:   net.JoinHostPort(reachableHost(c.listen), strconv.Itoa(c.Port())),
		Path:   "/" + db,
	}
	return u.String()
}

// reachableHost is an address a client on this machine can use to reach a listener on addr.
func reachableHost(addr string) string {
	switch addr {
	case "", "*", "0.0.0.0":
		return "127.0.0.1"
	case "::":
		return "::1"
	}
	return addr
}

// TakeConn hands over the connection that proved the server ready, once; nil afterwards. The first connection to a
// server costs several milliseconds more than the next, so it is worth keeping.
func (c *Cluster) TakeConn() *pgx.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn := c.first
	c.first = nil
	return conn
}

// LogTail returns the last lines of PostgreSQL's log.
func (c *Cluster) LogTail(lines int) string { return tailLines(c.current().logPath, lines) }

// Exited is closed when the server process has ended, wanted or not, and none follows it.
func (c *Cluster) Exited() <-chan struct{} { return c.exited }

// current is the server that runs, or that ran last.
func (c *Cluster) current() *server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.srv
}

// serve makes srv the cluster's server.
func (c *Cluster) serve(srv *server) {
	c.mu.Lock()
	c.srv, c.replacing = srv, false
	c.mu.Unlock()
	go func() {
		<-srv.exited
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.srv == srv && !c.replacing {
			c.tellExited()
		}
	}()
}

// tellExited closes exited. A server whose replacement was given up is waited for twice. It is called with mu held.
func (c *Cluster) tellExited() {
	select {
	case <-c.exited:
	default:
		close(c.exited)
	}
}
