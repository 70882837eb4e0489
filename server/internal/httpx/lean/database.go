package lean

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Querier is a connection to a database, or a pool of them.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// DatabaseTime is what PostgreSQL has computed for the connections to it, 0
// where the system does not tell it.
func DatabaseTime(ctx context.Context, db Querier) (sum time.Duration, err error) {
	rows, err := db.Query(ctx, "select pid from pg_stat_activity where backend_type = 'client backend'")
	if err != nil {
		return 0, err
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	for _, pid := range pids {
		sum += ProcessorTimeOf(pid)
	}
	return sum, err
}
