package pg

import (
	"path"
	"strings"
)

// leftOut are directories whose content a start makes anew.
var leftOut = []string{"pg_dynshmem/", "pg_notify/", "pg_serial/", "pg_snapshots/", "pg_stat_tmp/", "pg_subtrans/"}

// keepInSnapshot tells whether a file of a data directory belongs to its state, the write-ahead log apart.
func keepInSnapshot(name string) bool {
	for _, dir := range leftOut {
		if strings.HasPrefix(name, dir) {
			return false
		}
	}
	if name == "postmaster.pid" || name == "postmaster.opts" || !isData(name) {
		return false
	}
	base := path.Base(name)
	return !strings.HasPrefix(base, cacheFilePrefix) && !strings.HasPrefix(base, "pgsql_tmp") && !isTemporaryRelation(name)
}

// isTemporaryRelation tells whether a file is a temporary table's: base/<database>/t<process>_<number>.
func isTemporaryRelation(name string) bool {
	rest, ok := strings.CutPrefix(path.Base(name), "t")
	if !ok || !strings.HasPrefix(name, "base/") {
		return false
	}
	process, number, ok := strings.Cut(rest, "_")
	return ok && process != "" && strings.Trim(process, "0123456789") == "" && number != "" && number[0] >= '0' && number[0] <= '9'
}

// A durable data directory is PostgreSQL's own, with a few names of ours in it.
const (
	dataLockName = "suparust.lock" // held while a server of ours runs on it
	dataPartName = ".suparust-new" // a creation that is not finished
)

// The names that an interrupted restore leaves in a data directory that is kept; see restore_durable_unix.go and
// spare_unix.go.
const (
	restorePart  = ".suparust-restoring"
	restoreNext  = ".suparust-next"
	restoreNow   = ".suparust-now"
	restoreOld   = ".suparust-old"
	restoreSpare = ".suparust-spare"
)

// isData tells whether an entry of a data directory belongs to its data, and is not ours or the file system's.
func isData(name string) bool {
	switch name {
	case dataLockName, dataPartName, restorePart, restoreNext, restoreNow, restoreOld, restoreSpare, "lost+found":
		return false
	}
	return true
}
