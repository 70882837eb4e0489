package pg

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// DefaultCacheDir is where binaries and templates are kept: the user's cache directory, or as root /var/cache/suparust,
// for root's home is closed to the user under whom PostgreSQL then runs.
func DefaultCacheDir() string {
	if os.Geteuid() == 0 {
		return "/var/cache/suparust"
	}
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "suparust")
	}
	return filepath.Join(os.TempDir(), "suparust-cache-"+strconv.Itoa(os.Geteuid()))
}

// makeCacheDir makes a directory below the cache that every user may pass.
func makeCacheDir(cache, name string) (string, error) {
	dir := filepath.Join(cache, name)
	made := dir
	for p := filepath.Dir(dir); !exists(p) && p != filepath.Dir(p); p = filepath.Dir(p) {
		made = p
	}
	existed := exists(made)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := ownedByUs(cache); err != nil {
		return "", err
	}
	if existed {
		return dir, nil
	}
	// the umask may have taken rights away from what we made
	for p := dir; ; p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil || p == made {
			return dir, err
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, os.ErrNotExist)
}

// tree is an unpacked archive of binaries in the cache.
type tree struct {
	path    string
	id      string
	version string
	minor   int
}

// templateSuffix ends the file of a template, <key>-<checksum>.tar.zst: its name says what must be in it.
const templateSuffix = ".tar.zst"

const treeMarker = ".suparust-complete"

// treeName is the name of a tree: version, platform, id, and for one with extensions added theirs.
var treeName = regexp.MustCompile(`^(\d+)\.(\d+)-([a-z0-9]+)-([a-z0-9]+)-([0-9a-f]{12})(-[0-9a-f]{12})?$`)

func treeDirName(version, id string) string {
	return fmt.Sprintf("%s-%s-%s-%s", version, runtime.GOOS, runtime.GOARCH, id)
}

// cachedTrees lists the complete trees of a major version for this platform, newest version first.
func cachedTrees(cache string, major int) []tree {
	var trees []tree
	entries, err := os.ReadDir(filepath.Join(cache, "pg"))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		m := treeName.FindStringSubmatch(e.Name())
		if m == nil || m[6] != "" || m[1] != strconv.Itoa(major) || m[3] != runtime.GOOS || m[4] != runtime.GOARCH {
			continue
		}
		path := filepath.Join(cache, "pg", e.Name())
		if !isFile(filepath.Join(path, treeMarker)) {
			continue
		}
		minor, err := strconv.Atoi(m[2])
		if err != nil {
			continue
		}
		trees = append(trees, tree{path: path, id: m[5], version: m[1] + "." + m[2], minor: minor})
	}
	slices.SortFunc(trees, func(a, b tree) int {
		return cmp.Or(cmp.Compare(b.minor, a.minor), strings.Compare(a.id, b.id))
	})
	return trees
}
