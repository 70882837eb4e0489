package pgnet

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// The original's own values of its settings, and the most that it takes at once.
const (
	defaultTTL   = "6 hours"
	defaultBatch = 200
	mostBatch    = 1<<15 - 1
)

// settings are those of pg_net, "" where nobody has set one.
type settings struct {
	ttl, batch string
	// session tells that a value is the session's alone. It comes from the
	// server's configuration, or was the database's when the session began.
	session bool
}

// A session has the settings of its database and its role as they were when it
// connected. These are those that one which connects now would have.
const settingsSQL = `with kept as (
	select distinct on (1) pg_catalog.lower(pg_catalog.split_part(entry, '=', 1)) as name, pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1) as value
	from pg_catalog.pg_db_role_setting, pg_catalog.unnest(setconfig) entry
	where setdatabase in (0, (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
		and setrole in (0, (select oid from pg_catalog.pg_roles where rolname = session_user))
	order by 1, setrole <> 0 and setdatabase <> 0 desc, setrole <> 0 desc, setdatabase <> 0 desc
), found as (
	select asked.name, kept.value as kept, nullif(pg_catalog.current_setting(asked.name, true), '') as own
	from (values ('pg_net.ttl'), ('pg_net.batch_size')) asked (name) left join kept using (name)
)
select coalesce(pg_catalog.max(coalesce(kept, own)) filter (where name = 'pg_net.ttl'), ''),
	coalesce(pg_catalog.max(coalesce(kept, own)) filter (where name = 'pg_net.batch_size'), ''),
	pg_catalog.bool_or(kept is null and own is not null)
from found`

func readSettings(ctx context.Context, conn *pgx.Conn) (s settings, err error) {
	err = conn.QueryRow(ctx, settingsSQL).Scan(&s.ttl, &s.batch, &s.session)
	return s, err
}

// most is how many requests are taken and responses deleted at once.
func (s *settings) most() (int, error) {
	if s.batch == "" {
		return defaultBatch, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(s.batch))
	if err != nil || n < 0 || n > mostBatch {
		return defaultBatch, fmt.Errorf("pg_net.batch_size is %q and has to be a number from 0 to %d: %d is used", s.batch, mostBatch, defaultBatch)
	}
	return n, nil
}

// limits are how long responses are kept and how many rows are handled at once.
// problem is what is wrong with the settings, where the original's values are
// used.
func (s *settings) limits(ctx context.Context, conn *pgx.Conn) (ttl string, most int, problem, err error) {
	most, problem = s.most()
	if ttl = s.ttl; ttl == "" {
		return defaultTTL, most, problem, nil
	}
	if _, err := conn.Exec(ctx, "select $1::text::interval", ttl); hasState(err, "22") {
		problem = errors.Join(fmt.Errorf("pg_net.ttl is %q and has to be an interval: %s is used", ttl, defaultTTL), problem)
		ttl = defaultTTL
	} else if err != nil {
		return "", 0, nil, err
	}
	return ttl, most, problem, nil
}
