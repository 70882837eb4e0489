package pg

import (
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// cloneSettings make a throw-away server small and quick: nothing it writes has to survive a crash, nothing runs in the
// background, shared memory lives in the data directory and dies with it.
var cloneSettings = map[string]string{
	"fsync":                           "off",
	"synchronous_commit":              "off",
	"full_page_writes":                "off",
	"shared_buffers":                  "8MB",
	"max_connections":                 "30",
	"autovacuum":                      "off",
	"jit":                             "off",
	"compute_query_id":                "on", // a verbose plan tells it
	"huge_pages":                      "off",
	"dynamic_shared_memory_type":      "mmap",
	"wal_level":                       "logical",
	"max_wal_senders":                 "4",
	"max_replication_slots":           "4",
	"max_worker_processes":            "0",
	"max_parallel_workers":            "0",
	"max_logical_replication_workers": "0",
	"min_wal_size":                    "2MB",
	"max_wal_size":                    "64MB",
	"bgwriter_lru_maxpages":           "0",
	"logging_collector":               "off",
	"lc_messages":                     "C", // its log is read for "could not bind"
}

// durableSettings differ from a clone's where data must survive and many clients come.
var durableSettings = map[string]string{
	"fsync":                           "on",
	"synchronous_commit":              "on",
	"full_page_writes":                "on",
	"shared_buffers":                  "128MB",
	"max_connections":                 "100",
	"effective_cache_size":            "128MB", // the planner works as in the hosted service
	"autovacuum":                      "on",
	"compute_query_id":                "on", // a verbose plan tells it
	"huge_pages":                      "off",
	"dynamic_shared_memory_type":      "mmap",
	"wal_level":                       "logical",
	"max_wal_senders":                 "10",
	"max_replication_slots":           "10",
	"max_worker_processes":            "8",
	"max_parallel_workers":            "8",
	"max_logical_replication_workers": "0",
	"min_wal_size":                    "2MB",
	"max_wal_size":                    "512MB",
	"logging_collector":               "off",
	"lc_messages":                     "C",
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

// settingArgs renders the settings as command line arguments, the caller's after ours.
func settingArgs(major int, base, extra map[string]string) ([]string, error) {
	all := maps.Clone(base)
	if major >= 18 {
		all["io_method"] = "sync"
	}
	if runtime.GOOS == "linux" {
		all["recovery_init_sync_method"] = "syncfs" // instead of a call for each of a thousand files
	}
	for name, value := range extra {
		if !settingName.MatchString(name) {
			return nil, fmt.Errorf("%q is not the name of a PostgreSQL setting", name)
		}
		if strings.ContainsRune(value, 0) {
			return nil, fmt.Errorf("the PostgreSQL setting %s contains a zero byte", name)
		}
		all[strings.ToLower(name)] = value
	}
	args := make([]string, 0, 2*len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		args = append(args, "-c", name+"="+all[name])
	}
	return args, nil
}
