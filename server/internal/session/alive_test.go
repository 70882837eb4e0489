//go:build unix

package session_test

import "testing"

// TestTerminatedConnections: those that the server has ended while nobody used
// them are not given to anybody.
func TestTerminatedConnections(t *testing.T) {
	t.Parallel()
	db, srv := open(t, 2)
	before := one(t, db, nil, "select pg_backend_pid()")
	srv.Exec(t, "select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = 'authenticator'")
	if after := one(t, db, nil, "select pg_backend_pid()"); after == before {
		t.Errorf("still backend %s", after)
	}
}
