// Package pg runs PostgreSQL itself: it finds or fetches the binaries, builds a template of a data directory once per
// content, clones it into memory-backed directories in a few milliseconds, supervises the servers and stops them, and
// keeps the data directory of a long-running server.
//
// The parts, in the order in which a caller meets them:
//
//	Resolve       finds the binaries (explicit directory, embedded archive, caches, an installation, downloads)
//	LoadTemplate  builds or loads the data directory every cluster starts from
//	Start         starts a cluster: a throw-away clone, or a durable one on a data directory
//	Pool          keeps throw-away clusters ready
//
// Nothing that this package starts outlives the process: see runroot.go, watchdog_unix.go and spawn_linux.go.
package pg
