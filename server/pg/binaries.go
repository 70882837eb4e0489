package pg

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
)

// DefaultMajor is the PostgreSQL version that is run when none is asked for; MinMajor and MaxMajor are the ends of what
// is tested.
const (
	DefaultMajor = 17
	MinMajor     = 15
	MaxMajor     = 18
)

// Binaries are the programs of one PostgreSQL version.
type Binaries struct {
	// BinDir is the directory that holds postgres, initdb and pg_ctl.
	BinDir string
	// ShareDir is the directory that holds the extensions' scripts.
	ShareDir string
	// Version is the full version, "17.10".
	Version string
	// Major is its first number.
	Major int
	// Source says where they came from, for people.
	Source string
	// ID names their content: it changes when they do.
	ID string

	tree    string // the directory above, when this package unpacked it
	private bool   // the tree is this process's alone
}

// ResolveOptions say which binaries are wanted and where they may be kept.
type ResolveOptions struct {
	// Major is the wanted major version; 0 means DefaultMajor.
	Major int
	// BinDir is a directory with postgres in it. When it is set nothing else is tried.
	BinDir string
	// CacheDir keeps what is downloaded or unpacked. Default: see DefaultCacheDir.
	CacheDir string
	// Progress shows a progress bar while something is fetched or unpacked; nil shows none.
	Progress io.Writer
	// Offline takes only what is on this machine.
	Offline bool
	// Logger gets what was tried; nil logs nothing.
	Logger *slog.Logger
	// Extensions are added to a PostgreSQL that was downloaded, unpacked or built in; one that is installed on the machine
	// keeps what it has. The zero value adds none.
	Extensions Extensions
}

type resolveKey struct {
	major            int
	binDir, cacheDir string
	offline          bool
	extensions       string
}

type resolveCall struct {
	done chan struct{}
	bin  *Binaries
	err  error
}

var (
	resolveMu    sync.Mutex
	resolveCalls = map[resolveKey]*resolveCall{}
)

// Resolve finds PostgreSQL's binaries, fetching them when it must. Callers in one process that want the same share one
// search and its result; a search that failed is repeated by the next caller.
func Resolve(ctx context.Context, o ResolveOptions) (*Binaries, error) {
	if o.Major == 0 {
		o.Major = DefaultMajor
	}
	if o.Major < MinMajor && o.BinDir == "" {
		return nil, fmt.Errorf("PostgreSQL %d is too old: choose a version from %d to %d", o.Major, MinMajor, MaxMajor)
	}
	if o.CacheDir == "" {
		o.CacheDir = DefaultCacheDir()
	}
	var err error
	if o.CacheDir, err = filepath.Abs(o.CacheDir); err != nil {
		return nil, err
	}
	key := resolveKey{o.Major, o.BinDir, o.CacheDir, o.Offline, o.Extensions.ID}
	for {
		resolveMu.Lock()
		call := resolveCalls[key]
		if call == nil {
			call = &resolveCall{done: make(chan struct{})}
			resolveCalls[key] = call
			resolveMu.Unlock()
			call.bin, call.err = newResolver(o).resolve(ctx)
			if call.err != nil {
				resolveMu.Lock()
				delete(resolveCalls, key)
				resolveMu.Unlock()
			}
			close(call.done)
			return call.bin, call.err
		}
		resolveMu.Unlock()
		select {
		case <-call.done:
			if call.err == nil {
				return call.bin, nil
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			// the one who searched may have been cancelled: search again for ourselves
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
