//go:build !unix

package pg

import (
	"context"
	"errors"
	"os"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// errUnsupported says what to do where clusters cannot be run. Binaries can be found and fetched all the same.
var errUnsupported = errors.New("suparust runs PostgreSQL itself on Linux and macOS only: use WSL 2, or point SUPARUST_DB_URL at a PostgreSQL that runs already")

const noFollow = 0

type account struct{}

func processAccount() (account, error) { return account{}, nil }

func (account) sysProcAttr() *syscall.SysProcAttr { return nil }

func (account) canReach(string) error { return nil }

func (account) chown(string) error { return nil }

func ownedByUs(string) error { return nil }

func diskBase(account) (string, error) { return os.TempDir(), nil }

func sweep(string) {}

func spreadBelow(string) {}

func syncPath(string) error { return nil }

func watchdogAdd(string) {}

func watchdogRemove(string) {}

type launch struct{}

type baseline struct{}

type spare struct{}

type archiveWriter struct{}

// Snapshot copies the data directory: not here.
func (c *Cluster) Snapshot(context.Context, SnapshotOptions) (*Snapshot, error) {
	return nil, errUnsupported
}

// Restore brings the cluster back to a snapshot: not here.
func (c *Cluster) Restore(context.Context, *Snapshot, func()) error { return errUnsupported }

// Mark makes the present state the one that Reset goes back to: not here.
func (c *Cluster) Mark(context.Context, *pgx.Conn, func()) error { return errUnsupported }

// Reset brings the cluster back to its start: not here.
func (c *Cluster) Reset(context.Context, func()) error { return errUnsupported }

// SnapshotDataDir copies a data directory: not here.
func SnapshotDataDir(context.Context, string, SnapshotOptions) (*Snapshot, error) {
	return nil, errUnsupported
}

// RestoreDataDir replaces the data in a data directory: not here.
func RestoreDataDir(context.Context, string, *Snapshot) error { return errUnsupported }

type server struct {
	port    int
	logPath string
	exited  chan struct{}
}

// Start starts a cluster: not here.
func Start(context.Context, Config) (*Cluster, error) { return nil, errUnsupported }

// Stop stops the cluster.
func (c *Cluster) Stop() error { return errUnsupported }

// DataDirMajor returns the major version of the data directory: not here.
func DataDirMajor(string) (int, error) { return 0, errUnsupported }

func loadImage(context.Context, TemplateSpec, string) (*image, error) { return nil, errUnsupported }

// Guard does nothing: not here.
func Guard(int, string) (release func()) { return func() {} }

// Machine is what clusters find on this machine.
type Machine struct {
	Account    string
	AccountErr error
	Memory     string
	MemoryFree int64
	Disk       string
	DiskFree   int64
	DiskErr    error
	Leftovers  []string
}

// RoomInMemory is nothing: not here.
func (m *Machine) RoomInMemory() int64 { return 0 }

// Examine finds that clusters cannot be run here.
func Examine() Machine { return Machine{AccountErr: errUnsupported, MemoryFree: -1, DiskFree: -1} }

// Free tells nothing: not here.
func Free(string) int64 { return -1 }
