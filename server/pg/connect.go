package pg

import (
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
)

// baseConnConfig is parsed once; a copy is cheap, parsing looks up users and files.
var baseConnConfig = sync.OnceValues(func() (*pgx.ConnConfig, error) {
	// everything named, so that PG* variables of the environment change nothing
	cfg, err := pgx.ParseConfig("host=/nonexistent port=5432 user=postgres password='' dbname=postgres sslmode=disable passfile='' servicefile='' target_session_attrs=any")
	if err != nil {
		return nil, fmt.Errorf("the connection settings in the environment (PG… variables) are not usable: %w", err)
	}
	cfg.RuntimeParams = map[string]string{}
	cfg.Fallbacks = nil
	cfg.TLSConfig = nil
	cfg.ValidateConnect = nil
	return cfg, nil
})

// socketConfig is a connection over the unix socket in dir.
func socketConfig(dir string, port int, user, db string) (*pgx.ConnConfig, error) {
	base, err := baseConnConfig()
	if err != nil {
		return nil, err
	}
	cfg := base.Copy()
	cfg.Host, cfg.Port, cfg.User, cfg.Database = dir, uint16(port), user, db
	return cfg, nil
}
