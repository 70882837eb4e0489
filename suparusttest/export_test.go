package suparusttest

import "github.com/suparust/suparust/server"

// ClosePools ends the databases that were made ready, for what follows to
// begin without any.
var ClosePools = closePools

// ClusterDir is the run directory of the server's PostgreSQL.
func (s *Server) ClusterDir() string { return s.srv.Cluster().Dir() }

// PoolDepth is how many databases wait for the next tests.
var PoolDepth = poolDepth

// Log is the end of the server's log.
func (s *Server) Log() string { return s.log.String() }

// Of is the server's own snapshot.
func (n *Snapshot) Of() *server.Snapshot { return n.of }
