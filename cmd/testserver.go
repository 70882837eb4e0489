package cmd

import (
	"fmt"
	"strings"

	"github.com/suparust/suparust/server"
)

// How far a test server's other ports are from the first one's API port: far enough for two servers side by side, and
// below 65536 for the usual 53001.
const (
	testDatabaseDistance = 10000
	testMailDistance     = 10100
)

// testServer is a server that `suparust env test` writes the files of.
type testServer struct {
	profile string
	names   testNames
	port    int
	keys    server.Keys
}

// testNames are what a test server's settings are called.
type testNames struct {
	style                                                  string
	port, secret, anonKey, serviceKey, dataDir, storageDir string
	bindAddr, databasePort, password                       string
}

var (
	ownTestNames = testNames{"suparust's names", "SUPARUST_PORT", "SUPARUST_JWT_SECRET", "SUPARUST_ANON_KEY", "SUPARUST_SERVICE_ROLE_KEY",
		"SUPARUST_DB_DATA_DIR", "SUPARUST_STORAGE_ROOT", "SUPARUST_BIND_ADDR", "SUPARUST_DB_PORT", "SUPARUST_DB_PASSWORD"}
	supabaseTestNames = testNames{"Supabase's names, and suparust's where it has none", "PORT", "JWT_SECRET", "ANON_KEY", "SERVICE_ROLE_KEY",
		"DATA_DIR", "STORAGE_ROOT", "BIND_ADDR", "POSTGRES_PORT", "POSTGRES_PASSWORD"}
)

// testServers are the two servers, on port and the port behind it, each with a secret of its own.
func testServers(port int) ([]*testServer, error) {
	if last := port + 1 + testMailDistance; port < 1 || last > 65535 {
		return nil, usageError{fmt.Sprintf("--port %d: choose one from 1 to %d, for the servers' databases and mailboxes take ports up to %d further",
			port, 65535-testMailDistance-1, testMailDistance+1)}
	}
	list := []*testServer{
		{profile: "test", names: ownTestNames, port: port},
		{profile: "supabase.test", names: supabaseTestNames, port: port + 1},
	}
	for _, s := range list {
		secret, err := randomSecret()
		if err != nil {
			return nil, err
		}
		if s.keys, err = (server.Keys{JWTSecret: secret}).Complete(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (s *testServer) file() string       { return identity{profile: s.profile}.file() }
func (s *testServer) clientFile() string { return s.file() + ".client" }

// dataDir holds everything that the server keeps.
func (s *testServer) dataDir() string     { return "data/" + identity{profile: s.profile}.name() }
func (s *testServer) databaseDir() string { return s.dataDir() + "/postgres" }
func (s *testServer) storageDir() string  { return s.dataDir() + "/storage" }

func (s *testServer) databasePort() int { return s.port + testDatabaseDistance }

const testPassword = "postgres"

// writtenByEnvTest is in the first lines of each file, so that --regen replaces no other.
const writtenByEnvTest = "Written by `suparust env test`"

// environ is the server's file.
func (s *testServer) environ() string {
	n := s.names
	return fmt.Sprintf("# A server for tests, in %s: suparust start --profile %s\n# %s; --regen writes it anew, with other keys.\n", n.style, s.profile, writtenByEnvTest) +
		lines(
			n.port, fmt.Sprint(s.port),
			n.bindAddr, "127.0.0.1",
			n.databasePort, fmt.Sprint(s.databasePort()),
			"SUPARUST_MAIL_PORT", fmt.Sprint(s.port+testMailDistance),
			"SUPARUST_MAIL_SMTP_PORT", "0",
			"SUPARUST_OAUTH_FAKE", server.FakeOAuthMissing,
			n.secret, s.keys.JWTSecret,
			n.anonKey, s.keys.AnonKey,
			n.serviceKey, s.keys.ServiceRoleKey,
			n.password, testPassword,
			n.dataDir, s.databaseDir(),
			n.storageDir, s.storageDir(),
		)
}

// clientEnviron is the file of the server's clients.
func (s *testServer) clientEnviron() string {
	url := fmt.Sprintf("http://127.0.0.1:%d", s.port)
	database := fmt.Sprintf("postgresql://postgres:%s@127.0.0.1:%d/postgres", testPassword, s.databasePort())
	return fmt.Sprintf("# What clients find the server of %s with. %s, with the same keys.\n", s.file(), writtenByEnvTest) +
		strings.Join(server.ClientEnviron(url, database, s.keys), "\n") + "\n"
}

// lines are NAME=value pairs, one a line.
func lines(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "%s=%s\n", pairs[i], pairs[i+1])
	}
	return b.String()
}
