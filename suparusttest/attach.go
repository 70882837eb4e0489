package suparusttest

import (
	"net/http"
	"testing"

	"github.com/suparust/suparust/server"
)

// Attach returns the handle of a server that runs elsewhere, such as in a
// container: keys are its own, those that are missing derive from the secret,
// and databaseURL connects to its database as the role postgres. Of the options
// those that load something count: WithSQL and WithFixtures. The server is not
// stopped when tb ends, and its mail is not seen: Mail is nil.
func Attach(tb testing.TB, url, databaseURL string, keys server.Keys, opts ...Option) *Server {
	tb.Helper()
	o := newOptions(opts...)
	keys, err := keys.Complete()
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	s := &Server{
		URL: url, AnonKey: keys.AnonKey, ServiceKey: keys.ServiceRoleKey, JWTSecret: keys.JWTSecret,
		PublishableKey: keys.PublishableKey, SecretKey: keys.SecretKey,
		DatabaseURL: databaseURL, log: newLogTail(), now: o.now,
		http: &http.Transport{MaxIdleConnsPerHost: 64},
	}
	tb.Cleanup(func() { s.stop(tb) })
	for _, sql := range o.sql {
		s.Exec(tb, sql)
	}
	s.load(tb, o.fixtures)
	return s
}
