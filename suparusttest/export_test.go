package suparusttest

import (
	"errors"
	"strconv"
	"strings"

	"github.com/suparust/suparust/server"
)

// ClosePools ends the databases that were made ready, for what follows to
// begin without any.
var ClosePools = func() error { return errors.Join(closeShared(), closePools()) }

// ClusterDir is the run directory of the server's PostgreSQL.
func (s *Server) ClusterDir() string { return s.srv.Cluster().Dir() }

// ServerOf is the server in this process.
func ServerOf(s *Server) *server.Server { return s.srv }

// Log is the end of the server's log.
func (s *Server) Log() string { return s.log.String() }

// Of is the server's own snapshot.
func (n *Snapshot) Of() *server.Snapshot { return n.of }

// SharedDir is the run directory of the PostgreSQL that the server shares.
func SharedDir(s *Server) string {
	shared.Lock()
	defer shared.Unlock()
	for _, c := range shared.byKey {
		c.mu.Lock()
		if c.cluster != nil && strings.Contains(s.DatabaseURL, ":"+strconv.Itoa(c.cluster.Port())+"/") {
			defer c.mu.Unlock()
			return c.cluster.Dir()
		}
		c.mu.Unlock()
	}
	return ""
}
