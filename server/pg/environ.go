package pg

import (
	"os"
	"slices"
	"strings"
)

// kept are the variables PostgreSQL may need from us. Everything else stays here: PG* variables would change what it
// does, and the rest may hold secrets that a process under another user has no business with.
var kept = []string{"PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "SystemRoot", "TEMP", "TMP"}

// childEnviron is the environment of every program of PostgreSQL's that this package starts.
func childEnviron() []string {
	env := []string{"LC_ALL=C", "TZ=UTC"}
	for _, kv := range os.Environ() {
		if name, _, ok := strings.Cut(kv, "="); ok && slices.Contains(kept, name) {
			env = append(env, kv)
		}
	}
	return env
}
